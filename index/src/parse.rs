//! Owns what a source text says about symbols: definitions, uses, their places.
//! Uses tree-sitter, the language table in `languages` and one tags query per language.
//! Never runs without limits: a parse that takes too long, or fails, leaves a text without symbols.

mod declarator;
pub(crate) mod languages;
mod macros;
mod signature;
mod structure;

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::{ControlFlow, Range};
use std::time::{Duration, Instant};

use tree_sitter::{
    Node, ParseOptions, Parser, Point, QueryCursor, QueryCursorOptions, StreamingIterator, Tree,
};

use crate::codec::{Decoder, Encoder};
use languages::{Language, Reader, Role};

/// Steps (of a hundred operations, as tree-sitter counts them) for any file, and for each byte of it. Ordinary sources take
/// a tenth of that. Steps do not depend on how busy the machine is, so that the same text always has the same symbols.
const STEPS: usize = 20_000;
const STEPS_A_BYTE: f32 = 0.25;
/// The bound in time, for steps that are slow themselves: very deep nesting, and 2,000 comments that Swift opens in each
/// other, 20 s for 4 kB. Ordinary sources take 0.3 s a megabyte.
const PARSE_LIMIT: Duration = Duration::from_secs(2);
const PARSE_LIMIT_A_BYTE: Duration = Duration::from_micros(10);

/// A longer line is minified or generated: its symbols are noise.
const LONGEST_LINE: usize = 5_000;
/// Nobody declares more names at once.
const CLAUSES_BACK: usize = 8;

/// Kinds of uses, by the number they are stored under.
pub(crate) const USE_KINDS: [&str; 4] = ["mention", "call", "type", "import"];

/// A definition, or a scope (`impl`, a heading) that only gives others their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    /// First line, comments and attributes above included, from 1.
    pub(crate) start_line: u32,
    /// Line of the name, from 1.
    pub(crate) line: u32,
    pub(crate) end_line: u32,
    pub(crate) signature: String,
    /// As answers show it: `impl Foo`, `class Bar`.
    pub(crate) parent: Option<String>,
    /// Nesting, from 0.
    pub(crate) depth: u32,
    pub(crate) doc: Option<String>,
    pub(crate) is_test: bool,
}

impl Tag {
    /// Whether its name says what its lines are about. Keys of data and sentences of tests repeat the names of the code they
    /// are for, and took the first place from it: of 100 phrases one more finds its definition first without them.
    pub(crate) fn names_its_place(&self) -> bool {
        !matches!(self.kind, "key" | "test")
    }

    /// Whether it can be asked for by name; scopes, tests and the parts of documents cannot: code would drown in them.
    pub(crate) fn is_symbol(&self) -> bool {
        !matches!(self.kind, "impl" | "heading" | "test" | "key" | "selector" | "element" | "target")
    }
}

/// A use of a name: kind as in [`USE_KINDS`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) kind: u8,
}

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags {
    /// In order of their places.
    pub(crate) definitions: Vec<Tag>,
    /// By name, then line.
    pub(crate) uses: Vec<Use>,
}

