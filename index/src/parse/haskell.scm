(header module: (module) @qualified) @def.module
(declarations (signature name: (variable) @name) @def.function)
(declarations (signature names: (binding_list name: (variable) @name)) @def.function)
(declarations (signature name: (prefix_id) @name) @def.function)
(declarations (function name: [(variable) (prefix_id)] @name) @def.function)
(declarations (function (infix operator: (_) @name)) @def.function)
(declarations (bind name: (variable) @name) @def.function)
(declarations (data_type name: (name) @name) @def.type)
(declarations (newtype name: (name) @name) @def.type)
(declarations (type_synonym name: (name) @name) @def.type)
(declarations (type_family name: (name) @name) @def.type)
(declarations (data_family name: (name) @name) @def.type)
(declarations (class name: (name) @name) @def.class)
(declarations (instance name: (_) @name) @scope.impl)
(data_constructor (prefix name: (constructor) @name)) @def.variant
(data_constructor (record name: (constructor) @name)) @def.variant
(data_constructor (infix operator: (constructor_operator) @name)) @def.variant
(newtype_constructor name: (constructor) @name) @def.variant
(gadt_constructor name: (constructor) @name) @def.variant
(gadt_constructor names: (binding_list name: (constructor) @name)) @def.variant
(field name: (field_name (variable) @name)) @def.field
(class_declarations (signature name: [(variable) (prefix_id)] @name) @def.method)
(class_declarations (signature names: (binding_list name: (variable) @name)) @def.method)
(instance_declarations (function name: [(variable) (prefix_id)] @name) @def.method)
(instance_declarations (bind name: (variable) @name) @def.method)
(foreign_import signature: (signature name: (variable) @name)) @def.function
(pattern_synonym (equation synonym: (_ . (constructor) @name))) @def.function

(apply function: (variable) @ref.call)
(apply function: (constructor) @ref.call)
(apply function: (qualified id: (_) @ref.call))
(infix operator: (operator) @ref.call)
(infix operator: (infix_id (variable) @ref.call))
; Functions are passed on more often than called.
(infix left_operand: (variable) @ref.use)
(infix right_operand: (variable) @ref.use)
(apply argument: (variable) @ref.use)
(record constructor: (constructor) @ref.call)
(name) @ref.type
(import module: (module) @ref.import)
(import_name variable: (variable) @ref.import)
(import_name type: (name) @ref.import)
