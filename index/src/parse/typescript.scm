(class_declaration name: (type_identifier) @name) @def.class
(abstract_class_declaration name: (type_identifier) @name) @def.class
(interface_declaration name: (type_identifier) @name) @def.interface
(type_alias_declaration name: (type_identifier) @name) @def.type
(enum_declaration name: (identifier) @name) @def.enum
(enum_body name: (property_identifier) @name @def.variant)
(enum_assignment name: (property_identifier) @name) @def.variant
(enum_body name: (string (string_fragment) @name) @def.variant)
(enum_assignment name: (string (string_fragment) @name)) @def.variant
(internal_module name: [(identifier) (nested_identifier)] @qualified) @def.module
(module name: [(identifier) (nested_identifier)] @qualified) @def.module
(class name: (type_identifier) @name) @def.class
(program (ambient_declaration (lexical_declaration (variable_declarator name: (identifier) @name) @def.variable)))
(program (ambient_declaration (variable_declaration (variable_declarator name: (identifier) @name) @def.variable)))
(statement_block (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @def.variable)))
(function_signature name: (identifier) @name) @def.function
(method_signature name: (property_identifier) @name) @def.method
(abstract_method_signature name: (property_identifier) @name) @def.method
(property_signature name: (property_identifier) @name) @def.field
(public_field_definition
  name: [(property_identifier) (private_property_identifier)] @name
  value: [(arrow_function) (function_expression)]) @def.method
(public_field_definition name: [(property_identifier) (private_property_identifier)] @name) @def.field

(type_identifier) @ref.type
(required_parameter (accessibility_modifier) pattern: (identifier) @name) @def.property
(required_parameter "readonly" pattern: (identifier) @name) @def.property

(extends_clause value: (identifier) @ref.type)
(extends_clause value: (member_expression property: (property_identifier) @ref.type))
