(class_declaration "interface" name: (identifier) @name) @def.interface
(class_declaration (modifiers (class_modifier "enum")) name: (identifier) @name) @def.enum
(class_declaration name: (identifier) @name) @def.class
(object_declaration name: (identifier) @name) @def.object
(companion_object name: (identifier) @name) @def.object
(enum_entry . (modifiers)? . (identifier) @name) @def.variant
(function_declaration name: (identifier) @name) @def.function
(secondary_constructor "constructor" @name) @def.constructor
(property_declaration
  (modifiers (property_modifier "const"))
  (variable_declaration . (identifier) @name)) @def.constant
(property_declaration (variable_declaration . (annotation)* . (identifier) @name)) @def.variable
(class_parameter ["val" "var"] . (identifier) @name) @def.field
(type_alias type: (identifier) @name) @def.type

(call_expression . (identifier) @ref.call)
(call_expression . (navigation_expression (identifier) @ref.call .))
(navigation_expression . (identifier) @ref.path)
(callable_reference (identifier) @ref.call .)
(infix_expression (_) . (identifier) @ref.call)
(user_type (identifier) @ref.type)
(import (qualified_identifier (identifier) @ref.import .))
(import (identifier) @ref.import)
