(class_declaration name: (identifier) @name) @def.class
(interface_declaration name: (identifier) @name) @def.interface
(enum_declaration name: (identifier) @name) @def.enum
(record_declaration name: (identifier) @name) @def.class
(annotation_type_declaration name: (identifier) @name) @def.interface
(record_declaration parameters: (formal_parameters (formal_parameter name: (identifier) @name) @def.field))
(method_declaration name: (identifier) @name) @def.method
(constructor_declaration name: (identifier) @name) @def.constructor
(compact_constructor_declaration name: (identifier) @name) @def.constructor
(annotation_type_element_declaration name: (identifier) @name) @def.method
(enum_constant name: (identifier) @name) @def.variant
(field_declaration
  (modifiers "static" "final")
  declarator: (variable_declarator name: (identifier) @name)) @def.constant
(field_declaration declarator: (variable_declarator name: (identifier) @name)) @def.field
(constant_declaration declarator: (variable_declarator name: (identifier) @name)) @def.constant

(method_invocation name: (identifier) @ref.call)
(method_reference (identifier) @ref.call .)
(object_creation_expression type: (type_identifier) @ref.call)
(type_identifier) @ref.type
(annotation name: (identifier) @ref.type)
(marker_annotation name: (identifier) @ref.type)
(scoped_type_identifier (type_identifier) @ref.type)
(method_invocation object: (identifier) @ref.path)
(field_access object: (identifier) @ref.path)
(import_declaration (scoped_identifier name: (identifier) @ref.import))
