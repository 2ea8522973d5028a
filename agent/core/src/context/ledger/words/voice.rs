//! Owns telling what the user wrote by hand from what the user pasted, and how much of it directs the work.
//! Uses the form of each statement, its cues, and the statements around it.
//! Never decides: each statement gets a weight.

use std::collections::{HashMap, HashSet};

use super::cues::{
    DEICTICS, DIRECTIVE_PHRASES, DIRECTIVES, HEDGES, INTRODUCTIONS, MANNERS, MANUALS, MODALS, REPORTS, TEAM,
};
use super::statements::{Form, Statement};
use super::supersession::is_name_by_verb;
use super::vocabulary::{Kind, Word, is_function_word, is_unspaced, stem, words};

/// What the user's statement is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Worth {
    /// How sure it is that the user wrote it, in [0, 1].
    pub(super) own: f32,
    /// How much it is worth to keep, in [0, 1].
    pub(super) weight: f32,
}

/// The chance that the first statement of a message is the user's own.
const OWN_AT_FIRST: f32 = 0.9;
/// The chance that what follows is of the same voice, within a paragraph, at the next line, and after a blank line.
const STAY: [f32; 3] = [0.95, 0.8, 0.6];
/// The chance that a paste follows a line that ends in a colon.
const PASTE_AFTER_COLON: f32 = 0.7;

/// The worth of each statement of a message, in the same order. Linear in their number.
pub(super) fn weigh(text: &str, statements: &[Statement]) -> Vec<Worth> {
    let cues: Vec<Cues> = statements.iter().map(|statement| Cues::read(text, statement)).collect();
    let around = surroundings(text, statements, &cues);
    let seen: Vec<Seen> = statements
        .iter()
        .zip(around.iter().zip(&cues))
        .map(|(statement, (around, cues))| look(text, statement, *around, cues))
        .collect();
    let own = posteriors(text, statements, &seen);
    let worth = |(seen, own): (&Seen, f32)| {
        let weight = own * (0.3 + 0.7 * squash(seen.directs));
        Worth { own, weight: if seen.matter { 0.0 } else { weight.clamp(0.0, 1.0) } }
    };
    seen.iter().zip(own).map(worth).collect()
}

fn squash(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// Two voices, a chain: forward and backward over the statements.
fn posteriors(text: &str, statements: &[Statement], seen: &[Seen]) -> Vec<f32> {
    let likelihood: Vec<f32> = seen.iter().map(|seen| seen.own.clamp(-6.0, 6.0).exp()).collect();
    // The chance of (own -> own, paste -> paste) from one statement to the next.
    let stay: Vec<(f32, f32)> = statements
        .windows(2)
        .map(|pair| {
            let near = if pair[0].paragraph != pair[1].paragraph {
                2
            } else if text[pair[0].range.end..pair[1].range.start].contains('\n') {
                1
            } else {
                0
            };
            let stay = STAY[near];
            // What a program wrote is quoted by both voices, so it says little about what comes after it.
            if pair.iter().any(|one| one.form == Form::Matter) {
                return (0.6, 0.6);
            }
            let colon = near > 0 && text[..pair[0].range.end].ends_with([':', '：']);
            if colon { ((1.0 - PASTE_AFTER_COLON).min(stay), stay) } else { (stay, stay.max(0.65)) }
        })
        .collect();
    let mut forward = Vec::with_capacity(seen.len());
    let mut chance = OWN_AT_FIRST;
    for at in 0..seen.len() {
        if at > 0 {
            let (own, paste) = stay[at - 1];
            chance = chance * own + (1.0 - chance) * (1.0 - paste);
        }
        let (one, other) = (chance * likelihood[at], 1.0 - chance);
        chance = one / (one + other).max(f32::MIN_POSITIVE);
        forward.push(chance);
    }
    // Messages end in the user's own words more often than not.
    let (mut own_after, mut paste_after) = (0.6, 0.4);
    let mut all = vec![0.0; seen.len()];
    for at in (0..seen.len()).rev() {
        let (one, other) = (forward[at] * own_after, (1.0 - forward[at]) * paste_after);
        all[at] = one / (one + other).max(f32::MIN_POSITIVE);
        if at > 0 {
            let (own, paste) = stay[at - 1];
            let (here_own, here_paste) = (likelihood[at] * own_after, paste_after);
            let (before_own, before_paste) =
                (own * here_own + (1.0 - own) * here_paste, (1.0 - paste) * here_own + paste * here_paste);
            let sum = (before_own + before_paste).max(f32::MIN_POSITIVE);
            own_after = before_own / sum;
            paste_after = before_paste / sum;
        }
    }
    all
}

/// What can be seen of a statement by itself.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    /// For the user's hand, against a paste: log odds.
    own: f32,
    /// For a directive, a constraint, a fact to keep: log odds.
    directs: f32,
    matter: bool,
}

