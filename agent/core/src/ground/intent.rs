//! Owns the rule that tells a request for a change or a run from one that only asks.
//! Uses word lists; nothing is learned, so that it can be read and tested.
//! Never sees the project.
//!
//! A request is taken apart into sentences and clauses. A clause is an instruction when a verb of change stands where
//! instructions have it: first, after a polite form, after a place. Questions, subordinate clauses and what follows
//! `don't` are none. What is quoted, paths and names are masked first, so that their letters are never verbs.

use super::words::{Words, is_code_shaped, quotations};

/// What a request may do beyond reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Intent {
    /// Write, edit, insert, delete, rename.
    pub edits: bool,
    /// Run tasks and commands.
    pub runs: bool,
    /// Commit.
    pub commits: bool,
    /// Take a change back.
    pub undoes: bool,
}

impl Intent {
    /// True when nothing may be changed and nothing run.
    #[must_use]
    pub fn only_asks(self) -> bool {
        self == Self::default()
    }

    fn or(self, other: Self) -> Self {
        Self {
            edits: self.edits || other.edits,
            runs: self.runs || other.runs,
            commits: self.commits || other.commits,
            undoes: self.undoes || other.undoes,
        }
    }
}

const EDITS: Intent = Intent { edits: true, runs: false, commits: false, undoes: false };
const RUNS: Intent = Intent { edits: false, runs: true, commits: false, undoes: false };
const COMMITS: Intent = Intent { edits: false, runs: false, commits: true, undoes: false };
const UNDOES: Intent = Intent { edits: false, runs: false, commits: false, undoes: true };
const NOTHING: Intent = Intent { edits: false, runs: false, commits: false, undoes: false };

/// What the user's words want beyond reading.
#[must_use]
pub fn intent(request: &str) -> Intent {
    let masked = mask(request);
    let sentences = sentences(&masked);
    let reads_later: Vec<bool> = sentences.iter().map(Sentence::reads).collect();
    let mut found = NOTHING;
    for (at, sentence) in sentences.iter().enumerate() {
        // `I want to change X` is a plan, not an instruction, when what is asked for comes elsewhere.
        let reading_elsewhere = reads_later.iter().enumerate().any(|(other, reads)| other != at && *reads);
        found = found.or(sentence.intent(reading_elsewhere));
    }
    if !found.only_asks() {
        found = found.or(conditions(&sentences));
    }
    found
}

/// `commit if the tests pass` runs the tests too.
fn conditions(sentences: &[Sentence]) -> Intent {
    let conditional = |word: &str| {
        ["if", "when", "once", "after", "provided", "unless", "until", "afterwards", "long"].contains(&word)
    };
    let checked = |word: &str| {
        is_test_noun(word) || is_state(word) || word.starts_with("build") || word.starts_with("compile")
    };
    let runs = sentences.iter().flat_map(|sentence| &sentence.clauses).any(|clause| {
        let words = &clause.words;
        let at = words.iter().position(|word| conditional(word));
        at.is_some_and(|at| words[at..].iter().any(|word| checked(word)))
    });
    if runs { RUNS } else { NOTHING }
}

/// Stands for a quotation.
const QUOTE: &str = "<q>";
/// Stands for a quotation that is a command.
const COMMAND: &str = "<cmd>";
/// Stands for a path.
const PATH: &str = "<p>";
/// Stands for a name in code.
const NAME: &str = "<n>";

/// The request in lower case with quotations, paths and names replaced.
fn mask(request: &str) -> String {
    let mut masked = String::new();
    let mut at = 0;
    for (start, end) in quotations(request) {
        let quoted = &request[start..end];
        masked.push_str(request[at..start].trim_end_matches(['"', '`', '“', '‘', '«', '\'']));
        let paths = Words::new(quoted).paths;
        let kind = if paths == [quoted] {
            PATH
        } else if is_command(quoted) {
            COMMAND
        } else {
            QUOTE
        };
        masked.push_str(&format!(" {kind} "));
        at = end + request[end..].chars().next().map_or(0, char::len_utf8);
    }
    masked.push_str(request.get(at..).unwrap_or_default());
    let words = Words::new(request);
    let mut result = String::new();
    for piece in masked.split_inclusive(char::is_whitespace) {
        let trimmed = piece.trim_end();
        let blank = &piece[trimmed.len()..];
        let bare = trimmed.trim_start_matches('(').trim_end_matches(['.', ',', ';', ':', '?', '!', ')']);
        let rest = trimmed.strip_prefix('(').unwrap_or(trimmed);
        let punctuation = &rest[bare.len().min(rest.len())..];
        if words.paths.iter().any(|path| bare == *path || bare.starts_with(&format!("{path}:"))) {
            result.push_str(PATH);
            result.push_str(punctuation);
        } else if bare.ends_with("()")
            || is_code_shaped(bare)
                && !bare.contains('<')
                && !bare.chars().next().is_some_and(|first| first.is_ascii_digit())
                && !bare.contains("..")
        {
            result.push_str(NAME);
            result.push_str(punctuation.trim_start_matches(['(', ')']));
        } else {
            result.push_str(&trimmed.to_lowercase());
        }
        result.push_str(blank);
    }
    result.replace(['\'', '’'], "")
}

