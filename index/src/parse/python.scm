(class_definition name: (identifier) @name) @def.class
(function_definition name: (identifier) @name) @def.function
(type_alias_statement left: (type (identifier) @name)) @def.type
(type_alias_statement left: (type (generic_type . (identifier) @name))) @def.type
; Those in functions are dropped by their place; those in classes are fields.
(assignment left: (identifier) @name) @def.variable
(module (expression_statement (assignment left: [(pattern_list (identifier) @name) (tuple_pattern (identifier) @name)]) @def.variable))

(call function: (identifier) @ref.call)
(call function: (attribute attribute: (identifier) @ref.call))
(decorator (identifier) @ref.call)
(decorator (attribute attribute: (identifier) @ref.call))
(import_from_statement name: (dotted_name (identifier) @ref.import))
(import_statement name: (dotted_name (identifier) @ref.import))
(aliased_import name: (dotted_name (identifier) @ref.import))
(type (identifier) @ref.type)
(generic_type (identifier) @ref.type)
(type (attribute attribute: (identifier) @ref.type))
(type (subscript value: (identifier) @ref.type))
(type (binary_operator (identifier) @ref.type))
(type (union_type (type (identifier) @ref.type)))
(except_clause value: (identifier) @ref.type)
(except_clause value: (as_pattern (identifier) @ref.type))
(except_clause value: (tuple (identifier) @ref.type))
(raise_statement . (identifier) @ref.type)
(class_definition superclasses: (argument_list (subscript value: (identifier) @ref.type)))
(class_definition superclasses: (argument_list (identifier) @ref.type))
(class_definition superclasses: (argument_list (attribute attribute: (identifier) @ref.type)))