/// Read the symbols of a text. A language without a grammar, or a text no grammar should see, has none.
pub(crate) fn tags(text: &str, language: &Language, path_is_test: bool) -> Tags {
    let parts = match language.reader {
        Reader::Plain => return Tags::default(),
        Reader::Lines(read) => return structure::tags(text, read, language.comments, path_is_test),
        Reader::Grammar { .. } => vec![(None, language)],
        // A page is its scripts, and its own structure around them.
        Reader::Page => {
            structure::scripts(text).into_iter().map(|(part, inner)| (Some(part), inner)).collect()
        }
    };
    if text.lines().any(|line| line.len() > LONGEST_LINE) {
        return Tags::default();
    }
    let lines = LineIndex::new(text);
    let mut tags = Tags::default();
    if matches!(language.reader, Reader::Page) {
        tags = structure::tags(text, structure::html, language.comments, path_is_test);
    }
    let mut budget = Budget::of(text);
    for (part, language) in parts {
        let Some(compiled) = language.compiled() else { continue };
        let mut gathered = Gathered::default();
        let bytes = match language.name {
            "c" | "cpp" => macros::without(text),
            // The scanner of this grammar looks characters up in tables of 256 and crashed beyond them: it gets a letter for
            // each byte of such a character, so that every place stays.
            "shell" if !text.is_ascii() => {
                text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'_' }).collect()
            }
            _ => Cow::Borrowed(text.as_bytes()),
        };
        // The whole text first, then what stands inside macros such as `cfg_net! { … }`.
        let mut pending = vec![part];
        while let Some(part) = pending.pop() {
            let Some(tree) = parse(&bytes, &lines, part, &compiled.grammar, &mut budget) else { break };
            gather(text, compiled, &tree, &mut budget, &mut gathered);
            pending.extend(gathered.inner.drain(..).map(Some));
        }
        let (definitions, names) = place(text, language, &lines, gathered.raws, path_is_test);
        tags.definitions.extend(definitions);
        tags.uses.extend(settle_uses(&lines, gathered.found, &names));
    }
    if matches!(language.reader, Reader::Page) {
        tags.definitions.sort_by_key(|tag| (tag.start_line, tag.line, std::cmp::Reverse(tag.end_line)));
        tags.uses.sort();
        tags.uses.dedup_by(|one, other| (&one.name, one.line) == (&other.name, other.line));
    }
    tags
}

fn parse(
    bytes: &[u8],
    lines: &LineIndex,
    part: Option<Range<usize>>,
    grammar: &tree_sitter::Language,
    budget: &mut Budget,
) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(grammar).ok()?;
    if let Some(part) = part {
        let (start_point, end_point) = (lines.point(part.start), lines.point(part.end));
        let range = tree_sitter::Range { start_byte: part.start, end_byte: part.end, start_point, end_point };
        parser.set_included_ranges(&[range]).ok()?;
    }
    let mut late = |_: &tree_sitter::ParseState| budget.step();
    parser.parse_with_options(
        &mut |at, _| bytes.get(at..).unwrap_or_default(),
        None,
        Some(ParseOptions::new().progress_callback(&mut late)),
    )
}

/// What a parse and its query may still cost together.
struct Budget {
    steps: usize,
    deadline: Instant,
}

impl Budget {
    fn of(text: &str) -> Self {
        let bytes = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let steps = STEPS + (text.len() as f32 * STEPS_A_BYTE) as usize;
        Self { steps, deadline: Instant::now() + PARSE_LIMIT + PARSE_LIMIT_A_BYTE * bytes }
    }

