(function_declaration name: (identifier) @name) @def.function
(method_declaration
  receiver: (parameter_list (parameter_declaration type: (_) @parent))
  name: (field_identifier) @name) @def.method
(type_spec name: (type_identifier) @name type: (struct_type)) @def.struct
(type_spec name: (type_identifier) @name type: (interface_type)) @def.interface
(type_spec name: (type_identifier) @name) @def.type
(type_alias name: (type_identifier) @name) @def.type
(source_file (const_declaration (const_spec name: (identifier) @name) @def.constant))
(source_file (var_declaration (var_spec name: (identifier) @name) @def.variable))
(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @def.variable)))
(field_declaration name: (field_identifier) @name) @def.field
(field_declaration !name type: (type_identifier) @embedded) @def.field
(field_declaration !name type: (qualified_type name: (type_identifier) @embedded)) @def.field
(field_declaration !name type: (pointer_type (type_identifier) @embedded)) @def.field
(field_declaration !name type: (generic_type type: (type_identifier) @embedded)) @def.field
(method_elem name: (field_identifier) @name) @def.method

(call_expression function: (identifier) @ref.call)
(call_expression function: (selector_expression field: (field_identifier) @ref.call))
(call_expression function: (parenthesized_expression (identifier) @ref.call))
(type_identifier) @ref.type
(composite_literal type: (qualified_type name: (type_identifier) @ref.call))
(import_spec name: (package_identifier) @ref.import)
(import_spec path: (interpreted_string_literal (interpreted_string_literal_content) @ref.import))
; A call with type arguments reads like a conversion.
(type_conversion_expression type: (generic_type type: (type_identifier) @ref.call))
(type_conversion_expression type: (generic_type type: (qualified_type name: (type_identifier) @ref.call)))
