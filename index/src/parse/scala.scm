(package_clause name: (package_identifier) @qualified) @def.module
(package_object name: (_) @name) @def.object
(class_definition name: (_) @name) @def.class
(object_definition name: (_) @name) @def.object
(trait_definition name: (_) @name) @def.trait
(enum_definition name: (_) @name) @def.enum
(simple_enum_case name: (_) @name) @def.variant
(full_enum_case name: (_) @name) @def.variant
(type_definition name: (_) @name) @def.type
(function_definition name: (_) @name) @def.function
(function_declaration name: (_) @name) @def.function
(val_definition pattern: (identifier) @name) @def.variable
(var_definition pattern: (identifier) @name) @def.variable
(val_declaration name: (_) @name) @def.variable
(var_declaration name: (_) @name) @def.variable
(given_definition name: (_) @name) @def.variable
(class_parameters (class_parameter name: (_) @name) @def.field)

(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (_) @ref.call))
(call_expression function: (generic_function function: (identifier) @ref.call))
(call_expression function: (generic_function function: (field_expression field: (_) @ref.call)))
(field_expression value: (identifier) @ref.path)
(infix_expression operator: (identifier) @ref.call)
(instance_expression (type_identifier) @ref.call)
(instance_expression (generic_type type: (type_identifier) @ref.call))
(type_identifier) @ref.type
(annotation name: (type_identifier) @ref.type)
(import_declaration path: (_) @ref.import .)
(namespace_selectors (identifier) @ref.import)
(arrow_renamed_identifier name: (_) @ref.import)
(as_renamed_identifier name: (_) @ref.import)
