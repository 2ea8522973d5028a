; Definitions: the node, the kind in the capture's name, and @name inside it. @scope is a container that is no symbol.
(function_item name: (identifier) @name) @def.function
(function_signature_item name: (identifier) @name) @def.function
(struct_item name: (type_identifier) @name) @def.struct
(union_item name: (type_identifier) @name) @def.union
(enum_item name: (type_identifier) @name) @def.enum
(enum_variant name: (identifier) @name) @def.variant
(trait_item name: (type_identifier) @name) @def.trait
(type_item name: (type_identifier) @name) @def.type
(associated_type name: (type_identifier) @name) @def.type
(const_item name: (identifier) @name) @def.constant
(static_item name: (identifier) @name) @def.static
(mod_item name: (identifier) @name body: (_)) @def.module
(macro_definition name: (identifier) @name) @def.macro
(field_declaration name: (field_identifier) @name) @def.field
(impl_item type: (_) @name) @scope.impl

; Uses.
(call_expression function: (identifier) @ref.call)
(call_expression function: (scoped_identifier name: (identifier) @ref.call))
(call_expression function: (field_expression field: (field_identifier) @ref.call))
(generic_function function: (identifier) @ref.call)
(generic_function function: (scoped_identifier name: (identifier) @ref.call))
(generic_function function: (field_expression field: (field_identifier) @ref.call))
(macro_invocation macro: (identifier) @ref.call)
(macro_invocation macro: (scoped_identifier name: (identifier) @ref.call))
(scoped_identifier path: (identifier) @ref.path)
(type_identifier) @ref.type
(use_declaration argument: (scoped_identifier name: (identifier) @ref.import))
(use_declaration argument: (identifier) @ref.import)
(use_list (identifier) @ref.import)
(use_list (scoped_identifier name: (identifier) @ref.import))
(use_as_clause path: (scoped_identifier name: (identifier) @ref.import))
(token_tree (identifier) @ref.token)
(attribute
  (identifier) @_derive
  arguments: (token_tree (identifier) @ref.path)
  (#eq? @_derive "derive"))
(extern_crate_declaration name: (identifier) @ref.import)
(use_as_clause path: (identifier) @ref.import)
(scoped_use_list path: (identifier) @ref.path)
(scoped_use_list path: (scoped_identifier name: (identifier) @ref.import))

; Items inside macros, `cfg_net! { pub fn … }`.
(source_file (macro_invocation (token_tree) @inner))
(source_file (expression_statement (macro_invocation (token_tree) @inner)))
(declaration_list (macro_invocation (token_tree) @inner))
