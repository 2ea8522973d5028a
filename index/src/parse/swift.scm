(class_declaration declaration_kind: "class" name: (type_identifier) @name) @def.class
(class_declaration declaration_kind: "actor" name: (type_identifier) @name) @def.class
(class_declaration declaration_kind: "struct" name: (type_identifier) @name) @def.struct
(class_declaration declaration_kind: "enum" name: (type_identifier) @name) @def.enum
(class_declaration declaration_kind: "extension" name: (_) @name) @scope.impl
(protocol_declaration name: (type_identifier) @name) @def.interface
(enum_entry name: (simple_identifier) @name) @def.variant
(function_declaration name: [(simple_identifier) (bang) (custom_operator)] @name) @def.function
(function_declaration
  name: ["==" "!=" "<" ">" "<=" ">=" "===" "!==" "+" "-" "*" "/" "%" "+=" "-=" "*=" "/=" "&" "|" "^" "~" "<<" ">>" "..." "..<"] @name) @def.function
(protocol_function_declaration name: [(simple_identifier) (bang) (custom_operator)] @name) @def.method
(init_declaration "init" @name) @def.constructor
(deinit_declaration "deinit" @name) @def.method
(subscript_declaration "subscript" @name) @def.method
(property_declaration name: (pattern bound_identifier: (simple_identifier) @name)) @def.variable
(protocol_property_declaration name: (pattern bound_identifier: (simple_identifier) @name)) @def.field
(typealias_declaration name: (type_identifier) @name) @def.type
(associatedtype_declaration name: (type_identifier) @name) @def.type
(macro_declaration (simple_identifier) @name) @def.macro

(call_expression . (simple_identifier) @ref.call)
(call_expression . (navigation_expression suffix: (navigation_suffix suffix: (simple_identifier) @ref.call)))
(constructor_expression (user_type (type_identifier) @ref.call))
(navigation_expression target: (simple_identifier) @ref.path)
(macro_invocation (simple_identifier) @ref.call)
(type_identifier) @ref.type
(import_declaration (identifier) @ref.import)
