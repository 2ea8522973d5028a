; What JavaScript, TypeScript and TSX share.
(function_declaration name: (identifier) @name) @def.function
(generator_function_declaration name: (identifier) @name) @def.function
(method_definition name: [(property_identifier) (private_property_identifier)] @name) @def.method
(variable_declarator name: (identifier) @name value: (class)) @def.class
(variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression) (generator_function)]) @def.function
(pair key: (property_identifier) @name value: [(arrow_function) (function_expression)]) @def.method
(arguments (function_expression name: (identifier) @name) @def.function)
(return_statement (function_expression name: (identifier) @name) @def.function)
; `Foo.prototype.bar = function`, then `exports.bar = function`.
(assignment_expression
  left: (member_expression
    object: (member_expression object: (identifier) @parent property: (property_identifier) @_prototype)
    property: (property_identifier) @name)
  right: [(arrow_function) (function_expression) (generator_function)]
  (#eq? @_prototype "prototype")) @def.method
(assignment_expression
  left: (member_expression property: (property_identifier) @name)
  right: [(arrow_function) (function_expression) (generator_function)]) @def.function
; What CommonJS exports: `exports.limit = 3`, `module.exports = { open, shut }`.
(program (expression_statement (assignment_expression
  left: (member_expression object: (identifier) @_exports property: (property_identifier) @name)
  (#eq? @_exports "exports")) @def.variable))
(program (expression_statement (assignment_expression
  left: (member_expression
    object: (member_expression object: (identifier) @_module property: (property_identifier) @_exports)
    property: (property_identifier) @name)
  (#eq? @_module "module") (#eq? @_exports "exports")) @def.variable))
(program (expression_statement (assignment_expression
  left: (member_expression object: (identifier) @_module property: (property_identifier) @_exports)
  right: (object (shorthand_property_identifier) @ref.import)
  (#eq? @_module "module") (#eq? @_exports "exports"))))
(call_expression
  function: [(identifier) @_suite (member_expression object: (identifier) @_suite)]
  arguments: (arguments . [(string (string_fragment) @name) (template_string (string_fragment) @name)])
  (#any-of? @_suite "describe" "it" "test" "suite" "context" "specify" "bench")) @def.test
(program (lexical_declaration (variable_declarator name: (identifier) @name) @def.variable))
(program (variable_declaration (variable_declarator name: (identifier) @name) @def.variable))
(program (export_statement (lexical_declaration (variable_declarator name: (identifier) @name) @def.variable)))
(program (export_statement (variable_declaration (variable_declarator name: (identifier) @name) @def.variable)))

(call_expression function: (identifier) @ref.call)
(call_expression function: (member_expression property: [(property_identifier) (private_property_identifier)] @ref.call))
(new_expression constructor: (identifier) @ref.call)
(new_expression constructor: (member_expression property: (property_identifier) @ref.call))
(import_specifier name: (identifier) @ref.import)
(import_clause (identifier) @ref.import)
(namespace_import (identifier) @ref.import)
(variable_declarator
  name: (object_pattern (shorthand_property_identifier_pattern) @ref.import)
  value: (call_expression function: (identifier) @_require)
  (#eq? @_require "require"))
(decorator (identifier) @ref.call)
(member_expression object: (identifier) @ref.path)
(export_specifier name: (identifier) @ref.import)