    fn step(&mut self) -> ControlFlow<()> {
        self.steps = self.steps.saturating_sub(1);
        let spent = self.steps == 0 || self.steps.is_multiple_of(256) && Instant::now() > self.deadline;
        if spent { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A definition before its place among the others is known.
struct Raw<'a> {
    start: usize,
    end: usize,
    name: &'a str,
    name_start: usize,
    kind: &'static str,
    body: Option<usize>,
    receiver: Option<&'a str>,
    /// What stands before the name: `A.B` in `namespace A.B.C`.
    path: Option<&'a str>,
    /// The name is a use as well: a type that is embedded under its own name, the type of an `impl`.
    is_use: bool,
    /// The place of its pattern in the query: of two that match the same name, the earlier one counts.
    pattern: usize,
}

/// What the matches of a query say, in the order they came.
#[derive(Default)]
struct Gathered<'a> {
    raws: Vec<Raw<'a>>,
    /// Uses: where, which name, what kind.
    found: Vec<(usize, &'a str, u8)>,
    /// The insides of macros that hold items.
    inner: Vec<Range<usize>>,
}

fn gather<'a>(
    text: &'a str,
    compiled: &languages::Compiled,
    tree: &Tree,
    budget: &mut Budget,
    gathered: &mut Gathered<'a>,
) {
    let bytes = text.as_bytes();
    let Gathered { raws, found, inner } = gathered;
    let mut cursor = QueryCursor::new();
    let mut late = |_: &tree_sitter::QueryCursorState| budget.step();
    let options = QueryCursorOptions::new().progress_callback(&mut late);
    let mut matches = cursor.matches_with_options(&compiled.query, tree.root_node(), bytes, options);
    while let Some(found_match) = matches.next() {
        let (mut name, mut node, mut receiver) = (None, None, None);
        let (mut is_use, mut declares, mut path) = (false, None, None);
        for capture in found_match.captures() {
            let piece = &text[capture.node.byte_range()];
            match compiled.roles[capture.index as usize] {
                Role::Name => name = Some((piece, capture.node.start_byte())),
                Role::Qualified => {
                    let (outer, last) = split_qualified(piece);
                    name = Some((last, capture.node.end_byte() - last.len()));
                    path = outer;
                }
                Role::Embedded => {
                    name = Some((piece, capture.node.start_byte()));
                    is_use = true;
                }
                Role::Declarator => declares = Some(capture.node),
                Role::Definition(kind) => {
                    node = Some((capture.node, kind));
                    is_use |= kind == "impl";
                }
                Role::Receiver => receiver = Some(piece),
                Role::Use(kind) => {
                    let (_, last) = split_qualified(piece);
                    found.push((capture.node.end_byte() - last.len(), last, kind));
                }
                Role::Path => {
                    if piece.starts_with(char::is_uppercase) {
                        found.push((capture.node.start_byte(), piece, 2));
                    }
                }
                Role::Inner => {
                    let inside = capture.node.start_byte() + 1..capture.node.end_byte().saturating_sub(1);
                    if text.get(inside.clone()).is_some_and(holds_items) {
                        inner.push(inside);
                    }
                }
                Role::Token => {
                    if bytes.get(capture.node.end_byte()) == Some(&b'(') {
                        found.push((capture.node.start_byte(), piece, 1));
                    }
                }
                Role::Predicate => {}
            }
        }
        if let (Some(declares), Some((around, kind))) = (declares, node)
            && let Some(declared) = declarator::read(text, around, declares, kind)
        {
            name = Some((&text[declared.name.clone()], declared.name.start));
            receiver = declared.scope.map(|scope| &text[scope]);
            node = Some((around, declared.kind));
        }
        if let (Some((name, name_start)), Some((node, kind))) = (name, node) {
            raws.push(Raw {
                start: node.start_byte(),
                end: node.end_byte(),
                name,
                name_start,
                kind,
                body: body_of(node).map(|body| body.start_byte()),
                receiver,
                path,
                is_use,
                pattern: found_match.pattern_index,
            });
        }
    }
}

/// The body of a definition: its own, or that of the function it assigns; where the grammar names none, the block at its end.
fn body_of(node: Node<'_>) -> Option<Node<'_>> {
    let inside = |field| node.child_by_field_name(field)?.child_by_field_name("body");
    let last = || {
        let last = node.child(node.child_count().checked_sub(1)?)?;
        let is_body = matches!(
            last.kind(),
            "class_body"
                | "enum_class_body"
                | "function_body"
                | "do_block"
                | "accessor_list"
                | "declaration_list"
                | "computed_property"
                | "block"
        );
        is_body.then_some(last)
    };
    node.child_by_field_name("body").or_else(|| inside("value")).or_else(|| inside("right")).or_else(last)
}

/// `Phoenix.Router` → (`Phoenix`, `Router`); a name without a path is its own last piece.
fn split_qualified(text: &str) -> (Option<&str>, &str) {
    let text = text.trim_end().trim_end_matches(':');
    match text.rfind(['.', ':', '\\', '/']) {
        Some(at) if at + 1 < text.len() => {
            let outer = text[..at].trim_end_matches([':', '\\']);
            ((!outer.is_empty()).then_some(outer), &text[at + 1..])
        }
        _ => (None, text),
    }
}

/// Whether the inside of a macro looks like items rather than arguments.
fn holds_items(inside: &str) -> bool {
    ["fn ", "struct ", "enum ", "trait ", "impl ", "mod ", "const ", "static ", "type "]
        .iter()
        .any(|word| inside.contains(word))
}

/// Sort, drop doubles and locals, and give each definition its parent. Returns the tags and the places of their names.
fn place(
    text: &str,
    language: &Language,
    lines: &LineIndex,
    mut raws: Vec<Raw<'_>>,
    path_is_test: bool,
) -> (Vec<Tag>, HashSet<usize>) {
    struct Open {
        start: usize,
        end: usize,
        line: u32,
        kind: &'static str,
        label: String,
        is_test: bool,
    }
    raws.sort_by_key(|raw| (raw.name_start, raw.pattern));
    raws.dedup_by_key(|raw| raw.name_start);
    raws.sort_by(|one, other| {
        (one.start, std::cmp::Reverse(one.end)).cmp(&(other.start, std::cmp::Reverse(other.end)))
    });
    let names = raws.iter().filter(|raw| !raw.is_use).map(|raw| raw.name_start).collect();
    let mut tags = Vec::with_capacity(raws.len());
    let mut open: Vec<Open> = Vec::new();
    for raw in raws {
        // `int a, *b;` declares two with one node: neither stands in the other.
        let is_over =
            |outer: &Open| outer.end <= raw.start || (outer.start, outer.end) == (raw.start, raw.end);
        while open.last().is_some_and(is_over) {
            open.pop();
        }
        // What a constructor declares in its parameters belongs to the class.
        let promoted = raw.kind == "property" && open.last().is_some_and(|outer| is_callable(outer.kind));
        let outer = open[..open.len() - usize::from(promoted)].last();
        if is_local(raw.kind, outer.map(|outer| outer.kind)) {
            continue;
        }
        let kind = final_kind(&raw, outer.map(|outer| outer.kind));
        let name = bare_name(raw.name, kind);
        if name.is_empty() {
            continue;
        }
        let start_line = lines.line(raw.start);
        let name_line = lines.line(raw.name_start);
        let above = match outer {
            // What stands above this line belongs to the outer one.
            Some(outer) if outer.line == start_line => signature::Above { start_line, ..Default::default() },
            _ => signature::above(text, lines, start_line, name_line, language.comments),
        };
        let is_test =
            path_is_test || kind == "test" || above.is_test || outer.is_some_and(|outer| outer.is_test);
        let (start_line, attributes) = if language.name == "elixir" {
            signature::attributes_above(text, lines, start_line)
        } else {
            (above.start_line, None)
        };
        let header = signature::header(text, lines, raw.start, raw.end, raw.body, language);
        let doc = attributes
            .or(above.doc)
            .or_else(|| raw.body.and_then(|body| signature::docstring(text, body, raw.end, language)));
        let label = if kind == "impl" {
            signature::impl_label(&header, name)
        } else {
            format!("{} {name}", label_kind(kind))
        };
        let receiver = raw.receiver.map(|receiver| format!("type {}", bare_name(receiver, "type")));
        let path = raw.path.map(|path| path.trim_start_matches("::").to_owned());
        let parent = receiver.or(path).or_else(|| outer.map(|outer| outer.label.clone()));
        let end_line = lines.line(raw.end.saturating_sub(1).max(raw.start));
        let is_test = is_test || kind == "class" && header.contains("TestCase");
        let depth = u32::try_from(open.len() - usize::from(promoted)).unwrap_or(u32::MAX);
        let first = start_line.min(name_line);
        if language.has_clauses
            && let Some(before) = clause_of(&mut tags, name, kind, depth)
        {
            before.end_line = before.end_line.max(end_line);
            open.push(Open { start: raw.start, end: raw.end, line: first, kind, label, is_test });
            continue;
        }
        tags.push(Tag {
            name: name.to_owned(),
            kind,
            start_line,
            line: name_line,
            end_line,
            signature: header,
            parent,
            depth,
            doc,
            is_test,
        });
        open.push(Open { start: raw.start, end: raw.end, line: lines.line(raw.start), kind, label, is_test });
    }
    (tags, names)
}

/// The earlier clause of a function that is written in several, `foo 0 = 1` and `foo n = …`, or its signature.
fn clause_of<'a>(tags: &'a mut [Tag], name: &str, kind: &str, depth: u32) -> Option<&'a mut Tag> {
    if !matches!(kind, "function" | "method" | "macro") {
        return None;
    }
    let siblings =
        tags.iter_mut().rev().take_while(|tag| tag.depth >= depth).filter(|tag| tag.depth == depth);
    // `a, b :: Int` declares several before the first of them is defined; otherwise clauses stand together.
    let mut nearest = None;
    siblings.take(CLAUSES_BACK).find(|tag| {
        let line = *nearest.get_or_insert(tag.line);
        tag.name == name && tag.kind == kind && tag.line == line
    })
}

