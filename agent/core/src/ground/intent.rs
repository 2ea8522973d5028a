//! Owns the rule that tells a request for a change or a run from one that only asks.
//! Uses word lists; nothing is learned, so that it can be read and tested.
//! Never sees the project.
//!
//! A request is taken apart into sentences and clauses. A clause is an instruction when a verb of change stands where
//! instructions have it: first, after a polite form, after a place. Questions, subordinate clauses and what follows
//! `don't` are none. What is quoted, paths and names are masked first, so that their letters are never verbs.

mod clauses;
mod moods;
mod runs;

use self::clauses::{Clause, Sentence, mask, sentences};
pub(super) use self::clauses::{command_start, is_command};
use self::moods::{
    Mood, acts_on_pronoun, is_aux, is_ban, is_polite, is_question_word, mood, strip_fillers, wishes,
};
use self::runs::{asks_for_a_run, asks_without_verb, is_state, is_test_noun, reads_by_running};
use super::words::among;

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
    let conditional = |word: &str| among(word, "if when once after provided unless until afterwards long");
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
        list && first.is_none_or(|first| verbs.contains(&first) || is_aux(first) || among(first, "can could"))
            || first.is_some_and(|first| among(first, "remember remind note"))
    }

    fn has_subordinate_before(&self, clause: &Clause) -> bool {
        let before = self.clauses.iter().take_while(|other| !std::ptr::eq(*other, clause));
        before.flat_map(|clause| &clause.words).any(|word| {
            is_question_word(word)
                || among(word.as_str(), "that code place part whatever if whether bit logic")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
