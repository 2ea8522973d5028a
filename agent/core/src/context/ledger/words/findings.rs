//! Owns what an answer is worth: decisions, measurements, findings, and where the work stands.
//! Uses novelty against recent results first, and cues of deciding and finding second.
//! Never keeps what a tool returned and an answer says again.

use super::novelty::Novelty;
use super::statements::Form;
use super::vocabulary::{Kind, Word, stem};
use super::voice::{contains, padded};

/// What a statement of the assistant is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Finding {
    /// How much it is worth to keep, in [0, 1].
    pub(super) weight: f32,
    /// It says what is done or what is next.
    pub(super) status: bool,
}

/// Weigh a statement.
pub(super) fn weigh(piece: &str, form: Form, words: &[Word<'_>], novelty: Novelty) -> Finding {
    if form == Form::Matter || words.is_empty() {
        return Finding { weight: 0.0, status: false };
    }
    let padded = padded(words);
    let any = |list: &[&str]| list.iter().any(|cue| contains(&padded, cue));
    let flag = |holds: bool| if holds { 1.0f32 } else { 0.0 };
    let status = is_status(&padded, piece);
    // A list of names is no sentence.
    let identifiers =
        words.iter().filter(|word| word.kind == Kind::Identifier).count() as f32 / words.len() as f32;
    // Long results hold most common words, but rarely in the same pairs.
    let new = 0.3 * novelty.words + 0.7 * novelty.pairs;
    let mut score = -3.4 + 3.2 * new;
    score += 0.5 * (novelty.specifics.min(3) as f32);
    score += 1.2 * flag(any(DECIDING))
        + 1.0 * flag(any(FINDING))
        + 0.7 * flag(any(REASONING))
        + 0.6 * flag(any(MEASURING));
    score -= 2.5 * flag(identifiers > 0.5 && words.len() > 3);
    score -= 1.8 * flag(novelty.all_specifics == 0 && novelty.content < 4);
    // An enumeration says what is there.
    let commas = words.iter().filter(|word| word.clause).count();
    if commas >= 4 && 3 * commas >= words.len() {
        score -= 2.0;
    }
    if form == Form::Heading {
        score -= 1.5;
    }
    if is_announcement(words, &padded) {
        score -= 2.8;
    }
    if piece.ends_with('?') {
        score -= 1.0;
    }
    if new < 0.35 {
        score -= 1.5;
    }
    if words.len() > 60 {
        score -= 0.7;
    }
    if status {
        // Where the work stood before is worth little.
        score -= 2.0;
    }
    Finding { weight: 1.0 / (1.0 + (-score).exp()), status }
}

/// Saying what is about to be done.
fn is_announcement(words: &[Word<'_>], padded: &str) -> bool {
    let first = stem(words[0].text);
    let gerund = words[0].text.to_lowercase().ends_with("ing") && ACTS.contains(&first.as_str());
    let opens = |list: &[&str]| list.iter().any(|start| padded.starts_with(&format!(" {start} ")));
    let acts = words.iter().take(8).any(|word| ACTS.contains(&stem(word.text).as_str()));
    gerund
        || opens(&["let me", "let's", "lass mich"])
        || acts
            && opens(&[
                "i'll",
                "i will",
                "i'm going to",
                "i am going to",
                "now",
                "next",
                "first",
                "then",
                "i now",
                "time to",
                "ich werde",
            ])
}

/// Stems of what an assistant does all the time.
#[rustfmt::skip]
const ACTS: &[&str] = &[
    "look", "read", "check", "run", "open", "search", "inspect", "start", "see", "apply", "view", "grep", "find", "verify", "examin", "examine", "list",
    "edit", "scan", "try", "updat", "update", "writ", "write", "build", "rerun", "adjust", "fetch", "review", "explor", "explore", "go", "continu", "continue", "test", "trac", "trace",
];

/// What is done and what is next.
fn is_status(padded: &str, piece: &str) -> bool {
    let any = |list: &[&str]| list.iter().any(|cue| contains(padded, cue));
    let done = any(&[
        "done",
        "complete",
        "completed",
        "finished",
        "fixed",
        "landed",
        "merged",
        "all green",
        "implemented",
        "in place",
        "so far",
        "erledigt",
        "fertig",
    ]) || piece.contains("完成");
    let next =
        any(&[
            "next is",
            "next are",
            "next i",
            "next we",
            "next step",
            "next steps",
            "next up",
            "remaining",
            "left to do",
            "still to do",
            "to do",
            "todo",
            "pending",
            "outstanding",
            "still open",
            "still missing",
            "up next",
            "comes next",
            "als nächstes",
        ]) || [". next", "; next", ", next", ": next"].iter().any(|mark| piece.to_lowercase().contains(mark))
            || piece.contains("下一步");
    let says = any(&["status", "progress", "next step", "next steps", "next up", "state of things"]);
    says || done && next
        || padded.starts_with(" next is ")
        || padded.starts_with(" remaining ")
        || piece.trim_start().starts_with("Next:")
        || piece.trim_start().starts_with("next:")
}

#[rustfmt::skip]
const DECIDING: &[&str] = &[
    "decision", "decided", "decide", "chose", "choose", "chosen", "settled", "going with", "went with", "picked",
    "pick", "prefer", "rejected", "reject", "dropped", "drop", "discarded", "abandoned", "i will keep", "i'll keep",
    "keep", "leave", "left", "instead", "rather than", "on purpose", "deliberately", "trade-off", "accepted",
    "deferring", "defer", "deferred", "renamed", "introduced", "add a", "hide", "verdict", "named", "called",
    "over", "option", "entschieden", "opted", "opting", "sticking", "stays", "switch", "switched", "replaced",
    "moved", "gave up", "not touching", "new helper", "safe to", "safe when", "enough", "settle", "stick",
    "will use", "introduce", "split", "limited to", "skip", "skipped",
];

#[rustfmt::skip]
const FINDING: &[&str] = &[
    "root cause", "culprit", "turns out", "turned out", "bug is", "bug was", "caused by", "cause", "comes from",
    "come from", "invariant", "depends on", "depend on", "relies on", "rely on", "bisect", "regression",
    "hypothesis", "wrong", "because", "reason", "never", "must", "cannot", "leaks", "race", "deadlock", "overflow",
    "off by one", "dead", "found", "note", "keep in mind", "only when", "only if", "otherwise", "unless", "happens",
    "reproduces", "reproduced", "fails when", "broken", "weil", "ursache", "conclusion", "tells", "explains",
    "means", "mistake", "correlate", "correlates", "seeded", "empty since", "missed", "lacks", "not because",
    "in fact", "actually", "only one", "confirmed", "confirms", "reveals", "revealed", "discovered", "limit",
    "limits", "safe", "unsafe", "guarantee", "guarantees", "assumes", "assumption", "blocked", "blocker",
    "incompatible",
];

#[rustfmt::skip]
const REASONING: &[&str] = &[
    "because", "since", "so", "therefore", "thus", "hence", "so that", "in order to", "which is why", "due to",
    "as it", "otherwise", "but", "in exchange", "costs", "cost", "weil", "da", "damit", "after", "before", "than",
    "that is why", "why", "given that",
];

#[rustfmt::skip]
const MEASURING: &[&str] = &[
    "measured", "baseline", "before", "after", "faster", "slower", "times", "drops", "dropped", "grew", "rose",
    "from", "peak", "per", "ms", "mb", "kb", "gb", "seconds", "latency", "p50", "p95", "p99", "rate", "hit",
    "allocations", "microseconds", "percent", "average", "median", "saved", "larger", "smaller", "entries",
    "benchmark", "profiling", "profile", "throughput", "worst", "best", "mean", "cpu", "memory", "down to", "up to",
    "cost", "costs", "more", "less", "fewer", "lines", "bytes", "rows", "times faster",
];
