//! Owns how a declarator of C and C++ is read: `*(*const table[4])(int)` declares `table`.
//! Uses syntax nodes of the two grammars.
//! Never looks further than the declarator and the words before it.

use std::ops::Range;

use tree_sitter::Node;

/// Declarators nest as pointers and brackets do; nobody writes deeper ones.
const DEEPEST: usize = 24;

/// What a declarator declares.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) name: Range<usize>,
    /// The type or namespace the name is qualified by.
    pub(super) scope: Option<Range<usize>>,
    pub(super) kind: &'static str,
}

/// Read a declarator that stands in the node `around`. `kind` is what it declares when it is no function.
pub(super) fn read(
    text: &str,
    around: Node<'_>,
    declarator: Node<'_>,
    kind: &'static str,
) -> Option<Declared> {
    let mut node = declarator;
    let mut scope = None;
    // The declarator next to the name decides: `int *f(int)` is a function, `int (*f)(int)` a variable.
    let mut is_function = false;
    for _ in 0..DEEPEST {
        match node.kind() {
            "identifier" | "field_identifier" | "type_identifier" | "destructor_name" | "operator_name"
            | "operator_cast" | "primitive_type" => {
                if is_test_macro(&text[node.byte_range()]) {
                    return None;
                }
                return Some(declared(text, around, node, scope, kind, is_function));
            }
            "qualified_identifier" => {
                scope = node.child_by_field_name("scope").map(|scope| scope.byte_range()).or(scope);
                node = node.child_by_field_name("name")?;
            }
            "template_function" | "template_method" | "template_type" => {
                node = node.child_by_field_name("name")?
            }
            "parenthesized_declarator"
            | "attributed_declarator"
            | "reference_declarator"
            | "variadic_declarator" => {
                // These name no field; what they hold is the first thing in them that is a declarator.
                is_function = is_function && node.kind() == "parenthesized_declarator";
                node = (0..node.named_child_count())
                    .filter_map(|at| node.named_child(u32::try_from(at).ok()?))
                    .find(|inner| {
                        inner.kind().ends_with("declarator") || inner.kind().ends_with("identifier")
                    })
                    .or_else(|| node.named_child(0))?;
            }
            "function_declarator" => {
                is_function = true;
                node = node.child_by_field_name("declarator")?;
            }
            _ => {
                is_function = false;
                node = node.child_by_field_name("declarator")?;
            }
        }
    }
    None
}

/// Suites of GoogleTest look like functions of that name; the query has them under their own.
fn is_test_macro(name: &str) -> bool {
    matches!(name, "TEST" | "TEST_F" | "TEST_P" | "TYPED_TEST" | "TYPED_TEST_P")
}

fn declared(
    text: &str,
    around: Node<'_>,
    name: Node<'_>,
    scope: Option<Range<usize>>,
    kind: &'static str,
    is_function: bool,
) -> Declared {
    let mut range = name.byte_range();
    if name.kind() == "operator_cast" {
        // `operator bool() const`: the parameters are part of the node.
        let length = text[range.clone()].find('(').unwrap_or(range.len());
        range.end = range.start + text[range.start..range.start + length].trim_end().len();
    }
    let is_member = scope.is_some() || !matches!(name.kind(), "identifier");
    let is_outside = text[around.start_byte()..].starts_with("extern ");
    let kind = match kind {
        "function" if is_member => "method",
        "field" if is_function || name.kind() == "operator_cast" => "method",
        "variable" if name.kind() == "operator_cast" => "method",
        "variable" if is_function || is_outside => "declaration",
        other => other,
    };
    Declared { name: range, scope, kind }
}
