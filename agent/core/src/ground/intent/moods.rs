//! Owns what a clause is, looked at alone: a question, an instruction, a wish, an aside.
//! Uses word lists.
//! Never looks at the clauses beside it.

use super::clauses::{COMMAND, NAME, PATH, PROGRAMS, QUOTE};
use super::runs::is_test_noun;
use super::{COMMITS, EDITS, Intent, RUNS, UNDOES};
use crate::ground::words::among;

/// What a clause does, before its neighbours are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
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

pub(super) fn is_question_word(word: &str) -> bool {
    let word = word.strip_suffix("re").filter(|word| word.len() >= 3).unwrap_or(word);
    among(
        word,
        "what whats where wheres whe who whos whose whom which when why whys how hows whcih wich \
            waht wat wher were whereabouts whens",
    )
}

pub(super) fn is_aux(word: &str) -> bool {
    among(
        word,
        "is are was were do does did has have had am isnt arent wasnt doesnt didnt hasnt havent \
            should shall may might must would will can could cant couldnt wont wouldnt shouldnt any \
            anything anybody anyone",
    )
}

pub(super) const FILLERS: &str = "please pls plz pleas plese kindly ok okay okey k so well now then also just and but hey \
    heyy hi hello yo hmm hm uh um oh no nope yes yeah yep sure great good nice cool perfect \
    thanks thx sorry first firstly next finally afterwards later maybe simply actually \
    quickly again right alright lets let us listen morning ah btw fyi cheers only always \
    kind be anyway instead oops wait argh really still too directly there everyone all go \
    ahead loci dear";

pub(super) fn strip_fillers(words: &[String]) -> &[String] {
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
            Some(word) if among(word, FILLERS) && rest.len() > 1 => rest = &rest[1..],
            _ => return rest,
        }
    }
}

pub(super) fn word(words: &[String], at: usize) -> &str {
    words.get(at).map_or("", String::as_str)
}

