//! Owns the answer to "who uses this": which uses are told first, how many there are, what each looks like.
//! Uses `places` for where they are and `certainty` for which definition they mean.
//! Never reads a file for a use that is not shown, nor shows one without having looked at its line on disk.

use std::collections::BTreeMap;

use serde::Serialize;

use super::certainty::{Meant, type_names};
use super::definitions::narrowed;
use super::places::{Effort, Usage, Using, add_mentions, tagged, whole_words};
use super::source::{Source, read, shown};
use super::symbol::wanted;
use crate::Reference;
use crate::engine::{Engine, Snapshot};
use crate::parse::{LineIndex, Tag, USE_KINDS, languages};
use crate::store::{Failure, Place};

/// What a caller gets who names no limit.
const USUAL_LIMIT: usize = 100;
/// So many uses more than are shown have their line looked at, so that likely ones come first.
const LOOKED_AT: usize = 3;

/// Which uses count, by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tests {
    /// All of them; those in tests last.
    #[default]
    Any,
    /// Only those in test code.
    Only,
    /// Only those outside of it.
    Without,
}

impl Tests {
    pub(crate) fn admit(self, is_test: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Only => is_test,
            Self::Without => !is_test,
        }
    }
}

/// A question for the uses of a symbol.
#[derive(Debug, Clone, Default)]
pub struct UseQuery {
    /// The name; `Type::method` and `Type.method` narrow by parent.
    pub symbol: String,
    /// Only these kinds (`call`, `value`, `type`, `import`, `mention`); all when empty.
    pub kinds: Vec<&'static str>,
    /// Which, by where they stand.
    pub tests: Tests,
    /// At most so many are shown; 0 means 100.
    pub limit: usize,
}

impl UseQuery {
    fn wants(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

/// The uses of a symbol, its definitions excluded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Uses {
    /// How many there are, shown or not.
    pub total: usize,
    /// Files that hold them.
    pub files: usize,
    /// How many of each kind.
    pub kinds: BTreeMap<String, usize>,
    /// Files that may mention the name and were not read: `total` may lack mentions and values of theirs.
    pub unread_files: usize,
    /// Calls first, then values, types, imports and mentions; of each, likely ones, then code before tests, then by place.
    pub references: Vec<Reference>,
}

/// One use whose surroundings are not read yet.
struct Candidate<'a> {
    using: &'a Using<'a>,
    line: u32,
    kind: &'static str,
    is_test: bool,
    doubtful: bool,
}

/// A use with the definition around it.
pub(crate) struct Seen {
    pub(crate) reference: Reference,
    pub(crate) around: Option<Tag>,
}

/// See [`crate::Index::uses`].
pub(crate) fn uses(engine: &Engine, snapshot: &Snapshot, query: &UseQuery) -> Result<Uses, Failure> {
    let (mut uses, seen) = seen(engine, snapshot, query, Effort::of(query.tests))?;
    uses.references = seen.into_iter().map(|one| one.reference).collect();
    Ok(uses)
}

/// The figures of an answer, and the uses with what is around them.
pub(crate) fn seen(
    engine: &Engine,
    snapshot: &Snapshot,
    query: &UseQuery,
    effort: Effort,
) -> Result<(Uses, Vec<Seen>), Failure> {
    let name = wanted(&query.symbol).name;
    if name.is_empty() {
        return Ok((Uses::default(), Vec::new()));
    }
    let (definitions, rivals) = narrowed(engine, snapshot, &query.symbol)?;
    let meant = Meant::of(engine, snapshot, name, &definitions, rivals)?;
    let mut usage = tagged(engine, snapshot, name)?;
    let callable = definitions.iter().any(|one| is_callable(&one.kind));
    if query.wants("mention") || query.wants("value") && callable {
        add_mentions(engine, snapshot, name, &mut usage, effort, &|record| meant.distance(record))?;
    }
    answer(engine, snapshot, query, &usage, &meant, callable)
}

