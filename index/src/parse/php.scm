(namespace_definition name: (namespace_name) @qualified) @def.module
(class_declaration name: (name) @name) @def.class
(interface_declaration name: (name) @name) @def.interface
(trait_declaration name: (name) @name) @def.trait
(enum_declaration name: (name) @name) @def.enum
(enum_case name: (name) @name) @def.variant
(function_definition name: (name) @name) @def.function
(method_declaration name: (name) @name) @def.method
(const_declaration (const_element . (name) @name)) @def.constant
(property_declaration (property_element name: (variable_name (name) @name))) @def.field
(property_promotion_parameter name: (variable_name (name) @name)) @def.property
(program (expression_statement (assignment_expression left: (variable_name (name) @name)) @def.variable))
(function_call_expression
  function: (name) @_define
  arguments: (arguments . (argument (string (string_content) @name)))
  (#eq? @_define "define")) @def.constant

(function_call_expression function: (name) @ref.call)
(function_call_expression function: (qualified_name (name) @ref.call))
(member_call_expression name: (name) @ref.call)
(nullsafe_member_call_expression name: (name) @ref.call)
(scoped_call_expression name: (name) @ref.call)
(scoped_call_expression scope: (name) @ref.type)
(class_constant_access_expression . (name) @ref.type)
(object_creation_expression (name) @ref.call)
(object_creation_expression (qualified_name (name) @ref.call))
(named_type (name) @ref.type)
(named_type (qualified_name (name) @ref.type))
(base_clause (name) @ref.type)
(base_clause (qualified_name (name) @ref.type))
(class_interface_clause (name) @ref.type)
(class_interface_clause (qualified_name (name) @ref.type))
(use_declaration (name) @ref.type)
(attribute (name) @ref.type)
(binary_expression operator: "instanceof" right: (name) @ref.type)
(namespace_use_clause (qualified_name (name) @ref.import))
(namespace_use_clause (name) @ref.import)
