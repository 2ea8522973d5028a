(call
  target: (identifier) @_module
  (arguments . (alias) @qualified)
  (#eq? @_module "defmodule")) @def.module
(call
  target: (identifier) @_protocol
  (arguments . (alias) @qualified)
  (#eq? @_protocol "defprotocol")) @def.interface
(call
  target: (identifier) @_impl
  (arguments . (alias) @qualified)
  (#eq? @_impl "defimpl")) @scope.impl
(call
  target: (identifier) @_def
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "when")
    (binary_operator left: (identifier) @name operator: "when")
  ])
  (#any-of? @_def "def" "defp" "defdelegate" "defguard" "defguardp" "defn" "defnp")) @def.function
(call
  target: (identifier) @_macro
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "when")
  ])
  (#any-of? @_macro "defmacro" "defmacrop")) @def.macro
(call
  target: (identifier) @_struct
  (arguments [
    (list [(atom) @qualified (keywords (pair key: (keyword) @qualified))])
    (keywords (pair key: (keyword) @qualified))
  ])
  (#any-of? @_struct "defstruct" "defexception")) @def.field
(call
  target: (identifier) @_suite
  (arguments . (string (quoted_content) @name))
  (do_block)
  (#any-of? @_suite "describe" "test" "feature")) @def.test
(unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @_type
    (arguments (binary_operator left: [
      (identifier) @name
      (call target: (identifier) @name)
    ] operator: "::")))
  (#any-of? @_type "type" "typep" "opaque")) @def.type
(unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @_callback
    (arguments (binary_operator left: (call target: (identifier) @name) operator: "::")))
  (#any-of? @_callback "callback" "macrocallback")) @def.declaration
(unary_operator
  operator: "@"
  operand: (call target: (identifier) @name (arguments))
  (#not-any-of? @name "doc" "moduledoc" "typedoc" "spec" "type" "typep" "opaque" "callback" "macrocallback" "impl" "behaviour" "moduletag" "tag" "describetag" "deprecated" "derive" "enforce_keys" "optional_callbacks" "compile" "dialyzer" "before_compile" "after_compile" "on_load" "external_resource" "since")) @def.constant

(call
  target: (identifier) @ref.call
  (#not-any-of? @ref.call "def" "defp" "defmodule" "defmacro" "defmacrop" "defstruct" "defimpl" "defprotocol" "defguard" "defdelegate" "doc" "moduledoc" "typedoc" "spec"))
(unary_operator operator: "@" operand: (identifier) @ref.use)
(call target: (dot right: (identifier) @ref.call))
(binary_operator operator: "|>" right: (identifier) @ref.call)
(alias) @ref.type
(call
  target: (identifier) @_import
  (arguments . (alias) @ref.import)
  (#any-of? @_import "alias" "import" "use" "require"))
(call
  target: (identifier) @_import
  (arguments . (dot right: (tuple (alias) @ref.import)))
  (#any-of? @_import "alias" "import" "use" "require"))