/// What stands around a statement.
#[derive(Debug, Clone, Copy, Default)]
struct Around {
    /// Its list has many items.
    long_list: bool,
    /// Most items of its long list ask for something.
    rules: bool,
    /// A title stands right before its paragraph.
    after_heading: bool,
    /// Its paragraph has three sentences or more.
    many: bool,
    /// Among the first or last paragraphs of the message.
    edge: bool,
    /// A paragraph beside it is wrapped, a list or a title, while it is a line of its own.
    contrast: bool,
    /// It begins the message.
    first: bool,
    /// The share of its words that the paragraphs around it have, too.
    cohesion: f32,
    /// It tells more of what its message begins with, in the same paragraph of several lines.
    request: bool,
}

/// Items of a list that nobody types into a prompt.
const LONG_LIST: usize = 5;
/// By how much items of a list of rules are likelier to be the user's than other items: rules of others are pasted, too.
const RULES: f32 = 1.2;
/// Paragraphs at either end of a message in which people write.
const EDGE: usize = 4;

fn surroundings(text: &str, statements: &[Statement], cues: &[Cues]) -> Vec<Around> {
    let mut all = vec![Around::default(); statements.len()];
    for (around, cohesion) in all.iter_mut().zip(cohesion(text, statements)) {
        around.cohesion = cohesion;
    }
    let paragraphs = statements.last().map_or(0, |last| last.paragraph);
    // Runs of items, whatever blank lines stand between them.
    let mut start = 0;
    while start < statements.len() {
        let form = statements[start].form;
        let end = start + statements[start..].iter().take_while(|one| one.form == form).count();
        if form == Form::Item && end - start >= LONG_LIST {
            // A list of rules is another thing than a list of changes.
            let asks = cues[start..end].iter().filter(|cues| cues.directive + cues.modal > 0.0).count();
            let marked =
                statements[start..end].iter().filter(|one| Marks::of(&text[one.range.clone()]).any()).count();
            let rules = 2 * asks > end - start && 8 * marked <= end - start;
            all[start..end].iter_mut().for_each(|around| (around.long_list, around.rules) = (!rules, rules));
        }
        start = end;
    }
    let mut start = 0;
    let mut before: Option<&Statement> = None;
    while start < statements.len() {
        let one = &statements[start];
        let same = |other: &&Statement| other.paragraph == one.paragraph && other.form == one.form;
        let end = start + statements[start..].iter().take_while(same).count();
        let after = statements.get(end);
        let foreign = |other: Option<&Statement>| {
            other.is_some_and(|other| {
                other.wrapped || matches!(other.form, Form::Item | Form::Heading | Form::Matter)
            })
        };
        let line = one.form == Form::Sentence && one.lines == 1 && one.length <= SHORT;
        for around in &mut all[start..end] {
            around.after_heading = before.is_some_and(|before| before.form == Form::Heading);
            around.many = end - start >= 3;
            around.edge = one.paragraph < EDGE || one.paragraph + EDGE > paragraphs;
            around.contrast = line && (foreign(before) || foreign(after));
        }
        before = Some(&statements[end - 1]);
        start = end;
    }
    if let Some(begin) = statements.first() {
        all[0].first = text.trim_start().starts_with(&text[begin.range.clone()]);
        for (around, one) in all.iter_mut().zip(statements) {
            around.request = one.paragraph == begin.paragraph && one.lines > 1;
        }
    }
    all
}

/// Paragraphs before and after a statement that are about the same thing if they come from the same source.
const NEAR: usize = 4;

