//! Owns which questions only a run can answer: whether the tests pass, what the linter says.
//! Uses word lists.
//! Never lets a question about tests or builds pass for one about their result.

use super::clauses::{NAME, PATH};
use super::moods::{is_aux, polite, strip_fillers, word};
use super::{Intent, RUNS};
use crate::ground::words::among;

pub(super) fn is_test_noun(word: &str) -> bool {
    among(word, "test tests suite testsuite specs ci unittests tets test-suite")
}

pub(super) fn is_state(word: &str) -> bool {
    among(
        word,
        "pass passes passing passed green red ok okay fail fails failing failed break broke \
            broken breaks succeed succeeds fine happy good work working clean",
    )
}

/// Questions that only a run can answer: do the tests pass, does it build, what does the linter say.
pub(super) fn asks_for_a_run(words: &[String]) -> Option<Intent> {
    let words = strip_fillers(words);
    let (first, second) = (word(words, 0), word(words, 1));
    let has = |wanted: &str| words.iter().any(|word| among(word, wanted));
    if has("would could should if someone") && !has("<cmd>") && first != "any" && !(has("whether")) {
        return None;
    }
    // `what do I get when I run "x"`, `what does "x" print`.
    if has("<cmd>") && among(first, "what whats") {
        let running = has("run execute type") && has("get see happens print");
        let printing = has("print prints output say show return give report");
        return (running || printing).then_some(RUNS);
    }
    let which = among(first, "what whats which") || first == "how" && second == "many";
    if among(first, "where wheres why how who whos when were wher") && !which
        || among(second, "what whats which") && first == "in"
    {
        return None;
    }
    let about_a_thing = has("<n> untested cover covers covered coverage for exist written mean means");
    let tests = words.iter().any(|word| is_test_noun(word));
    let state = words.iter().any(|word| is_state(word));
    if which {
        let linter = has("linter clippy eslint ruff flake8 lint")
            && has("say says complain think thinks report complaints errors warnings");
        let failing =
            tests && has("fail fails failing failed broken breaks break red") && !has("does when about");
        return (linter || failing && !has("<n>") && !has("the") || failing && has("first many"))
            .then_some(RUNS);
    }
    if tests && state && !about_a_thing {
        return Some(RUNS);
    }
    let generic =
        has("it project everything code crate this that all app workspace repo thing we still tree");
    let builds = words
        .iter()
        .position(|word| among(word.as_str(), "build builds compile compiles building compiling"));
    if let Some(at) = builds {
        let after = word(words, at + 1);
        let plain = after.is_empty()
            || among(after, "again still now yet fine ok cleanly without properly at correctly today for");
        if plain && generic && !has("when where how can <n> <p>") {
            return Some(RUNS);
        }
    }
    if complaints(words) && (is_aux(first) || first == "any") {
        return Some(RUNS);
    }
    let greens = has("green") && words.len() <= 5;
    greens.then_some(RUNS)
}

/// `compile errors`, `lint complaints`, `failing tests`.
pub(super) fn complaints(words: &[String]) -> bool {
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
        let failing = among(pair[0].as_str(), "failing broken red") && is_test_noun(&pair[1]);
        tool.contains(&pair[0].as_str()) && trouble.contains(&pair[1].as_str()) || failing
    })
}

/// `check whether it compiles`, `see if the tests pass`, `check the code style`.
pub(super) fn reads_by_running(words: &[String]) -> Option<Intent> {
    let words = strip_fillers(words);
    let words = polite(words).unwrap_or(words);
    let has = |wanted: &str| words.iter().any(|word| among(word, wanted));
    if !among(word(words, 0), "check see verify tell confirm look find show know let make report") {
        return None;
    }
    let tests = words.iter().any(|word| is_test_noun(word));
    let state = words.iter().any(|word| is_state(word));
    let whether = words.iter().position(|word| among(word.as_str(), "whether if wether that weather"));
    if let Some(at) = whether {
        let rest = &words[at + 1..];
        let builds = rest.iter().any(|word| among(word.as_str(), "builds compiles build compile lints"));
        let plain = !rest.iter().any(|word| word == NAME || word == PATH);
        return ((tests && state || builds) && plain).then_some(RUNS);
    }
    let first_check = word(words, 0) == "check" || word(words, 0) == "verify";
    let style = first_check && has("style formatting lint linting") && !has("where how");
    let build = first_check && has("build compilation tests") && words.len() <= 4 && !has("<p> <n>");
    (style
        || build
        || complaints(words) && has("show find") && !has("where code that how") && words.len() <= 6)
        .then_some(RUNS)
}

/// `tests still green?`, `any lint complaints?`
pub(super) fn asks_without_verb(words: &[String]) -> bool {
    let tests = words.iter().any(|word| is_test_noun(word));
    let state = words.iter().any(|word| is_state(word));
    let short = words.len() <= 6;
    let plain = !words
        .iter()
        .any(|word| word == NAME || word == PATH || among(word.as_str(), "why how where for of"));
    short
        && plain
        && (tests && state
            || complaints(words)
            || words.len() <= 3 && words.iter().any(|word| among(word.as_str(), "green compiles builds")))
}
