(module name: (_) @qualified) @def.module
(class name: (_) @qualified) @def.class
(method name: (_) @name) @def.method
(singleton_method name: (_) @name) @def.method
(alias name: (_) @name) @def.method
; Classes that are made by a call.
(assignment
  left: (constant) @name
  right: (call receiver: (constant) @_maker method: (identifier) @_new)
  (#any-of? @_maker "Struct" "Class" "Data") (#any-of? @_new "new" "define")) @def.class
(assignment left: (constant) @name) @def.constant
(assignment left: (scope_resolution) @qualified) @def.constant
(call
  method: (identifier) @_attribute
  arguments: (argument_list (simple_symbol) @qualified @def.field)
  (#any-of? @_attribute "attr_accessor" "attr_reader" "attr_writer" "attr" "mattr_accessor" "cattr_accessor" "class_attribute"))
(call
  method: (identifier) @_define
  arguments: (argument_list . (simple_symbol) @qualified)
  (#any-of? @_define "define_method" "define_singleton_method" "def_delegator" "def_node_matcher" "def_node_search" "alias_method" "scope" "has_many" "belongs_to" "has_one")) @def.method
(call
  method: (identifier) @_suite
  arguments: (argument_list . (_) @name)
  block: (_)
  (#any-of? @_suite "describe" "context" "it" "specify" "test" "feature" "scenario" "shared_examples" "shared_context")) @def.test

(call method: (identifier) @ref.call)
(call method: (constant) @ref.call)
(call receiver: (constant) @ref.type)
(call receiver: (scope_resolution name: (constant) @ref.type))
(scope_resolution scope: (constant) @ref.type)
(superclass (constant) @ref.type)
(superclass (scope_resolution name: (constant) @ref.type))
(rescue exceptions: (exceptions (constant) @ref.type))
(argument_list (constant) @ref.type)
(argument_list (scope_resolution name: (constant) @ref.type))
(block_argument (simple_symbol) @ref.call)
