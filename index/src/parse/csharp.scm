(namespace_declaration name: (_) @qualified) @def.module
(file_scoped_namespace_declaration name: (_) @qualified) @def.module
(class_declaration name: (identifier) @name) @def.class
(struct_declaration name: (identifier) @name) @def.struct
(record_declaration name: (identifier) @name) @def.class
(interface_declaration name: (identifier) @name) @def.interface
(enum_declaration name: (identifier) @name) @def.enum
(enum_member_declaration name: (identifier) @name) @def.variant
(delegate_declaration name: (identifier) @name) @def.type
(method_declaration name: (identifier) @name) @def.method
(local_function_statement name: (identifier) @name) @def.function
(constructor_declaration name: (identifier) @name) @def.constructor
(destructor_declaration name: (identifier) @name) @def.method
(operator_declaration operator: _ @name) @def.method
(conversion_operator_declaration type: (identifier) @embedded) @def.method
(indexer_declaration "this" @name) @def.property
(property_declaration name: (identifier) @name) @def.property
(event_declaration name: (identifier) @name) @def.field
(field_declaration
  (modifier "const")
  (variable_declaration (variable_declarator name: (identifier) @name))) @def.constant
(field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @def.field
(event_field_declaration (variable_declaration (variable_declarator name: (identifier) @name))) @def.field
(record_declaration (parameter_list (parameter name: (identifier) @name) @def.property))

(invocation_expression function: (identifier) @ref.call)
(invocation_expression function: (generic_name (identifier) @ref.call))
(member_access_expression name: (generic_name (identifier) @ref.call))
(invocation_expression function: (member_access_expression name: (identifier) @ref.call))
(invocation_expression
  function: (conditional_access_expression (member_binding_expression name: (identifier) @ref.call)))
(member_access_expression expression: (identifier) @ref.path)
(object_creation_expression type: (identifier) @ref.call)
(object_creation_expression type: (generic_name (identifier) @ref.call))
(object_creation_expression type: (qualified_name name: (identifier) @ref.call))
(attribute name: (identifier) @ref.type)
(base_list (identifier) @ref.type)
(base_list (generic_name (identifier) @ref.type))
(base_list (qualified_name name: (identifier) @ref.type))
(primary_constructor_base_type type: (identifier) @ref.type)
(_ type: (identifier) @ref.type)
(_ type: (generic_name (identifier) @ref.type))
(_ type: (qualified_name name: (identifier) @ref.type))
(_ returns: (identifier) @ref.type)
(_ returns: (generic_name (identifier) @ref.type))
(nullable_type type: (identifier) @ref.type)
(type_argument_list (identifier) @ref.type)
(type_argument_list (generic_name (identifier) @ref.type))
(as_expression right: (identifier) @ref.type)
(is_expression right: (identifier) @ref.type)
(is_pattern_expression pattern: (constant_pattern (identifier) @ref.type))
(typeof_expression type: (identifier) @ref.type)
(using_directive (identifier) @ref.import)
(using_directive (qualified_name) @ref.import)