/// Programs whose name at the start makes a text a command.
const PROGRAMS: &[&str] = &[
    "bash",
    "bun",
    "bundle",
    "cargo",
    "cat",
    "cd",
    "chmod",
    "cmake",
    "composer",
    "cp",
    "ctest",
    "curl",
    "date",
    "deno",
    "df",
    "docker",
    "dotnet",
    "du",
    "echo",
    "env",
    "eslint",
    "find",
    "git",
    "go",
    "gradle",
    "grep",
    "head",
    "helm",
    "hg",
    "java",
    "jest",
    "jq",
    "just",
    "kubectl",
    "ls",
    "make",
    "mkdir",
    "mvn",
    "mypy",
    "ninja",
    "node",
    "npm",
    "npx",
    "php",
    "pip",
    "pip3",
    "pnpm",
    "podman",
    "poetry",
    "pre-commit",
    "prettier",
    "ps",
    "pwd",
    "pytest",
    "python",
    "python3",
    "rake",
    "rg",
    "rm",
    "ruby",
    "ruff",
    "rustc",
    "rustfmt",
    "rustup",
    "sed",
    "sh",
    "sort",
    "ssh",
    "tail",
    "tar",
    "terraform",
    "touch",
    "tox",
    "tree",
    "tsc",
    "uname",
    "uv",
    "wc",
    "wget",
    "which",
    "whoami",
    "yarn",
    "zig",
];

/// Whether a text starts as a command does.
pub(crate) fn is_command(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    PROGRAMS.binary_search(&first).is_ok()
        || first.starts_with("./") && first.len() > 2
        || first.ends_with(".sh")
}

/// Where a bare command starts among the words, if one does: `please run make deploy` at `make`.
pub(crate) fn command_start(text: &str) -> Option<usize> {
    // Names of programs that are English too need a reason: they count only behind a verb of running.
    let behind = |before: &str| {
        let word = before.trim_end_matches([' ', ':']).rsplit(char::is_whitespace).next().unwrap_or_default();
        ["run", "execute", "try", "start", "exec", "do", "rerun", "call"]
            .contains(&word.to_lowercase().as_str())
    };
    let mut at = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim();
        let known = PROGRAMS.binary_search(&word).is_ok() || word.starts_with("./") && word.len() > 2;
        if known && (at == 0 || behind(&text[..at])) {
            return Some(at);
        }
        at += piece.len();
    }
    None
}

#[derive(Debug)]
struct Sentence {
    clauses: Vec<Clause>,
    asked: bool,
}

#[derive(Debug)]
struct Clause {
    words: Vec<String>,
    /// What stands before it: `,`, `and`, `then`, `:` or nothing.
    joint: String,
}

fn sentences(masked: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut finish = |words: &mut Vec<String>, asked: bool| {
        if !words.is_empty() {
            found.push(Sentence { clauses: clauses(std::mem::take(words)), asked });
        }
    };
    for line in masked.lines() {
        for piece in line.split_whitespace() {
            let body = piece.trim_start_matches(['(', '[']);
            let stop = body.trim_end_matches([')', ']']);
            let ends = stop.ends_with(['.', '?', '!', ';']) && !["e.g.", "i.e.", "etc."].contains(&stop);
            let word = stop.trim_end_matches(['.', '?', '!', ';', ')']);
            push_word(&mut words, word);
            if ends {
                finish(&mut words, stop.contains('?'));
            }
        }
        finish(&mut words, false);
    }
    found
}

/// A word, its trailing comma or colon as a word of its own.
fn push_word(words: &mut Vec<String>, word: &str) {
    let bare = word.trim_end_matches([',', ':']);
    if !bare.is_empty() {
        words.push(bare.to_owned());
    }
    if word.len() > bare.len() {
        words.push(word[bare.len()..bare.len() + 1].to_owned());
    }
}

fn clauses(words: Vec<String>) -> Vec<Clause> {
    let mut found = vec![Clause { words: Vec::new(), joint: String::new() }];
    for word in words {
        let splits = [",", ":", "and", "then", "but", "so", "-", "–", "—", "...", "afterwards", "&"]
            .contains(&word.as_str());
        let Some(last) = found.last_mut() else { break };
        if !splits {
            last.words.push(word);
        } else if last.words.is_empty() {
            // `, and then` is one joint; the strongest word of it is kept.
            last.joint = format!("{} {word}", last.joint).trim().to_owned();
        } else {
            found.push(Clause { words: Vec::new(), joint: word });
        }
    }
    found.retain(|clause| !clause.words.is_empty());
    found
}

/// What a clause does, before its neighbours are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// A question.
    Ask,
    /// `show`, `find`: an instruction to read.
    Read,
    /// An instruction to do this.
    Do(Intent),
    /// `I want to …`: an instruction, unless something else is asked for.
    Plan(Intent),
    /// A condition, an aside, a ban.
    Aside,
    /// Anything else.
    Statement,
}

impl Sentence {
    fn reads(&self) -> bool {
        self.clauses.iter().any(|clause| matches!(mood(&clause.words), Mood::Ask | Mood::Read))
    }

    fn intent(&self, reading_elsewhere: bool) -> Intent {
        let mut found = NOTHING;
        let mut governing: Option<Mood> = None;
        let mut banned = false;
        // A list for later is neither file nor command.
        if self.is_todo() {
            return NOTHING;
        }
        for clause in &self.clauses {
            let joined_strongly = clause.joint.contains("then")
                || clause.joint.contains("afterwards")
                || clause.joint.contains(':')
                || clause.joint.contains("so")
                || clause.joint.contains("but")
                || clause.joint.contains('-');
            let mood = mood(&clause.words);
            banned = banned && !joined_strongly && mood != Mood::Ask;
            match mood {
                Mood::Do(what) if !banned => {
                    let free = match governing {
                        // `where do we open and close files`: the verb belongs to the question.
                        Some(Mood::Ask) => {
                            is_polite(&clause.words)
                                || joined_strongly && !self.asked && acts_on_pronoun(&clause.words)
                        }
                        // `show me how we create and delete users` against `find X and delete it`.
                        Some(Mood::Read) => {
                            !self.has_subordinate_before(clause)
                                || acts_on_pronoun(&clause.words)
                                || joined_strongly
                                || clause.joint.contains(',')
                        }
                        _ => true,
                    };
                    if free {
                        found = found.or(what);
                        governing = Some(mood);
                    }
                }
                Mood::Plan(what) if !banned => {
                    let reading = self
                        .clauses
                        .iter()
                        .any(|clause| matches!(self::mood(&clause.words), Mood::Read | Mood::Ask));
                    if !reading && !reading_elsewhere {
                        found = found.or(what);
                    }
                }
                Mood::Ask => {
                    if let Some(what) = asks_for_a_run(&clause.words) {
                        found = found.or(what);
                    }
                    // `where is X and what calls it` goes on asking; so does what is joined without force.
                    governing = Some(mood);
                }
                Mood::Read => {
                    if let Some(what) = reads_by_running(&clause.words) {
                        found = found.or(what);
                    }
                    if governing != Some(Mood::Ask) {
                        governing = Some(mood);
                    }
                }
                Mood::Aside => banned = banned || is_ban(&clause.words),
                Mood::Statement => {
                    if let Some(what) =
                        wishes(&clause.words).filter(|_| !banned && governing != Some(Mood::Ask))
                    {
                        found = found.or(what);
                    }
                    if (self.asked || self.clauses.len() == 1) && asks_without_verb(&clause.words) {
                        found = found.or(RUNS);
                    }
                }
                Mood::Do(_) | Mood::Plan(_) => {}
            }
        }
        found
    }

