; Declarators nest without end; `declarator.rs` finds the name in them.
(function_definition declarator: (_) @declarator) @def.function
(declaration declarator: (_) @declarator) @def.variable
(field_declaration declarator: (_) @declarator) @def.field
(type_definition
  type: [(struct_specifier !name) (union_specifier !name)]
  declarator: (type_identifier) @name) @def.struct
(type_definition type: (enum_specifier !name) declarator: (type_identifier) @name) @def.enum
(type_definition declarator: (_) @declarator) @def.type
(struct_specifier name: (type_identifier) @name body: (_)) @def.struct
(union_specifier name: (type_identifier) @name body: (_)) @def.union
(enum_specifier name: (type_identifier) @name body: (_)) @def.enum
(enumerator name: (identifier) @name) @def.variant
(preproc_def name: (identifier) @name) @def.macro
(preproc_function_def name: (identifier) @name) @def.macro

(call_expression function: (identifier) @ref.call)
(call_expression function: (field_expression field: (field_identifier) @ref.call))
(type_identifier) @ref.type
