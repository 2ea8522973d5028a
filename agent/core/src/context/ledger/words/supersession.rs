//! Owns which of two statements about the same matter holds.
//! Uses the words they share, the values in which they differ, and cues of change.
//! Never sets a statement aside because another merely resembles it.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::vocabulary::{Kind, Word, is_function_word, stem, words};
use super::voice::padded;

/// How a newer statement touches an older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// They have nothing to do with each other.
    Apart,
    /// They are the same but for case and marks.
    Same,
    /// The newer takes the place of the older.
    Supersedes,
    /// Of several things that the older says, the newer changes one.
    InPart,
}

/// Words of a sentence that is the same but for its values.
const FRAME: usize = 5;

/// What is compared of a statement.
#[derive(Debug, Clone, Default)]
pub(super) struct Profile {
    /// Content words by their stems, in order, with the content word directly before each.
    subject: Vec<Subject>,
    /// Numbers, names, identifiers, in small letters.
    values: Vec<(String, Kind)>,
    /// Words that it negates.
    negated: Vec<String>,
    /// The word it begins with, after an article.
    head: Option<String>,
    /// It denies as a whole.
    denies: bool,
    /// It speaks of a change.
    pub(super) change: bool,
    /// It takes back what was said just before.
    pub(super) retracts: bool,
    /// Its words without case and marks.
    pub(super) plain: String,
    clauses: Vec<Clause>,
    /// Its words without the values, where there are enough of them to make a sentence.
    frame: Option<String>,
    /// A bit for each word that it is about, to pass over what shares none.
    bits: u64,
}

#[derive(Debug, Clone)]
struct Subject {
    stem: String,
    before: Option<String>,
    /// Begins the statement with a capital: a name or not, who knows.
    first: bool,
}

#[derive(Debug, Clone, Default)]
struct Clause {
    subject: Vec<String>,
    values: Vec<String>,
}

impl Profile {
    pub(super) fn of(text: &str) -> Self {
        let words = words(text);
        let padded = padded(&words);
        let any = |list: &[&str]| list.iter().any(|cue| padded.contains(&format!(" {cue} ")));
        let mut profile = Self { plain: padded.trim().to_owned(), ..Self::default() };
        profile.retracts = any(RETRACTS);
        profile.change =
            profile.retracts || any(CHANGES) || CHANGES_UNSPACED.iter().any(|cue| text.contains(cue));
        profile.change |= is_absent(&words);
        profile.denies = any(DENIALS);
        let mut before: Option<String> = None;
        let mut clause = Clause::default();
        for (at, word) in words.iter().enumerate() {
            let lower = word.text.to_lowercase();
            if word.clause && !(clause.subject.is_empty() && clause.values.is_empty()) {
                profile.clauses.push(std::mem::take(&mut clause));
            }
            let named = is_name_by_verb(&words, at);
            let compound = is_compound(&lower);
            if word.kind != Kind::Word || named || compound {
                let kind = match word.kind {
                    Kind::Word if compound => Kind::Identifier,
                    Kind::Word => Kind::Name,
                    kind => kind,
                };
                if negated_here(&words, at) {
                    profile.negated.push(lower.clone());
                }
                clause.values.push(lower.clone());
                profile.values.push((lower, kind));
                before = None;
                continue;
            }
            if is_function_word(&lower)
                || CHANGE_WORDS.contains(&lower.as_str())
                || LIGHT.contains(&lower.as_str())
            {
                before = None;
                continue;
            }
            let stem = stem(&lower);
            if negated_here(&words, at) {
                profile.negated.push(stem.clone());
            }
            clause.subject.push(stem.clone());
            if at == 0 || at == 1 && ARTICLES.contains(&words[0].text.to_lowercase().as_str()) {
                profile.head = Some(stem.clone());
            }
            let first = at == 0 && word.text.starts_with(char::is_uppercase);
            profile.subject.push(Subject { stem: stem.clone(), before: before.replace(stem), first });
        }
        profile.clauses.push(clause);
        let is_value = |word: &&str| !profile.values.iter().any(|(value, _)| value == word);
        let frame: Vec<&str> = profile.plain.split(' ').filter(is_value).collect();
        profile.frame = (frame.len() >= FRAME && !profile.subject.is_empty()).then(|| frame.join(" "));
        let stems = profile.subject.iter().map(|subject| subject.stem.clone());
        let values = profile.values.iter().flat_map(|(value, _)| [value.clone(), stem(value)]);
        profile.bits = stems.chain(values).fold(0, |bits, word| bits | 1 << (hash(&word) % 64));
        profile
    }