    fn is_todo(&self) -> bool {
        let words: Vec<&str> =
            self.clauses.iter().flat_map(|clause| clause.words.iter().map(String::as_str)).collect();
        let first = self
            .clauses
            .first()
            .map(|clause| strip_fillers(&clause.words))
            .and_then(|words| words.first())
            .map(String::as_str);
        let list = words.iter().any(|word| ["todo", "todos", "to-do", "to-dos"].contains(word))
            || words.windows(2).any(|pair| {
                [["task", "list"], ["my", "list"], ["the", "list"], ["my", "tasks"]]
                    .contains(&[pair[0], pair[1]])
            });
        let verbs = [
            "add", "put", "mark", "set", "make", "create", "check", "tick", "cross", "note", "remove",
            "todo", "to-do",
        ];
        list && first
            .is_none_or(|first| verbs.contains(&first) || is_aux(first) || ["can", "could"].contains(&first))
            || first.is_some_and(|first| ["remember", "remind", "note"].contains(&first))
    }

    fn has_subordinate_before(&self, clause: &Clause) -> bool {
        let before = self.clauses.iter().take_while(|other| !std::ptr::eq(*other, clause));
        before.flat_map(|clause| &clause.words).any(|word| {
            is_question_word(word)
                || ["that", "code", "place", "part", "whatever", "if", "whether", "bit", "logic"]
                    .contains(&word.as_str())
        })
    }
}

fn is_question_word(word: &str) -> bool {
    let word = word.strip_suffix("re").filter(|word| word.len() >= 3).unwrap_or(word);
    [
        "what",
        "whats",
        "where",
        "wheres",
        "whe",
        "who",
        "whos",
        "whose",
        "whom",
        "which",
        "when",
        "why",
        "whys",
        "how",
        "hows",
        "whcih",
        "wich",
        "waht",
        "wat",
        "wher",
        "were",
        "whereabouts",
        "whens",
    ]
    .contains(&word)
}

fn is_aux(word: &str) -> bool {
    [
        "is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "am", "isnt", "arent",
        "wasnt", "doesnt", "didnt", "hasnt", "havent", "should", "shall", "may", "might", "must", "would",
        "will", "can", "could", "cant", "couldnt", "wont", "wouldnt", "shouldnt", "any", "anything",
        "anybody", "anyone",
    ]
    .contains(&word)
}

const FILLERS: &[&str] = &[
    "please",
    "pls",
    "plz",
    "pleas",
    "plese",
    "kindly",
    "ok",
    "okay",
    "okey",
    "k",
    "so",
    "well",
    "now",
    "then",
    "also",
    "just",
    "and",
    "but",
    "hey",
    "heyy",
    "hi",
    "hello",
    "yo",
    "hmm",
    "hm",
    "uh",
    "um",
    "oh",
    "no",
    "nope",
    "yes",
    "yeah",
    "yep",
    "sure",
    "great",
    "good",
    "nice",
    "cool",
    "perfect",
    "thanks",
    "thx",
    "sorry",
    "first",
    "firstly",
    "next",
    "finally",
    "afterwards",
    "later",
    "maybe",
    "simply",
    "actually",
    "quickly",
    "again",
    "right",
    "alright",
    "lets",
    "let",
    "us",
    "listen",
    "morning",
    "ah",
    "btw",
    "fyi",
    "cheers",
    "only",
    "always",
    "kind",
    "be",
    "anyway",
    "instead",
    "oops",
    "wait",
    "argh",
    "really",
    "still",
    "too",
    "directly",
    "there",
    "everyone",
    "all",
    "go",
    "ahead",
    "loci",
    "dear",
];

fn strip_fillers(words: &[String]) -> &[String] {
    let mut rest = words;
    loop {
        // `let me see` and `go back` are more than their first words.
        if rest.len() >= 2
            && (rest[0] == "let" && rest[1] == "me"
                || rest[0] == "go" && rest[1] != "ahead" && rest[1] != "on")
        {
            return rest;
        }
        match rest.first() {
            Some(word) if FILLERS.contains(&word.as_str()) && rest.len() > 1 => rest = &rest[1..],
            _ => return rest,
        }
    }
}

fn word(words: &[String], at: usize) -> &str {
    words.get(at).map_or("", String::as_str)
}