fn is_callable(kind: &str) -> bool {
    matches!(kind, "function" | "method" | "constructor" | "test")
}

/// Whether a definition is the business of the function or the initialiser around it alone.
fn is_local(kind: &str, outer: Option<&'static str>) -> bool {
    let in_function = outer.is_some_and(is_callable);
    let in_value = matches!(outer, Some("variable" | "constant" | "static" | "field"));
    match kind {
        "variable" | "declaration" => in_function || in_value,
        "field" => in_function || outer.is_none(),
        _ => false,
    }
}

/// What a function is depends on where it stands; what an assignment is, on how it is written.
fn final_kind(raw: &Raw<'_>, outer: Option<&'static str>) -> &'static str {
    let in_type = matches!(
        outer,
        Some("impl" | "trait" | "class" | "struct" | "interface" | "enum" | "union" | "object" | "type")
    );
    match raw.kind {
        "function" if in_type || raw.receiver.is_some() => "method",
        "variable"
            if raw.name.len() > 1
                && raw.name.chars().any(char::is_alphabetic)
                && !raw.name.chars().any(char::is_lowercase) =>
        {
            "constant"
        }
        "variable" if in_type => "field",
        // Constructors and destructors, as C++ declares them.
        "declaration" if in_type => "method",
        other => other,
    }
}

