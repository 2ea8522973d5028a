(class_specifier name: (type_identifier) @name body: (_)) @def.class
(class_specifier name: (template_type name: (type_identifier) @name) body: (_)) @def.class
(class_specifier name: (qualified_identifier) @qualified body: (_)) @def.class
(struct_specifier name: (template_type name: (type_identifier) @name) body: (_)) @def.struct
(struct_specifier name: (qualified_identifier) @qualified body: (_)) @def.struct
(union_specifier name: (template_type name: (type_identifier) @name) body: (_)) @def.union
(enum_specifier name: (qualified_identifier) @qualified body: (_)) @def.enum
(namespace_definition name: (namespace_identifier) @name) @def.module
(namespace_definition name: (nested_namespace_specifier) @qualified) @def.module
(namespace_alias_definition name: (namespace_identifier) @name) @def.module
(alias_declaration name: (type_identifier) @name) @def.type
(concept_definition name: (identifier) @name) @def.concept
; Suites of GoogleTest and Catch are functions to the grammar.
(function_definition
  declarator: (function_declarator
    declarator: (identifier) @_macro
    parameters: (parameter_list . (_) . (parameter_declaration type: (type_identifier) @name)))
  (#match? @_macro "^(TYPED_)?TEST(_F|_P)?$")) @def.test

(call_expression function: (qualified_identifier name: (identifier) @ref.call))
(call_expression function: (template_function name: (identifier) @ref.call))
(call_expression function: (qualified_identifier name: (template_function name: (identifier) @ref.call)))
(call_expression function: (qualified_identifier name: (qualified_identifier name: (identifier) @ref.call)))
(call_expression function: (field_expression field: (template_method name: (field_identifier) @ref.call)))
(using_declaration (qualified_identifier name: (identifier) @ref.import))
(qualified_identifier scope: (namespace_identifier) @ref.path)