/// What is behind `can you`, `would you mind`, `I want you to`: the words that carry the instruction.
fn polite(words: &[String]) -> Option<&[String]> {
    let subject = |at: usize| {
        ["you", "u", "ya", "we", "someone", "somebody", "anybody", "anyone", "loci"]
            .contains(&word(words, at))
    };
    let modal =
        ["can", "could", "would", "will", "wont", "cant", "couldnt", "may", "might", "should", "shall"]
            .contains(&word(words, 0));
    let mut at = match (word(words, 0), word(words, 1)) {
        _ if modal && subject(1) => {
            let only_we = word(words, 1) == "we";
            let firm = ["can", "could"].contains(&word(words, 0));
            if only_we && !firm || ["should", "shall", "may", "might"].contains(&word(words, 0)) {
                return None;
            }
            2
        }
        ("do", "you") if word(words, 2) == "mind" => 2,
        ("any", "chance") => words.iter().position(|word| ["you", "u", "we"].contains(&word.as_str()))? + 1,
        ("you", "should" | "can" | "could" | "may" | "must") => 2,
        ("we", "should" | "must") => 2,
        ("i", "want" | "need" | "would" | "expect") | ("id", "like" | "love") => {
            let to = words.iter().position(|word| word == "to").filter(|to| *to <= 5)?;
            let you = words[..to].iter().any(|word| word == "you" || word == "u");
            if !you {
                return None;
            }
            to + 1
        }
        ("make", "sure") => 2,
        ("feel", "free") => 3,
        ("time", "to") => 2,
        _ => return None,
    };
    while [
        "please", "pls", "plz", "mind", "also", "just", "maybe", "quickly", "kindly", "possibly", "now",
        "then", "be", "so", "kind", "and", "to", "help", "me", "us", "go", "ahead", "perhaps", "simply",
        "that", "possible", "at", "once",
    ]
    .contains(&word(words, at))
        && !(word(words, at) == "go" && word(words, at + 1) == "back")
    {
        at += 1;
    }
    words.get(at..)
}

fn is_polite(words: &[String]) -> bool {
    polite(strip_fillers(words)).is_some()
}

fn is_ban(words: &[String]) -> bool {
    let words = strip_fillers_but_no(words);
    // `no, undo that`; `don't ask, just delete it`.
    if words.len() == 1 || ["ask", "worry", "forget", "hesitate"].contains(&word(words, 1)) {
        return false;
    }
    ["dont", "donot", "never", "not", "without", "no", "wont", "havent", "isnt"].contains(&word(words, 0))
        || word(words, 0) == "do" && word(words, 1) == "not"
        || ["just", "only"].contains(&word(words, 0))
            && ["asking", "wondering", "curious", "checking", "looking"].contains(&word(words, 1))
}

fn strip_fillers_but_no(words: &[String]) -> &[String] {
    let mut rest = words;
    while rest.len() > 1
        && FILLERS.contains(&rest[0].as_str())
        && !["no", "only", "just"].contains(&rest[0].as_str())
    {
        rest = &rest[1..];
    }
    rest
}

fn mood(clause: &[String]) -> Mood {
    if is_ban(clause) {
        return Mood::Aside;
    }
    let words = strip_fillers(clause);
    if let Some(rest) = polite(words) {
        let cautious = word(words, 1) == "we"
            && words.iter().any(|word| ["safely", "or", "without"].contains(&word.as_str()));
        return match instruction(rest) {
            Some(what) if !cautious => Mood::Do(what),
            Some(_) => Mood::Ask,
            None if is_reading(word(rest, 0)) => Mood::Read,
            None => Mood::Ask,
        };
    }
    let (first, second) = (word(words, 0), word(words, 1));
    let after_preposition = ["in", "from", "on", "at", "to", "for", "by", "with", "since", "under"]
        .contains(&first)
        && is_question_word(second);
    let conditional = [
        "if", "before", "after", "unless", "once", "while", "because", "as", "whenever", "until", "since",
        "although", "though", "provided",
    ]
    .contains(&first)
        || first == "when" && !is_aux(second) && !["exactly", "precisely", "was", "is"].contains(&second);
    if after_preposition {
        return Mood::Ask;
    }
    if conditional {
        return Mood::Aside;
    }
    if is_question_word(first) && !(first == "were" && second == "going") {
        return Mood::Ask;
    }
    if is_aux(first) && !(first == "do" && ["it", "that", "this"].contains(&second)) && words.len() > 1 {
        return Mood::Ask;
    }
    if let Some(what) = instruction(words) {
        return Mood::Do(what);
    }
    if is_reading(first) || first == "let" && second == "me" || first == "check" || first == "verify" {
        return Mood::Read;
    }
    if let Some(what) = behind_a_place(words) {
        return Mood::Do(what);
    }
    if let Some(what) = plan(words) {
        return Mood::Plan(what);
    }
    Mood::Statement
}

/// Verbs that only look.
fn is_reading(word: &str) -> bool {
    [
        "show",
        "find",
        "list",
        "read",
        "print",
        "display",
        "explain",
        "describe",
        "search",
        "grep",
        "look",
        "lookup",
        "tell",
        "give",
        "gimme",
        "compare",
        "count",
        "see",
        "point",
        "locate",
        "cat",
        "ls",
        "summarize",
        "summarise",
        "outline",
        "get",
        "enumerate",
        "dump",
        "view",
        "inspect",
        "trace",
        "track",
        "hunt",
        "diff",
        "log",
        "blame",
        "browse",
        "peek",
        "figure",
        "discover",
        "walk",
        "take",
        "open",
        "ask",
        "sketch",
        "help",
        "know",
        "identify",
        "determine",
        "examine",
        "review",
        "report",
        "name",
        "pull",
        "bring",
        "say",
        "think",
        "believe",
        "remember",
        "understand",
        "learn",
        "jump",
        "navigate",
        "scan",
        "watch",
        "study",
        "analyze",
        "analyse",
    ]
    .contains(&word)
}