fn label_kind(kind: &'static str) -> &'static str {
    match kind {
        "module" => "mod",
        "function" | "method" => "fn",
        other => other,
    }
}

/// `&'a mut Vec<T>` → `Vec`, `*Server` → `Server`, `fmt::Display` → `Display`; operators and destructors stay as written.
fn bare_name<'a>(text: &'a str, kind: &str) -> &'a str {
    match kind {
        "impl" | "type" => {}
        "test" => return text.trim().trim_matches(['"', '\'', '`']).trim(),
        // An operator of Haskell, `(<+>)`.
        "function" | "method" if text.starts_with('(') && text.ends_with(')') => {
            return text[1..text.len() - 1].trim();
        }
        // Names that are words of the language, or hold blanks: `adds entries`.
        _ => return text.trim().trim_matches('`'),
    }
    let head =
        text.split(['<', '[', '(']).find(|piece| piece.contains(char::is_alphanumeric)).unwrap_or(text);
    let head = head.trim_start_matches(['&', '*', ' ']);
    let head = head.rsplit([':', '.', ' ']).find(|piece| !piece.is_empty()).unwrap_or(head);
    head.trim_matches(|character: char| !(character.is_alphanumeric() || character == '_'))
}

/// One use per name and line, the most telling kind; the names of definitions are not uses.
fn settle_uses(lines: &LineIndex, mut found: Vec<(usize, &str, u8)>, names: &HashSet<usize>) -> Vec<Use> {
    found.retain(|(at, name, _)| !names.contains(at) && name.len() > 1 && name.len() < 200);
    let mut uses: Vec<(&str, u32, u8)> =
        found.into_iter().map(|(at, name, kind)| (name, lines.line(at), kind)).collect();
    uses.sort_unstable_by(|one, other| {
        (one.0, one.1, weight(one.2)).cmp(&(other.0, other.1, weight(other.2)))
    });
    uses.dedup_by_key(|one| (one.0, one.1));
    uses.into_iter().map(|(name, line, kind)| Use { name: name.to_owned(), line, kind }).collect()
}