    fn has(&self, stem: &str) -> bool {
        self.subject.iter().any(|subject| subject.stem == stem)
    }

    /// Whether one of the values of `older` is spoken of.
    pub(super) fn quotes(&self, older: &Self) -> bool {
        older.values.iter().any(|(value, _)| self.mentions(value))
    }

    fn mentions(&self, value: &str) -> bool {
        self.values.iter().any(|(known, _)| known == value) || self.has(&stem(value))
    }
}

fn hash(word: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(word)
}

/// `not X`, `instead of X`, `rather than X`.
fn negated_here(words: &[Word<'_>], at: usize) -> bool {
    let word = |back: usize| at.checked_sub(back).map(|at| words[at].text.to_lowercase());
    let one = word(1).unwrap_or_default();
    let two = word(2).unwrap_or_default();
    matches!(one.as_str(), "not" | "no" | "nicht" | "kein" | "keine" | "statt" | "pas")
        || matches!(
            (two.as_str(), one.as_str()),
            ("instead", "of")
                | ("rather", "than")
                | ("not", "the")
                | ("no", "longer")
                | ("not", "on")
                | ("not", "in")
                | ("not", "to")
        )
}

/// On parental leave, on a long holiday.
fn is_absent(words: &[Word<'_>]) -> bool {
    words.iter().enumerate().any(|(at, word)| {
        ["leave", "holiday", "holidays", "vacation", "sabbatical"]
            .contains(&word.text.to_lowercase().as_str())
            && words[at.saturating_sub(3)..at].iter().any(|before| before.text.eq_ignore_ascii_case("on"))
    })
}

/// Joined by a hyphen and no common word of the language: a branch, a host, a job.
fn is_compound(lower: &str) -> bool {
    let Some((head, tail)) = lower.split_once('-') else { return false };
    head.len() > 2
        && !tail.is_empty()
        && ![
            "self", "non", "pre", "post", "long", "short", "high", "low", "read", "write", "hand", "hard",
            "well",
        ]
        .contains(&head)
        && !["only", "based", "free", "wide", "term", "level", "like", "off", "out", "up", "in", "on", "time"]
            .contains(&tail)
}

/// A capital at the beginning says nothing, but somebody who reviews or owns is a person.
pub(super) fn is_name_by_verb(words: &[Word<'_>], at: usize) -> bool {
    let Some(word) = words.get(at) else { return false };
    let starts = at == 0 || word.clause;
    starts
        && word.kind == Kind::Word
        && word.text.starts_with(char::is_uppercase)
        && !is_function_word(&word.text.to_lowercase())
        && words.get(at + 1).is_some_and(|next| PERSONAL.contains(&next.text.to_lowercase().as_str()))
}

/// How the newer touches the older.
pub(super) fn relation(newer: &Profile, older: &Profile) -> Relation {
    if newer.plain.is_empty() || older.plain.is_empty() {
        return Relation::Apart;
    }
    if newer.plain == older.plain {
        return Relation::Same;
    }
    if newer.bits & older.bits == 0 {
        return Relation::Apart;
    }
    let shared: Vec<&Subject> = older.subject.iter().filter(|subject| newer.has(&subject.stem)).collect();
    let old_only = older.subject.iter().filter(|subject| !newer.has(&subject.stem) && !subject.first).count();
    let new_only = newer.subject.iter().filter(|subject| !older.has(&subject.stem) && !subject.first).count();
    let quoted = newer.quotes(older);
    // What it negates is what the older is about, or one of its values.
    let negates = newer.negated.iter().filter(|word| !older.negated.contains(word)).any(|word| {
        let value = older.values.iter().any(|(value, _)| value == word);
        let beside = shared.iter().any(|subject| subject.stem != *word);
        value && (beside || older.subject.len() <= 1)
            || older.has(word) && (beside || older.subject.len() <= 2)
    });
    // Two statements that begin with different things are about different things.
    let heads = match (&newer.head, &older.head) {
        (Some(new), Some(old)) => new != old && !older.has(new) && !newer.has(old),
        _ => false,
    };
    // A value that the newer has and the older has not, of a kind that the older has.
    let other_value = newer.values.iter().any(|(value, kind)| {
        !older.values.iter().any(|(known, _)| known == value)
            && older.values.iter().any(|(known, old)| {
                (old == kind || (*kind != Kind::Number && *old != Kind::Number))
                    && !newer.values.iter().any(|(value, _)| value == known)
            })
    });
    let new_value = newer.values.iter().any(|(value, _)| !older.mentions(value));
    let flips = newer.denies != older.denies;
    let named = older
        .values
        .iter()
        .any(|(value, kind)| *kind == Kind::Identifier && newer.values.iter().any(|(new, _)| new == value));
    // A qualifier that only the newer has may make it another thing: the port, the backup port.
    let narrower = shared.iter().any(|subject| {
        let qualified = |other: &&Subject| {
            other.stem == subject.stem && other.before.as_ref().is_some_and(|before| !older.has(before))
        };
        subject.before.is_none() && newer.subject.iter().any(|other| qualified(&other))
    });
    // A value may be a plain word at the end: the level is warn, the level is info now.
    let ends = |one: &Profile, other: &Profile| one.subject.last().is_some_and(|last| !other.has(&last.stem));
    let other_word =
        old_only == 1 && new_only == 1 && shared.len() >= 2 && ends(newer, older) && ends(older, newer);
    // Allowing one thing does not allow another.
    let identifies = |one: &Profile| one.values.iter().any(|(_, kind)| *kind == Kind::Identifier);
    let untouched = flips && !named && identifies(older) && identifies(newer);
    let holds =
        if newer.retracts && named || other_value && newer.frame.is_some() && newer.frame == older.frame {
            true
        } else if untouched {
            false
        } else if heads || conflicting(newer, older, &shared) || parting(newer, older) && !other_word {
            quoted && newer.change && new_value && !shared.is_empty() && old_only <= 1
        } else if negates {
            old_only <= 2
        } else if newer.change {
            let enough = match shared.len() {
                0 => false,
                1 => {
                    !narrower
                        && older.subject.len() <= 2
                        && new_only <= 1
                        && old_only <= 1
                        && (other_value || quoted && new_value || flips && older.subject.len() == 1)
                }
                many => 2 * many >= older.subject.len().min(newer.subject.len()),
            };
            enough && (other_value || other_word || flips || quoted && new_value)
                || quoted && new_value && !shared.is_empty() && old_only <= 2
        } else {
            shared.len() >= 2
                && !narrower
                && (old_only == 0 || new_only == 0)
                && (other_value || flips && older.values.iter().all(|(value, _)| newer.mentions(value)))
                && old_only + new_only <= 3
        };
    if !holds {
        return Relation::Apart;
    }
    if older.clauses.len() > 1 && stands_in_part(newer, older) {
        Relation::InPart
    } else {
        Relation::Supersedes
    }
}

/// The same word with another qualifier before it is another thing: the test database, the staging database.
fn conflicting(newer: &Profile, older: &Profile, shared: &[&Subject]) -> bool {
    shared.iter().any(|old| {
        let Some(before) = old.before.as_ref().filter(|before| !newer.has(before)) else { return false };
        let others: Vec<&Subject> = newer.subject.iter().filter(|new| new.stem == old.stem).collect();
        others.iter().all(|new| new.before.as_ref().is_some_and(|other| other != before && !older.has(other)))
    })
}

/// The same word with another one after it: the module for this, the module for that.
fn parting(newer: &Profile, older: &Profile) -> bool {
    let after = |one: &Profile, stem: &str| {
        one.subject
            .iter()
            .find(|subject| subject.before.as_deref() == Some(stem))
            .map(|subject| subject.stem.clone())
    };
    older.subject.iter().filter(|subject| newer.has(&subject.stem)).any(|shared| {
        match (after(newer, &shared.stem), after(older, &shared.stem)) {
            // Single characters are parts of words in scripts without spaces.
            (Some(new), Some(old)) => {
                new != old && old.chars().count() > 1 && !older.has(&new) && !newer.has(&old)
            }
            _ => false,
        }
    })
}

/// Whether a clause of the older, with a value of its own, is left untouched while another is not.
fn stands_in_part(newer: &Profile, older: &Profile) -> bool {
    let touched = |clause: &Clause| {
        let hits = clause.subject.iter().filter(|stem| newer.has(stem)).count();
        clause.values.iter().any(|value| newer.mentions(value)) || 2 * hits > clause.subject.len() && hits > 0
    };
    let stands = |clause: &Clause| {
        let hits = clause.subject.iter().filter(|stem| newer.has(stem)).count();
        !clause.values.is_empty()
            && !clause.subject.is_empty()
            && !clause.values.iter().any(|value| newer.mentions(value))
            && 2 * hits <= clause.subject.len()
    };
    older.clauses.iter().any(touched) && older.clauses.iter().any(stands)
}

/// Taking back what was said just before.
#[rustfmt::skip]
const RETRACTS: &[&str] = &[
    "scratch that", "scratch", "forget that", "forget what", "ignore what", "never mind", "nevermind", "disregard",
    "strike that", "take that back", "on second thought", "on second thoughts", "correction", "i was wrong",
    "i misspoke", "vergiss", "oublie", "oubliez", "belay that", "changed my mind", "cancel that",
];

/// Speaking of a change.
#[rustfmt::skip]
const CHANGES: &[&str] = &[
    "instead", "now", "no longer", "anymore", "any more", "changed", "change of plan", "change of plans",
    "changes to", "raised", "lowered", "lifted", "moved", "moves to", "switched", "switching", "renamed",
    "restarted", "replaced", "replaces", "updated", "bumped", "relaxed", "tightened", "extended", "from today",
    "from now on", "as of", "starting", "actually", "after all", "slipped", "postponed", "on leave", "on holiday",
    "on vacation", "out of office", "unavailable", "out sick", "retired", "away", "travelling", "traveling", "sick",
    "ill", "took over", "takes over", "taking over", "rather", "is gone", "has left", "left the team",
    "revised", "new plan", "make that", "make it", "not anymore", "ab sofort", "stattdessen", "jetzt", "nicht mehr",
    "ab heute", "désormais", "plutôt", "maintenant", "finalement", "update", "pushed back", "went up", "went down",
    "gone up", "gone down", "down to", "increased", "decreased", "reduced",
];
const CHANGES_UNSPACED: &[&str] = &["改为", "改成", "现在", "不再", "变更"];

/// The same, word by word: they are not the subject.
#[rustfmt::skip]
const CHANGE_WORDS: &[&str] = &[
    "instead", "longer", "changed", "change", "changes", "plan", "plans", "raised", "lowered", "lifted", "moved",
    "moves", "switched", "switching", "renamed", "restarted", "replaced", "replaces", "updated", "bumped",
    "relaxed", "tightened", "extended", "today", "starting", "actually", "slipped", "postponed", "leave", "away",
    "travelling", "traveling", "sick", "scratch", "forget", "correction", "rather", "said", "revised", "update",
    "sofort", "jetzt", "heute", "mehr", "maintenant", "désormais", "increased", "decreased", "reduced", "mind",
    "thought", "tomorrow", "monday", "tuesday", "wednesday", "thursday", "friday", "raise", "lower", "bump", "move",
    "rename", "make", "switch", "holiday", "vacation",
];

/// Verbs that any subject takes.
#[rustfmt::skip]
const LIGHT: &[&str] = &[
    "run", "runs", "running", "listen", "listens", "sits", "points", "goes", "becomes", "stay", "stays", "keep",
    "keeps", "remains", "work", "works", "thing", "things", "everything", "anything", "new", "old", "current",
    "want", "prefer", "please", "default", "sure", "note", "reminder", "percent",
];

const ARTICLES: &[&str] = &["the", "our", "a", "an", "my", "its", "der", "die", "das", "le", "la", "les"];

/// What people do.
#[rustfmt::skip]
const PERSONAL: &[&str] = &[
    "reviews", "owns", "merges", "approves", "signs", "handles", "decides", "maintains", "will", "does", "takes",
    "took", "left", "says", "wants", "knows", "writes", "runs", "checks", "leads", "covers",
];

#[rustfmt::skip]
const DENIALS: &[&str] = &[
    "not", "no", "never", "don't", "dont", "can't", "cannot", "won't", "nothing", "nobody", "without", "stop",
    "avoid", "nicht", "kein", "keine", "nie", "pas", "jamais", "forbidden", "banned",
];

#[cfg(test)]
mod tests {
    use super::{Profile, Relation, relation};

    fn supersedes(newer: &str, older: &str) -> bool {
        matches!(relation(&Profile::of(newer), &Profile::of(older)), Relation::Same | Relation::Supersedes)
    }

    #[test]
    fn the_newer_value_of_the_same_thing_holds() {
        for (older, newer) in [
            ("Line length is 100.", "The line length was lowered to 88."),
            ("The canary runs on port 4100.", "I moved the canary, it is on port 4177 now."),
            ("Release is on the 3rd.", "The release slipped to the 9th."),
            ("Sten will review this.", "Sten is sick, Dagny will review this instead."),
            ("Use npm for everything here.", "Use pnpm, not npm."),
            ("The gate must stay above 70 percent.", "The gate must stay above 75 percent."),
            (
                "Requests may not take longer than 300 ms in tests.",
                "Requests may not take longer than 450 ms in tests.",
            ),
            ("The base branch for this is develop-a.", "Change of plan: the base branch is develop-b."),
            ("Reviewer is Tove.", "Tove is away, Malin reviews from today."),
            ("Don't touch the generated files.", "You may touch the generated files now."),
            ("indent with tabs", "INDENT with tabs!"),
            (
                "Run `tox -e fast` before a push.",
                "Forget what I said about `tox -e fast`, it hangs. Use nox.",
            ),
            ("Der Server läuft auf Port 4000.", "Der Server läuft jetzt auf Port 4001."),
        ] {
            assert!(
                supersedes(newer, older),
                "{older} / {newer}\n{:?}\n{:?}",
                Profile::of(older),
                Profile::of(newer)
            );
        }
    }

    #[test]
    fn what_merely_resembles_stands() {
        for (older, newer) in [
            ("The test database listens on port 5000.", "The trace collector listens on port 5001."),
            ("The test database is on port 5000.", "The audit database is on port 5001 now."),
            ("Tove owns the docs.", "Tove reviews the scheduler."),
            ("Tove owns the docs.", "Malin owns the build."),
            ("Return code 3 for bad input.", "Return code 4 for a timeout."),
            ("Exit status 3 is for usage errors.", "Exit status 4 is for network errors."),
            ("The flaky job is smoke-12.", "The nightly job is soak-9."),
            ("Ticket for this is ABC-12.", "The follow-up ticket is ABC-13, not now."),
            ("Commit titles stay under 60 characters.", "Functions stay under 40 lines."),
            ("Never depend on leftpad.", "leftpadx is fine to depend on."),
            ("Snapshots are kept for 30 days.", "Traces are kept for 7 days now."),
            ("Do not touch src/old.", "You may touch src/new now."),
            ("Module alpha is frozen for 3 weeks.", "Module beta is frozen for 5 weeks now."),
            ("The read timeout is 5 s.", "The write timeout is 9 s now."),
            ("Write dumps to /mnt/a.", "Read fixtures from /mnt/b."),
            ("Use tabs in Makefiles.", "Use LF line ends everywhere."),
            ("The cache holds 500 rows.", "The queue holds 600 rows."),
            ("Target branch is main-2.", "Name branches fix/<ticket>."),
        ] {
            assert!(
                !supersedes(newer, older),
                "{older} / {newer}\n{:?}\n{:?}",
                Profile::of(older),
                Profile::of(newer)
            );
            assert!(!supersedes(older, newer), "{newer} / {older}");
        }
    }

    #[test]
    fn what_stands_beside_the_changed_part_is_kept() {
        let older = Profile::of("Page size defaults to 25, at most 90 for admins.");
        let newer = Profile::of("The page size is 30 now, 25 was too small.");
        assert_eq!(relation(&newer, &older), Relation::InPart);
        assert_eq!(relation(&Profile::of(""), &older), Relation::Apart);
    }
}