/// What is behind `can you`, `would you mind`, `I want you to`: the words that carry the instruction.
pub(super) fn polite(words: &[String]) -> Option<&[String]> {
    let subject = |at: usize| among(word(words, at), "you u ya we someone somebody anybody anyone loci");
    let modal = among(word(words, 0), "can could would will wont cant couldnt may might should shall");
    let mut at = match (word(words, 0), word(words, 1)) {
        _ if modal && subject(1) => {
            let only_we = word(words, 1) == "we";
            let firm = among(word(words, 0), "can could");
            if only_we && !firm || among(word(words, 0), "should shall may might") {
                return None;
            }
            2
        }
        ("do", "you") if word(words, 2) == "mind" => 2,
        ("any", "chance") => words.iter().position(|word| among(word.as_str(), "you u we"))? + 1,
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
    while among(
        word(words, at),
        "please pls plz mind also just maybe quickly kindly possibly now then be so kind and to \
            help me us go ahead perhaps simply that possible at once",
    ) && !(word(words, at) == "go" && word(words, at + 1) == "back")
    {
        at += 1;
    }
    words.get(at..)
}

pub(super) fn is_polite(words: &[String]) -> bool {
    polite(strip_fillers(words)).is_some()
}

pub(super) fn is_ban(words: &[String]) -> bool {
    let words = strip_fillers_but_no(words);
    // `no, undo that`; `don't ask, just delete it`.
    if words.len() == 1 || among(word(words, 1), "ask worry forget hesitate") {
        return false;
    }
    among(word(words, 0), "dont donot never not without no wont havent isnt")
        || word(words, 0) == "do" && word(words, 1) == "not"
        || among(word(words, 0), "just only")
            && among(word(words, 1), "asking wondering curious checking looking")
}

pub(super) fn strip_fillers_but_no(words: &[String]) -> &[String] {
    let mut rest = words;
    while rest.len() > 1 && among(&rest[0], FILLERS) && !among(rest[0].as_str(), "no only just") {
        rest = &rest[1..];
    }
    rest
}

pub(super) fn mood(clause: &[String]) -> Mood {
    if is_ban(clause) {
        return Mood::Aside;
    }
    let words = strip_fillers(clause);
    if let Some(rest) = polite(words) {
        let cautious =
            word(words, 1) == "we" && words.iter().any(|word| among(word.as_str(), "safely or without"));
        return match instruction(rest) {
            Some(what) if !cautious => Mood::Do(what),
            Some(_) => Mood::Ask,
            None if is_reading(word(rest, 0)) => Mood::Read,
            None => Mood::Ask,
        };
    }
    let (first, second) = (word(words, 0), word(words, 1));
    let after_preposition =
        among(first, "in from on at to for by with since under") && is_question_word(second);
    let conditional = among(
        first,
        "if before after unless once while because as whenever until since although though \
            provided",
    ) || first == "when" && !is_aux(second) && !among(second, "exactly precisely was is");
    if after_preposition {
        return Mood::Ask;
    }
    if conditional {
        return Mood::Aside;
    }
    if is_question_word(first) && !(first == "were" && second == "going") {
        return Mood::Ask;
    }
    if is_aux(first) && !(first == "do" && among(second, "it that this")) && words.len() > 1 {
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
pub(super) fn is_reading(word: &str) -> bool {
    among(
        word,
        "show find list read print display explain describe search grep look lookup tell give \
            gimme compare count see point locate cat ls summarize summarise outline get enumerate \
            dump view inspect trace track hunt diff log blame browse peek figure discover walk take \
            open ask sketch help know identify determine examine review report name pull bring say \
            think believe remember understand learn jump navigate scan watch study analyze analyse",
    )
}

pub(super) const EDIT_VERBS: &str = "add adjust alter amend annotate append apply assign bump call change clean cleanup clear \
    comment convert copy correct create decrease delete disable document drop edit enable \
    erase exchange expand extend extract fill fix generate implement improve increase inline \
    insert introduce kill lower make migrate mkdir modify move mv optimise optimize \
    overwrite paste patch port prefix prepend purge put raise refactor reformulate relocate \
    remove rename reorder reorganize repair replace resolve restructure rewrite rm save \
    scrap set shorten simplify solve sort speed split stick store strip substitute swap \
    switch tack toss touch translate trash turn uncomment unify update upgrade wipe wrap \
    write";

pub(super) const RUN_VERBS: &str = "boot build compile deploy exec execute fire fmt format install kick launch lint publish \
    rebuild recompile reformat rerun restart retest run serve spin start test try";

/// A verb of one of the lists; one slip of the finger is forgiven in longer words.
pub(super) fn verb(word: &str, list: &str) -> bool {
    if among(word, list) {
        return true;
    }
    word.len() >= 5
        && !is_reading(word)
        && !among(word, SAFE_NEIGHBOURS)
        && list.split(' ').any(|known| known.len() >= 5 && one_slip(word, known))
}

/// Real words that are one slip away from a verb.
pub(super) const SAFE_NEIGHBOURS: &str = "chance created creates inserts deletes changes changed builds rename updates updated \
    deleted moves moved wrote writes formats removed removes renamed renames replaced \
    replaces saved clean cleans drops tests starts stars stare state edits credit build \
    built guild write white quite spite while split splits order other parse paste patch \
    match watch batch catch latch store stored stores score short sorts sport touch tough \
    couch insect inline online upgrade update compiles compiled executes executed extends \
    append appends prefix purse raise rise phrase kicks kills skill still launch lunch serve \
    serves sever server clear clears lower slower flower power tower trace erases erased \
    swaps turns wraps wipes coppy stuck stick sticks trash crash brash solve solved solves \
    resolved resolves repairs fixes fixed correct corrects converts converted extracts \
    extracted migrates generates generated generate generic implements modifies modified \
    applies applied apply reply supply alters after later altered assigns assigned signs";

/// One letter more, less, other, or two exchanged.
pub(super) fn one_slip(a: &str, b: &str) -> bool {
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
pub(super) fn instruction(words: &[String]) -> Option<Intent> {
    let words = strip_fillers(words);
    let (first, second) = (word(words, 0), word(words, 1));
    let has = |wanted: &str| words.iter().any(|word| among(word, wanted));
    match first {
        COMMAND if words.len() == 1 => return Some(RUNS),
        "commit" | "comit" => return Some(COMMITS),
        "check" if second == "in" && has("<q> everything changes this it") => {
            return Some(COMMITS);
        }
        "git" if second == "commit" => return Some(COMMITS),
        "git" => return None,
        "undo" | "revert" | "rollback" | "restore" | "undoing" | "reverting" | "unde" | "udno" => {
            return Some(UNDOES);
        }
        "roll" | "take" | "put" | "go" | "bring" | "back" | "change" | "turn" | "switch"
            if has("back") && first != "switch" || first == "back" && second == "out" =>
        {
            return Some(if among(first, "put change turn") { UNDOES.or(EDITS) } else { UNDOES });
        }
        "reset" => return Some(UNDOES.or(EDITS)),
        "get" if second == "rid" => return Some(EDITS),
        "get" | "see" if has("rid") => return Some(EDITS),
        "new" if has("file <p> folder") => return Some(EDITS),
        "one" | "another" if second == "more" && has("line entry") && has("<p> <q>") => {
            return Some(EDITS);
        }
        "give" if words.iter().any(|word| word == "name") && has("the a another new") => {
            return Some(EDITS);
        }
        "give" if second == "it" && has("build run test spin try go") => return Some(RUNS),
        "apply" if has("formatter formatting rustfmt black prettier linter") => {
            return Some(RUNS);
        }
        "start" if has("file") => return Some(EDITS),
        "make"
            if words.len() <= 3
                && !among(second, "it a the this that sure")
                && !second.starts_with('<')
                && second != "me" =>
        {
            return Some(EDITS.or(RUNS));
        }
        "do" if among(second, "it that this") && words.len() <= 3 => return None,
        "do" if has("replacement rename renaming migration change edit") => {
            return Some(EDITS);
        }
        "let" if second == "me" => return None,
        "test" | "build" | "format" | "lint" | "start" if is_noun_phrase(words) => return None,
        "log" | "diff" | "blame" | "status" => return None,
        _ => {}
    }
    // `call` and `set` are also nouns at the head of a phrase: `call sites of foo`.
    if among(first, "call set split store sort comment patch copy change update fix switch touch port")
        && among(
            second,
            "site sites graph stack chain order history log logs of list chains statement statements",
        )
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
        .map(|stem| verb(stem, EDIT_VERBS) || among(&format!("{stem}e"), EDIT_VERBS));
    if gerund == Some(true) && words.len() > 1 && !first.is_empty() {
        // `would you mind renaming X`; a statement never starts so, a heading does: `renaming files`.
        return has("<p> <q> <n>").then_some(EDITS);
    }
    if among(first, PROGRAMS)
        && words.len() > 1
        && !among(
            first,
            "find cat ls grep tree head tail which make sort date go just rm touch mkdir rg wc env \
            node",
        )
    {
        return Some(RUNS);
    }
    None
}

/// `test coverage for X`, `build errors`, `lint complaints`, `format strings`: nouns, not verbs.
pub(super) fn is_noun_phrase(words: &[String]) -> bool {
    let second = word(words, 1);
    among(
        second,
        "coverage cases case files file errors error warnings complaints issues problems results \
            result strings string suite of for script scripts steps step system config configuration \
            output functions function helpers helper rules time times logic code data utils usages \
            command commands targets target",
    ) && !(word(words, 0) == "test" && among(second, "suite") && words.len() == 2)
        && !(among(word(words, 0), "format lint build test") && second == "code" && words.len() == 2)
}

pub(super) fn acts_on_pronoun(words: &[String]) -> bool {
    let words = strip_fillers(words);
    words.iter().skip(1).take(3).any(|word| among(word.as_str(), "it them that this those these"))
}

/// `in src/a.rs change 1 to 2`: the verb behind a place.
pub(super) fn behind_a_place(words: &[String]) -> Option<Intent> {
    if !among(word(words, 0), "in at inside within on to from into for right under before after") {
        return None;
    }
    let place = words.iter().position(|word| word == PATH || word == QUOTE || word == NAME)?;
    instruction(&words[place + 1..]).or_else(|| {
        let line = words.iter().position(|word| word == "line")?;
        instruction(words.get(line + 2..)?)
    })
}

/// `I want to rename X`, `I need a new file`: instructions, unless something is asked beside them.
pub(super) fn plan(words: &[String]) -> Option<Intent> {
    let has = |wanted: &str| words.iter().any(|word| among(word, wanted));
    let subject = among(word(words, 0), "i we id lets");
    let wants = has("want need like wanna love");
    if !subject || !wants {
        return None;
    }
    // `I want to know`, `before I do that I'd need to know`.
    let after_to = words.iter().position(|word| word == "to" || word == "wanna").map(|at| &words[at + 1..]);
    match after_to {
        Some(rest) if !rest.is_empty() => {
            let what = instruction(rest)?;
            let later = has("next week tomorrow later someday soon thinking");
            (!later && !has("dont")).then_some(what)
        }
        _ => None,
    }
}

/// Statements that say how things should be.
pub(super) fn wishes(words: &[String]) -> Option<Intent> {
    let has = |wanted: &str| words.iter().any(|word| among(word, wanted));
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
                    || verbs.contains(first) && has("<q>")
                    || *first == QUOTE
                    || *first == NAME && has("<n>")
            })
            .then_some(EDITS);
    }
    if let Some(needs) = at("needs").or_else(|| at("deserves")).or_else(|| at("need")) {
        let rest = words_after(needs);
        let name = rest.iter().take(5).any(|word| word == "name");
        let passive = word(rest, 0) == "to"
            && among(word(rest, 1), "be become say go")
            && !rest.iter().any(|word| among(word.as_str(), "known done careful"));
        let renaming = among(word(rest, 0), "renaming removing deleting replacing changing updating");
        if name || passive || renaming {
            return Some(EDITS);
        }
    }
    let wants = has("want need like wish")
        && (word(words, 0) == "i" || word(words, 0) == "we" || word(words, 0) == "id");
    if wants {
        let file = has("file <p>") && has("empty new gone removed deleted containing away renamed");
        let text = has("<q>")
            && has("before after line end top bottom at in instead")
            && !has("where spot place occurrences see know");
        return (file || text).then_some(EDITS);
    }
    if let Some(get) = at("get")
        && word(words, get + 1) == "rid"
    {
        return Some(EDITS);
    }
    // `"a" -> "b"`, `version: 1 => 2`.
    let arrow = words.iter().position(|word| among(word.as_str(), "-> => → –>"));
    if arrow.is_some_and(|at| at > 0 && at + 1 < words.len()) {
        return Some(EDITS);
    }
    if has("file") && word(words, 0) == "new" {
        return Some(EDITS);
    }
    // A sentence that ends in its verb: `the name is bad, rename please`; `tests please`.
    let bare: Vec<&str> = words.iter().map(String::as_str).filter(|word| !among(word, FILLERS)).collect();
    match bare.as_slice() {
        [only] if is_test_noun(only) || ["build", "lint", "format", "compile"].contains(only) => Some(RUNS),
        [.., "gone"] if has("<p>") => Some(EDITS),
        _ => None,
    }
}