/// How much each statement shares with the paragraphs around its own. Linear in the words of the message.
fn cohesion(text: &str, statements: &[Statement]) -> Vec<f32> {
    let stems: Vec<HashSet<String>> = statements
        .iter()
        .map(|one| {
            let words = if one.form == Form::Matter { Vec::new() } else { words(&text[one.range.clone()]) };
            let content = words
                .iter()
                .filter(|word| word.text.len() > 2 && !is_function_word(&word.text.to_lowercase()));
            content.map(|word| stem(word.text)).collect()
        })
        .collect();
    // How often each word stands in the paragraphs from `start` to `end`.
    let mut near: HashMap<&str, usize> = HashMap::new();
    let (mut start, mut end) = (0, 0);
    let mut all = Vec::with_capacity(statements.len());
    for (at, one) in statements.iter().enumerate() {
        while end < statements.len() && statements[end].paragraph <= one.paragraph + NEAR {
            stems[end].iter().for_each(|stem| *near.entry(stem).or_default() += 1);
            end += 1;
        }
        while statements[start].paragraph + NEAR < one.paragraph {
            for stem in &stems[start] {
                if let Some(count) = near.get_mut(stem.as_str()) {
                    *count -= 1;
                }
            }
            start += 1;
        }
        let same = |other: &&Statement| other.paragraph == one.paragraph;
        let own = statements[..at].iter().rev().take(OWN_PARAGRAPH).take_while(same).count();
        let after = statements[at..].iter().take(OWN_PARAGRAPH).take_while(same).count();
        let own = if own + after >= OWN_PARAGRAPH { at..at + 1 } else { at - own..at + after };
        let elsewhere = stems[at].iter().filter(|stem| {
            let within = stems[own.clone()].iter().filter(|other| other.contains(*stem)).count();
            near.get(stem.as_str()).is_some_and(|count| *count > within)
        });
        let shared = elsewhere.count();
        all.push(if stems[at].is_empty() { 0.0 } else { shared as f32 / stems[at].len() as f32 });
    }
    all
}

/// Statements of a paragraph that are told from those around it; in longer ones each stands for itself.
const OWN_PARAGRAPH: usize = 16;

/// Bytes of a paragraph that is one thought.
const SHORT: usize = 240;

/// What is measured of a statement.
const SIGNALS: usize = 41;

/// By how much each signal speaks for the user.
#[rustfmt::skip]
const OWN: [f32; SIGNALS] = [
    -1.6, // bias
    -0.4, // item
    -2.7, // heading
    -1.4, // wrapped
    1.7, // short line
    -1.1, // long par
    -1.5, // words<=2
    -1.1, // words>30
    -2.3, // link
    -1.4, // url
    -1.4, // emphasis
    -1.5, // tag
    -1.9, // refs
    -1.0, // hash
    -0.3, // mention
    -1.4, // scope
    1.2, // directive
    0.6, // modal
    0.6, // deictic
    0.6, // manner
    0.6, // speaker
    0.1, // listener
    0.6, // team
    0.2, // number
    0.0, // identifier
    0.0, // name
    -1.1, // report
    -1.0, // manual
    -1.8, // long list
    -1.3, // after heading
    -0.7, // many
    0.7, // edge
    0.4, // lower start
    0.0, // colon
    -1.0, // ed
    -0.4, // backtick
    0.5, // question
    0.6, // stop
    0.0, // contrast
    1.8, // first
    -1.8, // cohesion
];

fn look(text: &str, statement: &Statement, around: Around, cues: &Cues) -> Seen {
    let piece = &text[statement.range.clone()];
    if statement.form == Form::Matter {
        return Seen { own: -1.0, directs: -4.0, matter: true };
    }
    let words = words(piece);
    let padded = padded(&words);
    let signals = signals(piece, statement, around, &words, cues);
    let own: f32 = signals.iter().zip(&OWN).map(|(signal, weight)| signal * weight).sum();
    let own = own + if around.rules { RULES } else { 0.0 };
    let specific = (0.7 * cues.number + 0.6 * cues.identifier + 0.4 * cues.name).min(1.5);
    let mut directs = -0.7;
    directs +=
        1.3 * cues.directive + 1.1 * cues.modal + 0.9 * specific + 0.8 * cues.team + 0.7 * cues.deictic;
    directs +=
        0.5 * cues.manner + 0.2 * cues.speaker.max(cues.listener) - 0.7 * cues.report - 0.4 * cues.manual;
    if around.first {
        // The beginning of a request says what to do now, in the same mood as what holds for good.
        directs -= 1.3 * cues.directive + 1.0;
    }
    if cues.number + cues.identifier == 0.0 && INTRODUCTIONS.iter().any(|cue| contains(&padded, cue)) {
        directs -= 1.2;
    }
    if HEDGES.iter().any(|cue| contains(&padded, cue)) {
        directs -= 1.0;
    }
    if words.len() > 35 {
        directs -= 0.5;
    }
    if around.request {
        directs -= 1.5;
    }
    directs -= 1.4 * signals[36] + 1.5 * signals[33];
    if words.len() < 3 && !piece.chars().any(is_unspaced) {
        directs -= 1.0;
    }
    Seen { own, directs, matter: false }
}

fn flag(holds: bool) -> f32 {
    if holds { 1.0 } else { 0.0 }
}

