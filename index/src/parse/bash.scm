(function_definition name: (word) @name) @def.function
(program (variable_assignment name: (variable_name) @name) @def.variable)
(program (declaration_command (variable_assignment name: (variable_name) @name)) @def.variable)
(program (list (variable_assignment name: (variable_name) @name) @def.variable))
(program (if_statement (variable_assignment name: (variable_name) @name) @def.variable))
; Bats.
(command
  name: (command_name (word) @_test)
  argument: (string (string_content) @name)
  (#eq? @_test "@test")) @def.test

(command name: (command_name (word) @ref.call))
(simple_expansion (variable_name) @ref.use)
(expansion (variable_name) @ref.use)