/// Kinds that a call may name.
pub(crate) fn is_callable(kind: &str) -> bool {
    matches!(kind, "function" | "method" | "constructor" | "macro" | "class" | "struct" | "declaration")
}

/// See [`crate::Index::references`]: every use, by path and line.
pub(crate) fn references(
    engine: &Engine,
    snapshot: &Snapshot,
    symbol: &str,
) -> Result<Vec<Reference>, Failure> {
    let name = wanted(symbol).name;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let mut usage = tagged(engine, snapshot, name)?;
    add_mentions(engine, snapshot, name, &mut usage, Effort::Full, &|_| 0)?;
    let nobody = Meant::of(engine, snapshot, name, &[], false)?;
    let mut found = Vec::new();
    for using in usage.files.values() {
        let lines: Vec<_> =
            using.places.iter().map(|place| (place.line, USE_KINDS[usize::from(place.kind)])).collect();
        show(engine, snapshot, name, using, &lines, &nobody, &mut found)?;
    }
    Ok(found.into_iter().map(|one| one.reference).collect())
}

/// Count all, and look at those that are told first.
fn answer(
    engine: &Engine,
    snapshot: &Snapshot,
    query: &UseQuery,
    usage: &Usage<'_>,
    meant: &Meant,
    callable: bool,
) -> Result<(Uses, Vec<Seen>), Failure> {
    let name = wanted(&query.symbol).name;
    let mut answer = Uses { unread_files: usage.unread, ..Uses::default() };
    let mut known: Vec<Candidate<'_>> = Vec::new();
    for using in usage.files.values() {
        let doubtful = meant.doubt_of_file(using.record).is_some();
        let lines = using.text.as_deref().map(LineIndex::new);
        let before = known.len();
        for place in using.places.iter().filter(|place| query.tests.admit(place.is_test)) {
            let line =
                using.text.as_deref().zip(lines.as_ref()).map(|(text, lines)| lines.text(text, place.line));
            let kind = kind_of(*place, line, name, using, callable);
            if query.wants(kind) {
                known.push(Candidate { using, line: place.line, kind, is_test: place.is_test, doubtful });
                *answer.kinds.entry(kind.to_owned()).or_default() += 1;
            }
        }
        answer.files += usize::from(known.len() > before);
    }
    answer.total = known.len();
    let limit = if query.limit == 0 { USUAL_LIMIT } else { query.limit };
    known.sort_by_key(|one| (weight(one.kind), one.doubtful, one.is_test));
    known.truncate(limit.saturating_mul(LOOKED_AT).max(60));
    known.sort_by_key(|one| (&one.using.record.path, one.line));
    let mut seen = Vec::with_capacity(known.len());
    for of_file in known.chunk_by(|one, other| one.using.record.path == other.using.record.path) {
        let lines: Vec<_> = of_file.iter().map(|one| (one.line, one.kind)).collect();
        show(engine, snapshot, name, of_file[0].using, &lines, meant, &mut seen)?;
    }
    seen.sort_by(|one, other| order(&one.reference).cmp(&order(&other.reference)));
    seen.truncate(limit);
    Ok((answer, seen))
}

