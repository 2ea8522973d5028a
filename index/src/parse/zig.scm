(function_declaration name: (identifier) @name) @def.function
(variable_declaration . (identifier) @name (struct_declaration)) @def.struct
(variable_declaration . (identifier) @name (union_declaration)) @def.union
(variable_declaration . (identifier) @name (enum_declaration)) @def.enum
(variable_declaration . (identifier) @name (opaque_declaration)) @def.type
(variable_declaration . (identifier) @name (error_set_declaration)) @def.enum
(source_file (variable_declaration "const" . (identifier) @name) @def.constant)
(source_file (variable_declaration "var" . (identifier) @name) @def.static)
(struct_declaration (variable_declaration "const" . (identifier) @name) @def.constant)
(union_declaration (variable_declaration "const" . (identifier) @name) @def.constant)
(enum_declaration (variable_declaration "const" . (identifier) @name) @def.constant)
(opaque_declaration (variable_declaration "const" . (identifier) @name) @def.constant)
(struct_declaration (variable_declaration "var" . (identifier) @name) @def.static)
(enum_declaration (container_field name: (identifier) @name) @def.variant)
(container_field name: (identifier) @name) @def.field
(error_set_declaration (identifier) @name @def.variant)
(test_declaration [(string (string_content) @name) (identifier) @name]) @def.test

(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression member: (identifier) @ref.call))
(_ type: (identifier) @ref.type)
(pointer_type (identifier) @ref.type)
(nullable_type (identifier) @ref.type)
(slice_type (identifier) @ref.type)
(error_union_type ok: (identifier) @ref.type)
(struct_initializer (identifier) @ref.type)
(field_expression object: (identifier) @ref.path)
(field_expression member: (identifier) @ref.path)
