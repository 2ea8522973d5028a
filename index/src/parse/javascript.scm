(class_declaration name: (identifier) @name) @def.class
(class name: (identifier) @name) @def.class
(field_definition
  property: [(property_identifier) (private_property_identifier)] @name
  value: [(arrow_function) (function_expression)]) @def.method
(field_definition property: [(property_identifier) (private_property_identifier)] @name) @def.field
(class_heritage (identifier) @ref.type)
(class_heritage (member_expression property: (property_identifier) @ref.type))