fn kind_of(place: Place, line: Option<&str>, name: &str, using: &Using<'_>, callable: bool) -> &'static str {
    if place.kind != 0 {
        return USE_KINDS[usize::from(place.kind)];
    }
    let Some(line) = line.filter(|_| callable) else { return "mention" };
    if is_value(line, name, using.record.language) {
        "value"
    } else if qualifies(line, name, using.record.language) {
        "type"
    } else {
        "mention"
    }
}

fn order(one: &Reference) -> (u8, bool, bool, &str, u32) {
    (weight(&one.kind), one.uncertain.is_some(), one.is_test, &one.path, one.line)
}

fn weight(kind: &str) -> u8 {
    match kind {
        "call" => 0,
        "value" => 1,
        "type" => 2,
        "import" => 3,
        _ => 4,
    }
}

/// Some uses in one file as answers show them.
fn show(
    engine: &Engine,
    snapshot: &Snapshot,
    name: &str,
    using: &Using<'_>,
    lines: &[(u32, &'static str)],
    meant: &Meant,
    found: &mut Vec<Seen>,
) -> Result<(), Failure> {
    let record = using.record;
    let Some(text) = using.text.clone().or_else(|| read(engine, record)) else { return Ok(()) };
    let source = Source::of_text(engine, snapshot, Some(using.spot), record, text)?;
    let path_is_test = crate::rank::is_test_path(&record.path);
    for &(number, kind) in lines {
        let line = source.lines.text(&source.text, number);
        // It may have changed between the stat and the read.
        if whole_words(line, name).next().is_none() {
            continue;
        }
        let around = source.enclosing(number);
        let owner = around.and_then(|tag| type_names(tag.parent.as_deref()).last().copied());
        let uncertain = match kind {
            "mention" => None,
            _ => meant.doubt_of_line(record, line, name, owner, kind == "call"),
        };
        let reference = Reference {
            name: name.to_owned(),
            kind: kind.to_owned(),
            path: record.path.clone(),
            line: number,
            text: shown(line),
            enclosing: around.map(|tag| tag.name.clone()),
            is_test: path_is_test || around.is_some_and(|tag| tag.is_test),
            uncertain,
        };
        found.push(Seen { reference, around: around.cloned() });
    }
    Ok(())
}

/// Whether a type stands before something of its own: `module::Price::parse(x)`.
fn qualifies(line: &str, name: &str, language: &str) -> bool {
    let begins = name.starts_with(char::is_uppercase) && languages::named(language).has_grammar();
    let code = line.trim_start();
    let comment = languages::named(language).comments.lines.iter().any(|mark| code.starts_with(mark));
    begins && !comment && whole_words(line, name).any(|at| line[at + name.len()..].starts_with("::"))
}

/// Whether a line hands a function on without calling it: `map(load)`, `handler: load,`, `&load`, `Self::load)`.
pub(crate) fn is_value(line: &str, name: &str, language: &str) -> bool {
    let language = languages::named(language);
    let code_ends = language
        .comments
        .lines
        .iter()
        .filter(|mark| mark.len() > 1 || **mark == "#")
        .filter_map(|mark| line.find(mark))
        .min()
        .unwrap_or(line.len());
    language.has_grammar()
        && whole_words(line, name).any(|at| {
            let (before, after) = (line[..at].trim_end(), line[at + name.len()..].trim_start());
            let quotes = |mark| before.matches(mark).count() % 2 == 1;
            let begins = before.is_empty()
                || before.ends_with(['(', ',', '=', ':', '&', '|', '[', '{', '.', '?', '>'])
                || before.ends_with("return");
            let ends = after.is_empty() || after.starts_with([')', ',', ';', ']', '}', '|', '.', '?']);
            at < code_ends
                && begins
                && ends
                && !quotes('"')
                && !quotes('\'')
                && !quotes('`')
                && !(before.is_empty() && after.is_empty())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_functions_handed_on() {
        let check = |language: &str, line: &str, expect: bool| {
            assert_eq!(is_value(line, "load", language), expect, "{line}");
        };
        check("rust", "let all = paths.map(load);", true);
        check("rust", "    paths.map(Self::load).collect()", true);
        check("rust", "let f: fn() = load;", true);
        check("rust", "// map(load)", false);
        check("rust", "/// calls [`load`], twice", false);
        check("rust", "println!(\"{load}\");", false);
        check("rust", "fn f(load: u8) {}", false);
        check("python", "app.get(\"/\", load)", true);
        check("python", "x = 1  # see (load)", false);
        check("javascript", "button.on('click', this.load)", true);
        check("markdown", "see (load)", false);
    }
}