fn signals(
    piece: &str,
    statement: &Statement,
    around: Around,
    words: &[Word<'_>],
    cues: &Cues,
) -> [f32; SIGNALS] {
    let marks = Marks::of(piece);
    let sentence = statement.form == Form::Sentence;
    let first = words.first().map(|word| word.text).unwrap_or_default();
    let end = piece.trim_end();
    [
        1.0,
        flag(statement.form == Form::Item),
        flag(statement.form == Form::Heading),
        flag(statement.wrapped),
        flag(sentence && statement.lines == 1 && statement.length <= SHORT),
        flag(statement.length > 500),
        flag(words.len() <= 2),
        flag(words.len() > 30),
        flag(marks.link),
        flag(marks.address),
        flag(marks.emphasis),
        flag(marks.tag),
        marks.references.min(2) as f32,
        flag(marks.hash),
        flag(marks.mention),
        flag(marks.scope),
        cues.directive,
        cues.modal,
        cues.deictic,
        cues.manner,
        cues.speaker,
        cues.listener,
        cues.team,
        cues.number,
        cues.identifier,
        cues.name,
        cues.report,
        cues.manual,
        flag(around.long_list),
        flag(around.after_heading),
        flag(around.many),
        flag(around.edge),
        flag(sentence && first.chars().next().is_some_and(char::is_lowercase)),
        flag(end.ends_with([':', '：'])),
        flag(first.ends_with("ed") && first.len() > 4),
        flag(piece.contains('`')),
        flag(end.ends_with(['?', '？'])),
        flag(end.ends_with(['.', '!', '。', '！'])),
        flag(around.contrast),
        flag(around.first),
        around.cohesion,
    ]
}

/// The words in small letters between single spaces, with one at either end.
pub(super) fn padded(words: &[Word<'_>]) -> String {
    let mut padded = String::from(" ");
    for word in words {
        padded.push_str(&word.text.to_lowercase().replace('’', "'"));
        padded.push(' ');
    }
    padded
}

/// Marks of other sources.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    link: bool,
    address: bool,
    emphasis: bool,
    tag: bool,
    references: usize,
    hash: bool,
    mention: bool,
    scope: bool,
}

impl Marks {
    fn any(&self) -> bool {
        self.link || self.address || self.hash || self.scope || self.references > 0
    }

    fn of(piece: &str) -> Self {
        let any = |marks: &[&str]| marks.iter().any(|mark| piece.contains(mark));
        let mut found = Self {
            link: any(&["](", "][", "`_"]),
            address: piece.contains("://"),
            emphasis: any(&["**", "__"]),
            tag: any(&["</", "<br", ":ref:", "::\n", "<!--"]),
            ..Self::default()
        };
        let edge = |one: char| one.is_whitespace() || matches!(one, '(' | ')' | '[' | ']' | ',');
        for token in piece.split(edge) {
            let bare = token.trim_matches(|one: char| !one.is_alphanumeric() && one != '#');
            if let Some(number) = bare.strip_prefix('#') {
                found.references +=
                    usize::from(!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
            }
            found.hash |= bare.len() >= 7
                && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
                && bare.bytes().any(|byte| byte.is_ascii_digit())
                && bare.bytes().any(|byte| byte.is_ascii_alphabetic());
            found.mention |= bare.len() > 2 && token.starts_with('@') && !token.contains('.');
        }
        // `scope: what changed`, the title of a commit.
        found.scope = piece.split_once(": ").is_some_and(|(scope, _)| {
            !scope.is_empty()
                && scope
                    .chars()
                    .all(|one| one.is_lowercase() || matches!(one, '-' | '_' | '/' | '(' | ')' | ','))
        });
        found
    }
}

/// How much a statement has of each kind of cue.
#[derive(Debug, Clone, Copy, Default)]
struct Cues {
    directive: f32,
    modal: f32,
    deictic: f32,
    manner: f32,
    /// I, we.
    speaker: f32,
    /// You.
    listener: f32,
    team: f32,
    /// Numbers, up to two; identifiers and names likewise.
    number: f32,
    identifier: f32,
    name: f32,
    report: f32,
    manual: f32,
}

impl Cues {
    fn read(text: &str, statement: &Statement) -> Self {
        if statement.form == Form::Matter {
            return Self::default();
        }
        let words = words(&text[statement.range.clone()]);
        Self::of(&words, &padded(&words))
    }

    fn of(words: &[Word<'_>], padded: &str) -> Self {
        let any = |list: &[&str]| list.iter().any(|cue| contains(padded, cue));
        let begins = |at: usize| {
            at == 0
                || words[at].clause
                || ["please", "pls", "and", "also", "so", "then", "but", "just", "btw"]
                    .contains(&words[at - 1].text.to_lowercase().as_str())
        };
        let begun = (0..words.len())
            .any(|at| begins(at) && DIRECTIVES.contains(&words[at].text.to_lowercase().as_str()));
        let count = |kind: Kind| words.iter().filter(|word| word.kind == kind).count().min(2) as f32;
        // Scripts without spaces have no padded cues.
        let joined: String =
            if padded.chars().any(is_unspaced) { padded.split(' ').collect() } else { String::new() };
        let within = |list: &[&str]| list.iter().any(|cue| joined.contains(cue));
        Self {
            directive: flag(
                begun
                    || any(DIRECTIVE_PHRASES)
                    || within(&["请", "不要", "别", "务必", "ください", "しないで"]),
            ),
            modal: flag(any(MODALS) || within(&["必须", "不能", "不得", "只能", "应该", "禁止"])),
            deictic: flag(any(DEICTICS) || within(&["现在", "今天", "这里", "从"])),
            manner: flag(any(MANNERS)),
            speaker: flag(any(SPEAKER)),
            listener: flag(any(LISTENER)),
            team: flag(any(TEAM)),
            number: count(Kind::Number),
            identifier: count(Kind::Identifier),
            name: count(Kind::Name).max(flag(is_name_by_verb(words, 0))),
            report: flag(any(REPORTS)),
            manual: flag(any(MANUALS)),
        }
    }
}

/// Whether a padded text has a cue as whole words.
pub(super) fn contains(padded: &str, cue: &str) -> bool {
    padded.match_indices(cue).any(|(at, _)| {
        padded.as_bytes().get(at.wrapping_sub(1)) == Some(&b' ')
            && padded.as_bytes().get(at + cue.len()) == Some(&b' ')
    })
}

const SPEAKER: &[&str] = &[
    "i", "i'd", "i'm", "i've", "i'll", "my", "me", "we", "we're", "we've", "we'll", "our", "us", "ich",
    "wir", "unser", "unsere", "nous", "notre", "je",
];
const LISTENER: &[&str] =
    &["you", "your", "you're", "you'll", "yours", "du", "dein", "deine", "vous", "votre", "tu"];

#[cfg(test)]
mod tests {
    use super::super::statements::statements;
    use super::weigh;

    /// The weight of the first statement that holds `part`.
    fn weight(text: &str, part: &str) -> f32 {
        let found = statements(text);
        let worth = weigh(text, &found);
        let at = found.iter().position(|one| text[one.range.clone()].contains(part)).expect("a statement");
        worth[at].weight
    }

    const WRAPPED: &str = "The parser used to keep a copy of the whole input, which made it slow for\nlarge files. This change keeps offsets instead and allocates only when a\nvalue has escapes in it.\n\nBenchmarks show no difference for small inputs. The copy is still made for\ninputs that are not valid, since the message quotes them.";
    const CHANGES: &str = "### Fixed\n\n- parser: do not copy the input ([#812](https://example.org/812))\n- lexer: keep the limit at 40 tokens ([#813](https://example.org/813))\n- never panic on an empty file ([#820](https://example.org/820))\n\n### Added\n\n- an option to use the old lexer ([#799](https://example.org/799))";

    #[test]
    fn own_words_outweigh_what_surrounds_them() {
        for directive in [
            "Put dumps under /mnt/big/dumps, root is nearly full.",
            "the canary listens on 9313 btw",
            "Hanne signs off on schema changes.",
            "We never ship on a Friday.",
            "No function longer than 25 lines, please.",
            "i prefer early returns",
            "Kein Zugriff auf den Produktivserver.",
            "测试服务器的端口是7021，不要重启它。",
        ] {
            for (before, after) in [
                (WRAPPED, CHANGES),
                (CHANGES, WRAPPED),
                (WRAPPED, WRAPPED),
                (CHANGES, CHANGES),
                (CHANGES, ""),
                ("", WRAPPED),
            ] {
                let text = format!("Look into the slow parser.\n\n{before}\n\n{directive}\n\n{after}");
                let own = weight(&text, directive.trim_end_matches('.'));
                for part in [
                    "used to keep",
                    "Benchmarks show",
                    "copy the input",
                    "at 40 tokens",
                    "never panic",
                    "old lexer",
                ] {
                    if text.contains(part) {
                        assert!(
                            own > weight(&text, part) + 0.1,
                            "{directive} {own} against {part} {} in\n{text}",
                            weight(&text, part)
                        );
                    }
                }
            }
        }
    }
}