const EDIT_VERBS: &[&str] = &[
    "add",
    "adjust",
    "alter",
    "amend",
    "annotate",
    "append",
    "apply",
    "assign",
    "bump",
    "call",
    "change",
    "clean",
    "cleanup",
    "clear",
    "comment",
    "convert",
    "copy",
    "correct",
    "create",
    "decrease",
    "delete",
    "disable",
    "document",
    "drop",
    "edit",
    "enable",
    "erase",
    "exchange",
    "expand",
    "extend",
    "extract",
    "fill",
    "fix",
    "generate",
    "implement",
    "improve",
    "increase",
    "inline",
    "insert",
    "introduce",
    "kill",
    "lower",
    "make",
    "migrate",
    "mkdir",
    "modify",
    "move",
    "mv",
    "optimise",
    "optimize",
    "overwrite",
    "paste",
    "patch",
    "port",
    "prefix",
    "prepend",
    "purge",
    "put",
    "raise",
    "refactor",
    "reformulate",
    "relocate",
    "remove",
    "rename",
    "reorder",
    "reorganize",
    "repair",
    "replace",
    "resolve",
    "restructure",
    "rewrite",
    "rm",
    "save",
    "scrap",
    "set",
    "shorten",
    "simplify",
    "solve",
    "sort",
    "speed",
    "split",
    "stick",
    "store",
    "strip",
    "substitute",
    "swap",
    "switch",
    "tack",
    "toss",
    "touch",
    "translate",
    "trash",
    "turn",
    "uncomment",
    "unify",
    "update",
    "upgrade",
    "wipe",
    "wrap",
    "write",
];

const RUN_VERBS: &[&str] = &[
    "boot",
    "build",
    "compile",
    "deploy",
    "exec",
    "execute",
    "fire",
    "fmt",
    "format",
    "install",
    "kick",
    "launch",
    "lint",
    "publish",
    "rebuild",
    "recompile",
    "reformat",
    "rerun",
    "restart",
    "retest",
    "run",
    "serve",
    "spin",
    "start",
    "test",
    "try",
];

/// A verb of one of the lists; one slip of the finger is forgiven in longer words.
fn verb(word: &str, list: &[&str]) -> bool {
    if list.binary_search(&word).is_ok() {
        return true;
    }
    word.len() >= 5
        && !is_reading(word)
        && !SAFE_NEIGHBOURS.contains(&word)
        && list.iter().any(|known| known.len() >= 5 && one_slip(word, known))
}

/// Real words that are one slip away from a verb.
const SAFE_NEIGHBOURS: &[&str] = &[
    "chance",
    "created",
    "creates",
    "inserts",
    "deletes",
    "changes",
    "changed",
    "builds",
    "rename",
    "updates",
    "updated",
    "deleted",
    "moves",
    "moved",
    "wrote",
    "writes",
    "formats",
    "removed",
    "removes",
    "renamed",
    "renames",
    "replaced",
    "replaces",
    "saved",
    "clean",
    "cleans",
    "drops",
    "tests",
    "starts",
    "stars",
    "stare",
    "state",
    "edits",
    "credit",
    "build",
    "built",
    "guild",
    "write",
    "white",
    "quite",
    "spite",
    "while",
    "split",
    "splits",
    "order",
    "other",
    "parse",
    "paste",
    "patch",
    "match",
    "watch",
    "batch",
    "catch",
    "latch",
    "store",
    "stored",
    "stores",
    "score",
    "short",
    "sorts",
    "sport",
    "touch",
    "tough",
    "couch",
    "insect",
    "inline",
    "online",
    "upgrade",
    "update",
    "compiles",
    "compiled",
    "executes",
    "executed",
    "extends",
    "append",
    "appends",
    "prefix",
    "purse",
    "raise",
    "rise",
    "phrase",
    "kicks",
    "kills",
    "skill",
    "still",
    "launch",
    "lunch",
    "serve",
    "serves",
    "sever",
    "server",
    "clear",
    "clears",
    "lower",
    "slower",
    "flower",
    "power",
    "tower",
    "trace",
    "erases",
    "erased",
    "swaps",
    "turns",
    "wraps",
    "wipes",
    "coppy",
    "stuck",
    "stick",
    "sticks",
    "trash",
    "crash",
    "brash",
    "solve",
    "solved",
    "solves",
    "resolved",
    "resolves",
    "repairs",
    "fixes",
    "fixed",
    "correct",
    "corrects",
    "converts",
    "converted",
    "extracts",
    "extracted",
    "migrates",
    "generates",
    "generated",
    "generate",
    "generic",
    "implements",
    "modifies",
    "modified",
    "applies",
    "applied",
    "apply",
    "reply",
    "supply",
    "alters",
    "after",
    "later",
    "altered",
    "assigns",
    "assigned",
    "signs",
];

/// One letter more, less, other, or two exchanged.
fn one_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let prefix = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let suffix = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (rest_a, rest_b) = (a.len().saturating_sub(prefix + suffix), b.len().saturating_sub(prefix + suffix));
    // Only exchanged letters and a doubled or missing one; another letter is more often another word.
    let exchanged = a.len() == b.len()
        && rest_a == 2
        && rest_b == 2
        && a.get(prefix) == b.get(prefix + 1)
        && a.get(prefix + 1) == b.get(prefix);
    exchanged || a.len().abs_diff(b.len()) == 1 && rest_a + rest_b <= 1 && a.len() < b.len()
}

