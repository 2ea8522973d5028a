(function_declaration name: (identifier) @name) @def.function
(function_declaration name: (dot_index_expression) @qualified) @def.function
(function_declaration name: (method_index_expression) @qualified) @def.method
(assignment_statement
  (variable_list . name: (identifier) @name)
  (expression_list . value: (function_definition))) @def.function
(assignment_statement
  (variable_list . name: (dot_index_expression) @qualified)
  (expression_list . value: (function_definition))) @def.function
(field name: (identifier) @name value: (function_definition)) @def.function
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name))) @def.variable)
(chunk (assignment_statement (variable_list name: (identifier) @name)) @def.variable)
(chunk (assignment_statement (variable_list name: (dot_index_expression) @qualified)) @def.variable)
(function_call
  name: (identifier) @_suite
  arguments: (arguments . (string content: (_) @name))
  (#any-of? @_suite "describe" "it" "context" "insulate" "pending")) @def.test

(function_call name: (identifier) @ref.call)
(function_call name: (dot_index_expression field: (identifier) @ref.call))
(function_call name: (method_index_expression method: (identifier) @ref.call))
(function_call
  name: (identifier) @_require
  arguments: (arguments . (string content: (_) @ref.import))
  (#eq? @_require "require"))