/// Calls say more than imports, imports more than types.
fn weight(kind: u8) -> u8 {
    match kind {
        1 => 0,
        3 => 1,
        2 => 2,
        _ => 3,
    }
}

/// Where each line of a text starts.
#[derive(Debug)]
pub(crate) struct LineIndex {
    starts: Vec<usize>,
}

impl LineIndex {
    /// Lines end with `\n`; a last line without one counts.
    pub(crate) fn new(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
        if starts.len() > 1 && starts.last() == Some(&text.len()) {
            starts.pop();
        }
        Self { starts }
    }

    /// How many lines there are, at least 1.
    pub(crate) fn count(&self) -> u32 {
        u32::try_from(self.starts.len()).unwrap_or(u32::MAX)
    }

    /// The line of a byte, from 1.
    pub(crate) fn line(&self, byte: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|&start| start <= byte)).unwrap_or(u32::MAX)
    }

    /// The text of a line, from 1, without its end.
    pub(crate) fn text<'a>(&self, text: &'a str, line: u32) -> &'a str {
        self.range(text, line, line).trim_end_matches(['\n', '\r'])
    }

    /// The text from one line to another, inclusive.
    pub(crate) fn range<'a>(&self, text: &'a str, first: u32, last: u32) -> &'a str {
        let Some(&start) = self.starts.get((first as usize).saturating_sub(1)) else { return "" };
        let end = self.starts.get(last as usize).copied().unwrap_or(text.len());
        text.get(start..end).unwrap_or_default()
    }

    /// A byte as tree-sitter counts it: row and column from 0.
    fn point(&self, byte: usize) -> Point {
        let line = self.line(byte);
        Point { row: line as usize - 1, column: byte - self.start(line) }
    }

    /// Where a line starts, in bytes.
    pub(crate) fn start(&self, line: u32) -> usize {
        self.starts.get((line as usize).saturating_sub(1)).copied().unwrap_or(0)
    }
}

impl Tags {
    /// The stored form of the definitions. Uses are kept as postings, where a question about one name finds them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::default();
        out.number(self.definitions.len() as u64);
        for tag in &self.definitions {
            out.text(&tag.name);
            out.number(languages::KINDS.iter().position(|kind| *kind == tag.kind).unwrap_or(0) as u64);
            out.number(u64::from(tag.start_line));
            out.number(u64::from(tag.line));
            out.number(u64::from(tag.end_line));
            out.text(&tag.signature);
            out.optional(tag.parent.as_deref());
            out.number(u64::from(tag.depth));
            out.optional(tag.doc.as_deref());
            out.number(u64::from(tag.is_test));
        }
        out.finish()
    }

    /// The definitions of the stored form; `None` when it is damaged.
    pub(crate) fn decode_definitions(bytes: &[u8]) -> Option<Vec<Tag>> {
        let mut from = Decoder::new(bytes);
        let mut definitions = Vec::new();
        for _ in 0..from.count()? {
            definitions.push(Tag {
                name: from.text()?.to_owned(),
                kind: languages::KINDS.get(from.small()? as usize)?,
                start_line: from.small()?,
                line: from.small()?,
                end_line: from.small()?,
                signature: from.text()?.to_owned(),
                parent: from.optional()?.map(str::to_owned),
                depth: from.small()?,
                doc: from.optional()?.map(str::to_owned),
                is_test: from.number()? == 1,
            });
        }
        Some(definitions)
    }
}

#[cfg(test)]
mod tests;