/// What an imperative wants; the clause starts with its verb.
fn instruction(words: &[String]) -> Option<Intent> {
    let words = strip_fillers(words);
    let (first, second) = (word(words, 0), word(words, 1));
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    match first {
        COMMAND if words.len() == 1 => return Some(RUNS),
        "commit" | "comit" => return Some(COMMITS),
        "check" if second == "in" && has(&[QUOTE, "everything", "changes", "this", "it"]) => {
            return Some(COMMITS);
        }
        "git" if second == "commit" => return Some(COMMITS),
        "git" => return None,
        "undo" | "revert" | "rollback" | "restore" | "undoing" | "reverting" | "unde" | "udno" => {
            return Some(UNDOES);
        }
        "roll" | "take" | "put" | "go" | "bring" | "back" | "change" | "turn" | "switch"
            if has(&["back"]) && first != "switch" || first == "back" && second == "out" =>
        {
            return Some(if ["put", "change", "turn"].contains(&first) { UNDOES.or(EDITS) } else { UNDOES });
        }
        "reset" => return Some(UNDOES.or(EDITS)),
        "get" if second == "rid" => return Some(EDITS),
        "get" | "see" if has(&["rid"]) => return Some(EDITS),
        "new" if has(&["file", PATH, "folder"]) => return Some(EDITS),
        "one" | "another" if second == "more" && has(&["line", "entry"]) && has(&[PATH, QUOTE]) => {
            return Some(EDITS);
        }
        "give" if words.iter().any(|word| word == "name") && has(&["the", "a", "another", "new"]) => {
            return Some(EDITS);
        }
        "give" if second == "it" && has(&["build", "run", "test", "spin", "try", "go"]) => return Some(RUNS),
        "apply" if has(&["formatter", "formatting", "rustfmt", "black", "prettier", "linter"]) => {
            return Some(RUNS);
        }
        "start" if has(&["file"]) => return Some(EDITS),
        "make"
            if words.len() <= 3
                && !["it", "a", "the", "this", "that", "sure"].contains(&second)
                && !second.starts_with('<')
                && second != "me" =>
        {
            return Some(EDITS.or(RUNS));
        }
        "do" if ["it", "that", "this"].contains(&second) && words.len() <= 3 => return None,
        "do" if has(&["replacement", "rename", "renaming", "migration", "change", "edit"]) => {
            return Some(EDITS);
        }
        "let" if second == "me" => return None,
        "test" | "build" | "format" | "lint" | "start" if is_noun_phrase(words) => return None,
        "log" | "diff" | "blame" | "status" => return None,
        _ => {}
    }
    // `call` and `set` are also nouns at the head of a phrase: `call sites of foo`.
    if [
        "call", "set", "split", "store", "sort", "comment", "patch", "copy", "change", "update", "fix",
        "switch", "touch", "port",
    ]
    .contains(&first)
        && [
            "site",
            "sites",
            "graph",
            "stack",
            "chain",
            "order",
            "history",
            "log",
            "logs",
            "of",
            "list",
            "chains",
            "statement",
            "statements",
        ]
        .contains(&second)
    {
        return None;
    }
    if verb(first, RUN_VERBS) {
        return Some(RUNS);
    }
    if verb(first, EDIT_VERBS) {
        return Some(EDITS);
    }
    let gerund = first
        .strip_suffix("ing")
        .map(|stem| verb(stem, EDIT_VERBS) || EDIT_VERBS.binary_search(&format!("{stem}e").as_str()).is_ok());
    if gerund == Some(true) && words.len() > 1 && !first.is_empty() {
        // `would you mind renaming X`; a statement never starts so, a heading does: `renaming files`.
        return has(&[PATH, QUOTE, NAME]).then_some(EDITS);
    }
    if PROGRAMS.binary_search(&first).is_ok()
        && words.len() > 1
        && ![
            "find", "cat", "ls", "grep", "tree", "head", "tail", "which", "make", "sort", "date", "go",
            "just", "rm", "touch", "mkdir", "rg", "wc", "env", "node",
        ]
        .contains(&first)
    {
        return Some(RUNS);
    }
    None
}

/// `test coverage for X`, `build errors`, `lint complaints`, `format strings`: nouns, not verbs.
fn is_noun_phrase(words: &[String]) -> bool {
    let second = word(words, 1);
    [
        "coverage",
        "cases",
        "case",
        "files",
        "file",
        "errors",
        "error",
        "warnings",
        "complaints",
        "issues",
        "problems",
        "results",
        "result",
        "strings",
        "string",
        "suite",
        "of",
        "for",
        "script",
        "scripts",
        "steps",
        "step",
        "system",
        "config",
        "configuration",
        "output",
        "functions",
        "function",
        "helpers",
        "helper",
        "rules",
        "time",
        "times",
        "logic",
        "code",
        "data",
        "utils",
        "usages",
        "command",
        "commands",
        "targets",
        "target",
    ]
    .contains(&second)
        && !(word(words, 0) == "test" && ["suite"].contains(&second) && words.len() == 2)
        && !(["format", "lint", "build", "test"].contains(&word(words, 0))
            && second == "code"
            && words.len() == 2)
}

fn acts_on_pronoun(words: &[String]) -> bool {
    let words = strip_fillers(words);
    words
        .iter()
        .skip(1)
        .take(3)
        .any(|word| ["it", "them", "that", "this", "those", "these"].contains(&word.as_str()))
}

/// `in src/a.rs change 1 to 2`: the verb behind a place.
fn behind_a_place(words: &[String]) -> Option<Intent> {
    if ![
        "in", "at", "inside", "within", "on", "to", "from", "into", "for", "right", "under", "before",
        "after",
    ]
    .contains(&word(words, 0))
    {
        return None;
    }
    let place = words.iter().position(|word| word == PATH || word == QUOTE || word == NAME)?;
    instruction(&words[place + 1..]).or_else(|| {
        let line = words.iter().position(|word| word == "line")?;
        instruction(words.get(line + 2..)?)
    })
}

/// `I want to rename X`, `I need a new file`: instructions, unless something is asked beside them.
fn plan(words: &[String]) -> Option<Intent> {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let subject = ["i", "we", "id", "lets"].contains(&word(words, 0));
    let wants = has(&["want", "need", "like", "wanna", "love"]);
    if !subject || !wants {
        return None;
    }
    // `I want to know`, `before I do that I'd need to know`.
    let after_to = words.iter().position(|word| word == "to" || word == "wanna").map(|at| &words[at + 1..]);
    match after_to {
        Some(rest) if !rest.is_empty() => {
            let what = instruction(rest)?;
            let later = has(&["next", "week", "tomorrow", "later", "someday", "soon", "thinking"]);
            (!later && !has(&["dont"])).then_some(what)
        }
        _ => None,
    }
}

