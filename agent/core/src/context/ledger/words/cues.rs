//! Owns cues: words and turns that tell a request from a report and from a manual.
//! Uses general language, a little of it German, French and Chinese.
//! Never knows a project, a template or a transcript.

/// Verbs that begin what people ask of those who work with them. Verbs that begin the lines of change logs (add, fix,
/// remove, update) are not among them.
#[rustfmt::skip]
pub(super) const DIRECTIVES: &[&str] = &[
    "use", "keep", "put", "run", "never", "don't", "dont", "always", "prefer", "avoid", "ask", "ping", "remember",
    "ignore", "stick", "wait", "stop", "write", "push", "commit", "name", "call", "leave", "make", "tell", "treat",
    "stay", "send", "assume", "respect", "follow", "note", "skip", "start", "pick", "mind", "do", "no", "only",
    "nothing", "nobody", "go", "take", "give", "let's", "please", "pls", "target", "default", "aim", "limit",
    "store", "log", "copy", "look", "check", "test", "deploy", "report", "return", "mark", "forget", "nutze",
    "benutze", "verwende", "bitte", "kein", "keine", "nur", "nie", "lass", "merci", "utilise", "utilisez", "ne",
    "pas",
];

/// Other ways to ask.
#[rustfmt::skip]
pub(super) const DIRECTIVE_PHRASES: &[&str] = &[
    "make sure", "prefer", "be sure", "please", "pls", "plz", "do not", "don't", "dont", "no need to", "hands off",
    "off limits", "stay away", "instead of", "rather than", "i want", "i'd like", "i would like", "i'd rather",
    "i prefer", "we prefer", "i need", "nothing else", "feel free", "is fine", "are fine", "is ok", "not allowed",
    "is forbidden", "leave that", "leave it", "under no circumstances", "at all costs", "ne pas", "bitte",
];

/// Duty, permission, limits.
#[rustfmt::skip]
pub(super) const MODALS: &[&str] = &[
    "must", "mustn't", "should", "shouldn't", "shall", "may not", "can't", "cannot", "has to", "have to", "need to",
    "needs to", "needs", "never", "only", "always", "at most", "at least", "no more than", "under", "below",
    "above", "max", "maximum", "minimum", "limit", "ceiling", "stays", "stay", "stays at", "remains", "allowed",
    "required", "mandatory", "reserved", "won't", "will", "not before", "until", "without", "muss", "müssen",
    "darf", "dürfen", "soll", "nur", "kein", "keine", "nie", "doit", "doivent", "jamais", "reste", "restent",
    "seulement",
];

/// This work, here, from now on: what only the one who writes can point at.
#[rustfmt::skip]
pub(super) const DEICTICS: &[&str] = &[
    "this work", "here", "for this", "for now", "today", "from now on", "as of", "going forward", "tomorrow",
    "this week", "next week", "last week", "last month", "at the moment", "now", "these days", "all of this",
    "of this", "on leave", "this time", "this one", "these", "our", "until", "instead", "anymore", "any more",
    "jetzt", "heute", "ab sofort", "maintenant", "désormais",
];

/// Manners of talk, and of taking back.
#[rustfmt::skip]
pub(super) const MANNERS: &[&str] = &[
    "please", "pls", "plz", "btw", "by the way", "fyi", "thanks", "thx", "ok", "okay", "heads up", "oh", "sorry",
    "actually", "reminder", "scratch that", "scratch", "forget", "correction", "change of plan", "change of plans",
    "never mind", "nevermind", "as i said", "whatever you do", "when in doubt", "if in doubt", "if unsure",
    "one more thing", "also", "hey", "hi", "asap", "after all", "obviously", "imo", "afaik", "übrigens", "danke",
    "merci",
];

/// Who does what with whom: the vocabulary of working together, not of any project.
#[rustfmt::skip]
pub(super) const TEAM: &[&str] = &[
    "review", "reviews", "reviewer", "reviewed", "merge", "merges", "ticket", "tickets", "branch", "branches",
    "deploy", "deploys", "staging", "prod", "production", "ci", "nightly", "job", "linter", "coverage", "legal",
    "licence", "license", "sign off", "signs off", "signed off", "signoff", "approves", "approval", "owns", "owner",
    "on call", "team", "customer", "customers", "client", "deadline", "sprint", "milestone", "budget", "laptop",
    "machine", "box", "password", "credentials", "creds", "vpn", "flag", "rollout", "release", "freeze", "trailer",
    "changelog", "support", "finance", "marketing", "security", "colleague", "leave", "holiday", "vacation", "boss",
    "manager", "reserved", "vendored", "preview", "sandbox", "convention", "style",
];

/// The tone of reports on a change.
#[rustfmt::skip]
pub(super) const REPORTS: &[&str] = &[
    "previously", "this change", "this commit", "this patch", "this pr", "this pull request", "this adds",
    "this fixes", "this branch", "this release", "motivation", "solution", "currently", "as described", "has been",
    "have been", "was fixed", "fixes", "closes", "fixed", "introduces", "introduced", "adds", "removes", "allows",
    "enables", "implements", "refactors", "additionally", "furthermore", "this allows", "this means", "would be",
    "was added", "deprecated", "reported", "regression", "steps to reproduce", "expected behavior",
    "actual behavior", "in order to", "pull request", "merge pull",
];

/// The tone of manuals.
#[rustfmt::skip]
pub(super) const MANUALS: &[&str] = &[
    "for example", "e.g", "you can", "you may", "if you", "you want", "you'll", "refer to", "see the", "see also",
    "the following", "as follows", "such as", "contributors", "contributor", "contributing", "documentation",
    "for more", "in general", "provides", "supports", "users", "when you", "you need", "you should", "you have",
    "note that", "example", "optional", "optionally", "by default", "this package", "this document", "guidelines",
    "community", "we welcome", "we appreciate",
];

/// What leads over to a paste.
#[rustfmt::skip]
pub(super) const INTRODUCTIONS: &[&str] = &[
    "below", "following", "here's", "here is", "see", "pasted", "pasting", "attached", "context", "found in", "for reference", "background", "excerpt",
    "output is", "looks like this", "says", "unten", "anbei", "ci-dessous", "voici",
];

/// Talk among people who are not sure: it asks for nothing.
#[rustfmt::skip]
pub(super) const HEDGES: &[&str] = &[
    "i think", "i guess", "i suppose", "i believe", "maybe", "perhaps", "probably", "might", "seems", "seem", "appears", "apparently", "possibly",
    "it is possible", "i wonder", "would be nice", "could be", "could also", "sounds like", "looks like", "vielleicht", "wohl", "peut-être",
];
