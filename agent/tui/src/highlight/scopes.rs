//! Owns what the scopes of a grammar mean.
//! Uses the names that Sublime Text's scope naming guide lists, which the grammars share.
//! Never names a colour.

use std::sync::OnceLock;

use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxSet};

use crate::style::Style;

/// From the beginning of a scope to its meaning; the first that fits counts, so that the more special stand first.
const MEANINGS: [(&str, Style); 42] = [
    ("comment", Style::Comment),
    ("constant.character.escape", Style::Number),
    ("string", Style::Literal),
    ("constant.character", Style::Literal),
    ("constant", Style::Number),
    ("support.constant", Style::Number),
    ("keyword.operator.word", Style::Keyword),
    ("keyword.operator.logical.python", Style::Keyword),
    ("keyword.operator", Style::Plain),
    ("keyword.declaration", Style::Keyword),
    ("keyword", Style::Keyword),
    ("storage", Style::Keyword),
    ("variable.language", Style::Keyword),
    ("variable.function", Style::Function),
    ("variable.parameter", Style::Plain),
    ("entity.name.function", Style::Function),
    ("entity.name.macro", Style::Function),
    ("support.function", Style::Function),
    ("support.macro", Style::Function),
    ("entity.name.tag", Style::Keyword),
    ("entity.other.attribute-name", Style::Type),
    ("entity.name.type", Style::Type),
    ("entity.name.class", Style::Type),
    ("entity.name.struct", Style::Type),
    ("entity.name.enum", Style::Type),
    ("entity.name.trait", Style::Type),
    ("entity.name.interface", Style::Type),
    ("entity.name.table", Style::Type),
    ("entity.name.section", Style::Heading),
    ("entity.other.inherited-class", Style::Type),
    ("support.type", Style::Type),
    ("support.class", Style::Type),
    ("markup.heading", Style::Heading),
    ("markup.bold", Style::Strong),
    ("markup.italic", Style::Emphasis),
    ("markup.raw", Style::Code),
    ("markup.inserted", Style::Added),
    ("markup.deleted", Style::Removed),
    ("markup.underline.link", Style::Link),
    // Code within a text is code again.
    ("meta.interpolation", Style::Plain),
    ("source", Style::Plain),
    ("text", Style::Plain),
];

fn meanings() -> &'static [(Scope, Style)] {
    static MEANT: OnceLock<Vec<(Scope, Style)>> = OnceLock::new();
    MEANT.get_or_init(|| {
        MEANINGS.iter().filter_map(|(name, style)| Some((Scope::new(name).ok()?, *style))).collect()
    })
}

/// What is meant where these scopes hold: the innermost that says something.
fn meaning(stack: &ScopeStack) -> Style {
    let said = |scope: &Scope| {
        meanings().iter().find(|(prefix, _)| prefix.is_prefix_of(*scope)).map(|found| found.1)
    };
    stack.as_slice().iter().rev().find_map(said).unwrap_or_default()
}

/// The line as runs of bytes with one meaning, from its beginning. What the grammar cannot say is left away.
pub(super) fn spans(
    set: &SyntaxSet,
    state: &mut ParseState,
    stack: &mut ScopeStack,
    line: &str,
) -> Vec<(u16, Style)> {
    let whole = format!("{line}\n");
    let Ok(operations) = state.parse_line(&whole, set) else { return Vec::new() };
    let mut spans: Vec<(u16, Style)> = Vec::new();
    let mut from = 0;
    let mut put = |to: usize, style: Style| {
        // Lines that are longer than any run can be were sorted out before.
        let bytes = u16::try_from(to.min(line.len()).saturating_sub(from)).unwrap_or(0);
        if bytes == 0 {
            return;
        }
        from += usize::from(bytes);
        match spans.last_mut() {
            Some(last) if last.1 == style => last.0 += bytes,
            _ => spans.push((bytes, style)),
        }
    };
    for (at, operation) in &operations {
        put(*at, meaning(stack));
        if stack.apply(operation).is_err() {
            break;
        }
    }
    put(line.len(), meaning(stack));
    spans
}