/// Statements that say how things should be.
fn wishes(words: &[String]) -> Option<Intent> {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    let at = |wanted: &str| words.iter().position(|word| word == wanted);
    let words_after = |at: usize| words.get(at + 1..).unwrap_or_default();
    // `X should (really) be called Y`, `it should say "Y"`.
    if let Some(should) = at("should").or_else(|| at("must")).or_else(|| at("shall")) {
        let rest: Vec<&str> = words_after(should)
            .iter()
            .map(String::as_str)
            .filter(|word| {
                !["really", "now", "rather", "better", "actually", "just", "probably", "be"].contains(word)
            })
            .collect();
        let participle = [
            "called", "named", "renamed", "removed", "deleted", "replaced", "changed", "moved", "gone",
            "set", "added", "inserted", "updated",
        ];
        let verbs = ["say", "become", "read", "get", "have", "contain", "end", "start"];
        return rest
            .first()
            .is_some_and(|first| {
                participle.contains(first)
                    || verbs.contains(first) && has(&[QUOTE])
                    || *first == QUOTE
                    || *first == NAME && has(&[NAME])
            })
            .then_some(EDITS);
    }
    if let Some(needs) = at("needs").or_else(|| at("deserves")).or_else(|| at("need")) {
        let rest = words_after(needs);
        let name = rest.iter().take(5).any(|word| word == "name");
        let passive = word(rest, 0) == "to"
            && ["be", "become", "say", "go"].contains(&word(rest, 1))
            && !rest.iter().any(|word| ["known", "done", "careful"].contains(&word.as_str()));
        let renaming = ["renaming", "removing", "deleting", "replacing", "changing", "updating"]
            .contains(&word(rest, 0));
        if name || passive || renaming {
            return Some(EDITS);
        }
    }
    let wants = has(&["want", "need", "like", "wish"])
        && (word(words, 0) == "i" || word(words, 0) == "we" || word(words, 0) == "id");
    if wants {
        let file = has(&["file", PATH])
            && has(&["empty", "new", "gone", "removed", "deleted", "containing", "away", "renamed"]);
        let text = has(&[QUOTE])
            && has(&["before", "after", "line", "end", "top", "bottom", "at", "in", "instead"])
            && !has(&["where", "spot", "place", "occurrences", "see", "know"]);
        return (file || text).then_some(EDITS);
    }
    if let Some(get) = at("get")
        && word(words, get + 1) == "rid"
    {
        return Some(EDITS);
    }
    // `"a" -> "b"`, `version: 1 => 2`.
    let arrow = words.iter().position(|word| ["->", "=>", "→", "–>"].contains(&word.as_str()));
    if arrow.is_some_and(|at| at > 0 && at + 1 < words.len()) {
        return Some(EDITS);
    }
    if has(&["file"]) && word(words, 0) == "new" {
        return Some(EDITS);
    }
    // A sentence that ends in its verb: `the name is bad, rename please`; `tests please`.
    let bare: Vec<&str> = words.iter().map(String::as_str).filter(|word| !FILLERS.contains(word)).collect();
    match bare.as_slice() {
        [only] if is_test_noun(only) || ["build", "lint", "format", "compile"].contains(only) => Some(RUNS),
        [.., "gone"] if has(&[PATH]) => Some(EDITS),
        _ => None,
    }
}

fn is_test_noun(word: &str) -> bool {
    ["test", "tests", "suite", "testsuite", "specs", "ci", "unittests", "tets", "test-suite"].contains(&word)
}

fn is_state(word: &str) -> bool {
    [
        "pass", "passes", "passing", "passed", "green", "red", "ok", "okay", "fail", "fails", "failing",
        "failed", "break", "broke", "broken", "breaks", "succeed", "succeeds", "fine", "happy", "good",
        "work", "working", "clean",
    ]
    .contains(&word)
}

/// Questions that only a run can answer: do the tests pass, does it build, what does the linter say.
fn asks_for_a_run(words: &[String]) -> Option<Intent> {
    let words = strip_fillers(words);
    let (first, second) = (word(words, 0), word(words, 1));
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    if has(&["would", "could", "should", "if", "someone"])
        && !has(&[COMMAND])
        && first != "any"
        && !(has(&["whether"]))
    {
        return None;
    }
    // `what do I get when I run "x"`, `what does "x" print`.
    if has(&[COMMAND]) && ["what", "whats"].contains(&first) {
        let running = has(&["run", "execute", "type"]) && has(&["get", "see", "happens", "print"]);
        let printing = has(&["print", "prints", "output", "say", "show", "return", "give", "report"]);
        return (running || printing).then_some(RUNS);
    }
    let which = ["what", "whats", "which"].contains(&first) || first == "how" && second == "many";
    if ["where", "wheres", "why", "how", "who", "whos", "when", "were", "wher"].contains(&first) && !which
        || ["what", "whats", "which"].contains(&second) && first == "in"
    {
        return None;
    }
    let about_a_thing = has(&[
        NAME, "untested", "cover", "covers", "covered", "coverage", "for", "exist", "written", "mean",
        "means",
    ]);
    let tests = words.iter().any(|word| is_test_noun(word));
    let state = words.iter().any(|word| is_state(word));
    if which {
        let linter = has(&["linter", "clippy", "eslint", "ruff", "flake8", "lint"])
            && has(&[
                "say",
                "says",
                "complain",
                "think",
                "thinks",
                "report",
                "complaints",
                "errors",
                "warnings",
            ]);
        let failing = tests
            && has(&["fail", "fails", "failing", "failed", "broken", "breaks", "break", "red"])
            && !has(&["does", "when", "about"]);
        return (linter || failing && !has(&[NAME]) && !has(&["the"]) || failing && has(&["first", "many"]))
            .then_some(RUNS);
    }
    if tests && state && !about_a_thing {
        return Some(RUNS);
    }
    let generic = has(&[
        "it",
        "project",
        "everything",
        "code",
        "crate",
        "this",
        "that",
        "all",
        "app",
        "workspace",
        "repo",
        "thing",
        "we",
        "still",
        "tree",
    ]);
    let builds = words.iter().position(|word| {
        ["build", "builds", "compile", "compiles", "building", "compiling"].contains(&word.as_str())
    });
    if let Some(at) = builds {
        let after = word(words, at + 1);
        let plain = after.is_empty()
            || [
                "again",
                "still",
                "now",
                "yet",
                "fine",
                "ok",
                "cleanly",
                "without",
                "properly",
                "at",
                "correctly",
                "today",
                "for",
            ]
            .contains(&after);
        if plain && generic && !has(&["when", "where", "how", "can", NAME, PATH]) {
            return Some(RUNS);
        }
    }
    if complaints(words) && (is_aux(first) || first == "any") {
        return Some(RUNS);
    }
    let greens = has(&["green"]) && words.len() <= 5;
    greens.then_some(RUNS)
}

