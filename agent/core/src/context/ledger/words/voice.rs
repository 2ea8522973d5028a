//! Owns telling what the user wrote by hand from what the user pasted, and how much of it directs the work.
//! Uses the form of each statement, its cues, and the statements around it.
//! Never decides: each statement gets a weight.

use super::statements::{Form, Statement};
use super::vocabulary::{Kind, Word, words};

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
const STAY: [f32; 3] = [0.97, 0.9, 0.75];
/// The chance that a paste follows a line that ends in a colon.
const PASTE_AFTER_COLON: f32 = 0.7;

/// The worth of each statement of a message, in the same order. Linear in their number.
pub(super) fn weigh(text: &str, statements: &[Statement]) -> Vec<Worth> {
    let seen: Vec<Seen> = statements.iter().map(|statement| look(text, statement)).collect();
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
            if colon { ((1.0 - PASTE_AFTER_COLON).min(stay), stay) } else { (stay, stay.max(0.8)) }
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

fn look(text: &str, statement: &Statement) -> Seen {
    let piece = &text[statement.range.clone()];
    if statement.form == Form::Matter {
        return Seen { own: -1.0, directs: -4.0, matter: true };
    }
    let words = words(piece);
    let padded = padded(&words);
    let cues = Cues::of(&words, &padded);
    let marks = marks(piece);
    let mut own = 0.0;
    own += match statement.form {
        Form::Item => -0.7,
        Form::Heading => -2.5,
        _ => 0.0,
    };
    if statement.wrapped {
        own -= 1.6;
    } else if statement.lines == 1 && statement.length <= 240 && statement.form == Form::Sentence {
        own += 0.8;
    } else if statement.length > 500 {
        own -= 0.8;
    }
    own -= marks;
    own += match words.len() {
        0..=2 => -0.8,
        3..=30 => 0.2,
        31..=45 => -0.3,
        _ => -1.2,
    };
    own +=
        0.9 * cues.directive + 0.8 * cues.modal + 0.9 * cues.deictic + 0.9 * cues.manner + 0.5 * cues.person;
    own += 0.5 * cues.team + 0.3 * cues.specific - 1.1 * cues.report - 0.9 * cues.manual;
    let mut directs = -1.2;
    directs +=
        1.3 * cues.directive + 1.1 * cues.modal + 0.9 * cues.specific + 0.8 * cues.team + 0.7 * cues.deictic;
    directs += 0.5 * cues.manner + 0.2 * cues.person - 0.7 * cues.report - 0.4 * cues.manual;
    if piece.trim_end().ends_with(['?', '？']) {
        directs -= 0.8;
    }
    if piece.trim_end().ends_with([':', '：']) {
        directs -= 1.5;
    }
    if words.len() < 3 && !piece.chars().any(super::vocabulary::is_unspaced) {
        directs -= 1.0;
    }
    Seen { own, directs, matter: false }
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

/// Marks of other sources: links, references, hashes, tags, emphasis.
fn marks(piece: &str) -> f32 {
    let mut marks: f32 = 0.0;
    if piece.contains("](") || piece.contains("][") {
        marks += 2.0;
    }
    if piece.contains("://") {
        marks += 1.0;
    }
    if piece.contains("**") || piece.contains("__") {
        marks += 1.0;
    }
    if piece.contains("</") || piece.contains("<br") || piece.contains(":ref:") || piece.contains("::\n") {
        marks += 1.5;
    }
    for token in piece.split(|one: char| one.is_whitespace() || matches!(one, '(' | ')' | '[' | ']' | ',')) {
        let bare = token.trim_matches(|one: char| !one.is_alphanumeric() && one != '#');
        if bare.len() > 1 && bare.starts_with('#') && bare[1..].bytes().all(|byte| byte.is_ascii_digit()) {
            marks += 1.0;
        }
        if bare.len() >= 7
            && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
            && bare.bytes().any(|byte| byte.is_ascii_digit())
            && bare.bytes().any(|byte| byte.is_ascii_alphabetic())
        {
            marks += 0.7;
        }
        if bare.len() > 2 && token.starts_with('@') && !token.contains('.') {
            marks += 0.6;
        }
    }
    // `scope: what changed`, the title of a commit.
    if let Some((scope, _)) = piece.split_once(": ")
        && !scope.is_empty()
        && !scope.contains(' ')
        && scope.chars().all(|one| one.is_lowercase() || matches!(one, '-' | '_' | '/' | '(' | ')' | ','))
    {
        marks += 0.8;
    }
    marks.min(4.0)
}

/// How much a statement has of each kind of cue, mostly 0 or 1.
#[derive(Debug, Clone, Copy, Default)]
struct Cues {
    /// It tells somebody to do, or not to do, something.
    directive: f32,
    /// Duty, permission, limits.
    modal: f32,
    /// This work, from now on, today.
    deictic: f32,
    /// Manners of talk: please, by the way, thanks, scratch that.
    manner: f32,
    /// I, you, we.
    person: f32,
    /// Who does what with whom: the vocabulary of working together, not of any project.
    team: f32,
    /// Numbers, names, paths, identifiers.
    specific: f32,
    /// The tone of reports: this change adds.
    report: f32,
    /// The tone of manuals: for example, you can.
    manual: f32,
}

impl Cues {
    fn of(words: &[Word<'_>], padded: &str) -> Self {
        let any = |list: &[&str]| list.iter().any(|cue| padded.contains(&format!(" {cue} ")));
        let flag = |holds: bool| if holds { 1.0 } else { 0.0 };
        let clause_start = words.iter().enumerate().any(|(at, word)| {
            let lower = word.text.to_lowercase();
            let begins = at == 0
                || word.clause
                || matches!(
                    words[at - 1].text.to_lowercase().as_str(),
                    "please" | "pls" | "and" | "also" | "so" | "then" | "but"
                );
            begins && DIRECTIVES.contains(&lower.as_str())
        });
        let count = |kind: Kind| words.iter().filter(|word| word.kind == kind).count().min(2) as f32;
        let specific =
            (0.7 * count(Kind::Number) + 0.6 * count(Kind::Identifier) + 0.4 * count(Kind::Name)).min(1.5);
        let cjk = padded.chars().any(super::vocabulary::is_unspaced);
        let cjk_any = |list: &[&str]| {
            cjk && {
                let joined: String = padded.split(' ').collect();
                list.iter().any(|cue| joined.contains(cue))
            }
        };
        Self {
            directive: flag(
                clause_start
                    || any(DIRECTIVE_PHRASES)
                    || cjk_any(&["请", "不要", "别", "务必", "ください", "しないで"]),
            ),
            modal: flag(any(MODALS) || cjk_any(&["必须", "不能", "不得", "只能", "应该", "禁止"])),
            deictic: flag(any(DEICTICS) || cjk_any(&["现在", "今天", "这里", "从"])),
            manner: flag(any(MANNERS)),
            person: flag(any(&[
                "i", "i'd", "i'm", "i've", "i'll", "my", "me", "we", "we're", "we've", "our", "us", "you",
                "your", "ich", "wir", "unser", "nous", "notre", "je",
            ])),
            team: flag(any(TEAM)),
            specific,
            report: flag(any(REPORTS)),
            manual: flag(any(MANUALS)),
        }
    }
}

/// Verbs that begin what people ask of those who work with them. Verbs that begin the lines of change logs (add, fix,
/// remove, update) are not among them.
const DIRECTIVES: &[&str] = &[
    "use", "keep", "put", "run", "never", "don't", "dont", "always", "prefer", "avoid", "ask", "ping",
    "remember", "ignore", "stick", "wait", "stop", "write", "push", "commit", "name", "call", "leave",
    "make", "tell", "treat", "stay", "send", "assume", "respect", "follow", "note", "skip", "start", "pick",
    "mind", "do", "no", "only", "nothing", "nobody", "go", "take", "give", "let's", "please", "pls",
    "target", "default", "aim", "limit", "store", "log", "copy", "look", "check", "test", "deploy", "report",
    "return", "mark", "forget", "nutze", "benutze", "verwende", "bitte", "kein", "keine", "nur", "nie",
    "lass", "merci", "utilise", "utilisez", "ne", "pas",
];

const DIRECTIVE_PHRASES: &[&str] = &[
    "make sure",
    "be sure",
    "please",
    "pls",
    "plz",
    "do not",
    "don't",
    "dont",
    "no need to",
    "hands off",
    "off limits",
    "stay away",
    "instead of",
    "rather than",
    "i want",
    "i'd like",
    "i would like",
    "i'd rather",
    "i prefer",
    "we prefer",
    "i need",
    "nothing else",
    "feel free",
    "is fine",
    "are fine",
    "is ok",
    "not allowed",
    "is forbidden",
    "leave that",
    "leave it",
    "under no circumstances",
    "at all costs",
    "ne pas",
    "bitte",
];

const MODALS: &[&str] = &[
    "must",
    "mustn't",
    "should",
    "shouldn't",
    "shall",
    "may not",
    "can't",
    "cannot",
    "has to",
    "have to",
    "need to",
    "needs to",
    "needs",
    "never",
    "only",
    "always",
    "at most",
    "at least",
    "no more than",
    "under",
    "below",
    "above",
    "max",
    "maximum",
    "minimum",
    "limit",
    "ceiling",
    "stays",
    "stay",
    "stays at",
    "remains",
    "allowed",
    "required",
    "mandatory",
    "reserved",
    "won't",
    "will",
    "not before",
    "until",
    "without",
    "muss",
    "müssen",
    "darf",
    "dürfen",
    "soll",
    "nur",
    "kein",
    "keine",
    "nie",
    "doit",
    "doivent",
    "jamais",
    "reste",
    "restent",
    "seulement",
];

const DEICTICS: &[&str] = &[
    "this work",
    "here",
    "for this",
    "for now",
    "today",
    "from now on",
    "as of",
    "going forward",
    "tomorrow",
    "this week",
    "next week",
    "last week",
    "last month",
    "at the moment",
    "now",
    "these days",
    "all of this",
    "of this",
    "on leave",
    "this time",
    "this one",
    "these",
    "our",
    "until",
    "instead",
    "anymore",
    "any more",
    "jetzt",
    "heute",
    "ab sofort",
    "maintenant",
    "désormais",
];

const MANNERS: &[&str] = &[
    "please",
    "pls",
    "plz",
    "btw",
    "by the way",
    "fyi",
    "thanks",
    "thx",
    "ok",
    "okay",
    "heads up",
    "oh",
    "sorry",
    "actually",
    "reminder",
    "scratch that",
    "scratch",
    "forget",
    "correction",
    "change of plan",
    "change of plans",
    "never mind",
    "nevermind",
    "as i said",
    "whatever you do",
    "when in doubt",
    "if in doubt",
    "if unsure",
    "one more thing",
    "also",
    "hey",
    "hi",
    "asap",
    "after all",
    "obviously",
    "imo",
    "afaik",
    "übrigens",
    "danke",
    "merci",
];

const TEAM: &[&str] = &[
    "review",
    "reviews",
    "reviewer",
    "reviewed",
    "merge",
    "merges",
    "ticket",
    "tickets",
    "branch",
    "branches",
    "deploy",
    "deploys",
    "staging",
    "prod",
    "production",
    "ci",
    "nightly",
    "job",
    "linter",
    "coverage",
    "legal",
    "licence",
    "license",
    "sign off",
    "signs off",
    "signed off",
    "signoff",
    "approves",
    "approval",
    "owns",
    "owner",
    "on call",
    "team",
    "customer",
    "customers",
    "client",
    "deadline",
    "sprint",
    "milestone",
    "budget",
    "laptop",
    "machine",
    "box",
    "password",
    "credentials",
    "creds",
    "vpn",
    "flag",
    "rollout",
    "release",
    "freeze",
    "trailer",
    "changelog",
    "support",
    "finance",
    "marketing",
    "security",
    "colleague",
    "leave",
    "holiday",
    "vacation",
    "boss",
    "manager",
    "reserved",
    "vendored",
    "preview",
    "sandbox",
    "convention",
    "style",
];

const REPORTS: &[&str] = &[
    "previously",
    "this change",
    "this commit",
    "this patch",
    "this pr",
    "this pull request",
    "this adds",
    "this fixes",
    "this branch",
    "this release",
    "motivation",
    "solution",
    "currently",
    "as described",
    "has been",
    "have been",
    "was fixed",
    "fixes",
    "closes",
    "fixed",
    "introduces",
    "introduced",
    "adds",
    "removes",
    "allows",
    "enables",
    "implements",
    "refactors",
    "additionally",
    "furthermore",
    "this allows",
    "this means",
    "would be",
    "was added",
    "deprecated",
    "reported",
    "regression",
    "steps to reproduce",
    "expected behavior",
    "actual behavior",
    "in order to",
    "pull request",
    "merge pull",
];

const MANUALS: &[&str] = &[
    "for example",
    "e.g",
    "you can",
    "you may",
    "if you",
    "you want",
    "you'll",
    "refer to",
    "see the",
    "see also",
    "the following",
    "as follows",
    "such as",
    "contributors",
    "contributor",
    "contributing",
    "documentation",
    "for more",
    "in general",
    "provides",
    "supports",
    "users",
    "when you",
    "you need",
    "you should",
    "you have",
    "note that",
    "example",
    "optional",
    "optionally",
    "by default",
    "this package",
    "this document",
    "guidelines",
    "community",
    "we welcome",
    "we appreciate",
];

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