/// `compile errors`, `lint complaints`, `failing tests`.
fn complaints(words: &[String]) -> bool {
    words.windows(2).any(|pair| {
        let tool = [
            "compile",
            "compiler",
            "compilation",
            "build",
            "lint",
            "linter",
            "clippy",
            "eslint",
            "style",
            "type",
            "formatting",
            "test",
        ];
        let trouble = [
            "errors",
            "error",
            "warnings",
            "warning",
            "complaints",
            "issues",
            "problems",
            "failures",
            "failure",
        ];
        let failing = ["failing", "broken", "red"].contains(&pair[0].as_str()) && is_test_noun(&pair[1]);
        tool.contains(&pair[0].as_str()) && trouble.contains(&pair[1].as_str()) || failing
    })
}

/// `check whether it compiles`, `see if the tests pass`, `check the code style`.
fn reads_by_running(words: &[String]) -> Option<Intent> {
    let words = strip_fillers(words);
    let words = polite(words).unwrap_or(words);
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(&word.as_str()));
    if !["check", "see", "verify", "tell", "confirm", "look", "find", "show", "know", "let", "make", "report"]
        .contains(&word(words, 0))
    {
        return None;
    }
    let tests = words.iter().any(|word| is_test_noun(word));
    let state = words.iter().any(|word| is_state(word));
    let whether =
        words.iter().position(|word| ["whether", "if", "wether", "that", "weather"].contains(&word.as_str()));
    if let Some(at) = whether {
        let rest = &words[at + 1..];
        let builds = rest
            .iter()
            .any(|word| ["builds", "compiles", "build", "compile", "lints"].contains(&word.as_str()));
        let plain = !rest.iter().any(|word| word == NAME || word == PATH);
        return ((tests && state || builds) && plain).then_some(RUNS);
    }
    let first_check = word(words, 0) == "check" || word(words, 0) == "verify";
    let style = first_check && has(&["style", "formatting", "lint", "linting"]) && !has(&["where", "how"]);
    let build =
        first_check && has(&["build", "compilation", "tests"]) && words.len() <= 4 && !has(&[PATH, NAME]);
    (style
        || build
        || complaints(words)
            && has(&["show", "find"])
            && !has(&["where", "code", "that", "how"])
            && words.len() <= 6)
        .then_some(RUNS)
}

/// `tests still green?`, `any lint complaints?`
fn asks_without_verb(words: &[String]) -> bool {
    let tests = words.iter().any(|word| is_test_noun(word));
    let state = words.iter().any(|word| is_state(word));
    let short = words.len() <= 6;
    let plain = !words.iter().any(|word| {
        word == NAME || word == PATH || ["why", "how", "where", "for", "of"].contains(&word.as_str())
    });
    short
        && plain
        && (tests && state
            || complaints(words)
            || words.len() <= 3
                && words.iter().any(|word| ["green", "compiles", "builds"].contains(&word.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(EDIT_VERBS.is_sorted(), "{:?}", EDIT_VERBS.windows(2).find(|pair| pair[0] > pair[1]));
        assert!(RUN_VERBS.is_sorted(), "{:?}", RUN_VERBS.windows(2).find(|pair| pair[0] > pair[1]));
        assert!(PROGRAMS.is_sorted(), "{:?}", PROGRAMS.windows(2).find(|pair| pair[0] > pair[1]));
    }

    /// One request a line; `#` starts a comment.
    fn check(list: &str, expect: impl Fn(Intent) -> bool, wanted: &str) {
        let wrong: Vec<String> = list
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
            .filter(|line| !expect(intent(line)))
            .map(|line| format!("{line}\n      {:?} {:?}", intent(line), sentences(&mask(line))))
            .collect();
        assert!(
            wrong.is_empty(),
            "{} of {} should {wanted}:\n{}",
            wrong.len(),
            list.lines().count(),
            wrong.join("\n")
        );
    }

    #[test]
    fn questions_only_ask() {
        check(include_str!("intent/asks.txt"), Intent::only_asks, "only ask");
    }

    #[test]
    fn instructions_edit() {
        check(include_str!("intent/edits.txt"), |intent| intent.edits, "edit");
    }

    #[test]
    fn instructions_run() {
        check(include_str!("intent/runs.txt"), |intent| intent.runs, "run");
    }

    #[test]
    fn the_rest() {
        check(include_str!("intent/commits.txt"), |intent| intent.commits, "commit");
        check(include_str!("intent/undoes.txt"), |intent| intent.undoes, "undo");
    }

    #[test]
    fn hostile_input_is_only_text() {
        for text in [
            "",
            " ",
            "?",
            "\"",
            "``````",
            "\u{0}",
            "and and and",
            ":::",
            "'''",
            "`a` `b",
            "é’é'é",
            "->",
            "🦀".repeat(50).as_str(),
        ] {
            let _ = intent(text);
        }
        assert!(intent(&"and rename it ".repeat(5_000)).edits);
    }
}
