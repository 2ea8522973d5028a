//! Owns the table of what keys of vi do.
//! Uses texts with a cursor in them, before and after.
//! Never looks inside of the state.

use super::*;
use crate::composer::Page;
use crate::composer::chips::Chips;
use crate::composer::keys::{marked, pressed, unmarked};

/// Press keys in normal mode on a text whose cursor is at `|`.
fn run(before: &str, keys: &str) -> (String, &'static str) {
    let (text, cursor) = unmarked(before);
    let mut buffer = Buffer::default();
    buffer.set(&text);
    buffer.go(cursor);
    let mut vim = Vim { mode: Mode::Normal, ..Vim::default() };
    for key in pressed(keys) {
        match vim.take(&mut buffer, key) {
            Taken::Typed if key.code == KeyCode::Enter => buffer.insert("\n", Change::Typing),
            Taken::Typed => {
                Page { buffer: &mut buffer, chips: &Chips::default(), width: 80 }.take(key);
            }
            taken @ (Taken::Up | Taken::Down) => {
                let by = if taken == Taken::Up { -1 } else { 1 };
                Page { buffer: &mut buffer, chips: &Chips::default(), width: 80 }.rows(by);
            }
            Taken::Yes | Taken::No => {}
        }
    }
    (marked(buffer.text(), buffer.cursor()), vim.name())
}

fn check(before: &str, keys: &str, after: &str) {
    assert_eq!(run(before, keys).0, after, "{before:?} {keys}");
}

#[test]
fn motions_lead_there() {
    check("one| two", "h", "on|e two");
    check("|one two", "3l", "one| two");
    check("|one", "9l", "on|e");
    check("|one, two_x three", "w", "one|, two_x three");
    check("|one, two_x three", "2w", "one, |two_x three");
    check("|one, two_x three", "W", "one, |two_x three");
    check("|one\ntwo", "w", "one\n|two");
    check("|one two", "e", "on|e two");
    check("on|e two", "e", "one tw|o");
    check("|one, two", "2E", "one, tw|o");
    check("one two|", "b", "one |two");
    check("one, tw|o", "2b", "one|, two");
    check("one, tw|o", "BB", "|one, two");
    check("  on|e", "0", "|  one");
    check("  on|e", "^", "  |one");
    check("|one\ntwo", "$", "on|e\ntwo");
    check("|one\ntwo", "2$", "one\ntw|o");
    check("one\ntwo\nthre|e", "gg", "|one\ntwo\nthree");
    check("|one\ntwo\nthree", "G", "one\ntwo\n|three");
    check("|one\ntwo\nthree", "2G", "one\n|two\nthree");
    check("o|ne\ntwo\nthree", "j", "one\nt|wo\nthree");
    check("one\ntwo\nthr|ee", "2k", "on|e\ntwo\nthree");
    check("|a-b-c", "f-", "a|-b-c");
    check("|a-b-c", "2f-", "a-b|-c");
    check("|a-b-c", "f-;", "a-b|-c");
    check("|a-b-c", "2f-,", "a|-b-c");
    check("|a-b-c", "t-", "|a-b-c");
    check("|ab-c", "t-", "a|b-c");
    check("a-b-|c", "F-", "a-b|-c");
    check("a-b-c|", "2F-", "a|-b-c");
    check("a-bc|", "T-", "a-|bc");
    check("|x", "f-", "|x");
    check("|f(a[1])", "%", "f(a[1]|)");
    check("f(a[1]|)", "%", "f|(a[1])");
    check("|a\nb\n\nc\nd", "}", "a\nb\n|\nc\nd");
    check("a\nb\n\nc\nd|", "{", "a\nb\n|\nc\nd");
    check("|a\nb", "}", "a\n|b");
    check("|漢字 e\u{301}x", "wl", "漢字 e\u{301}|x");
}

#[test]
fn operators_take_motions_and_objects() {
    check("|one two three", "dw", "|two three");
    check("|one two three", "2dw", "|three");
    check("|one two three four", "d2w", "|three four");
    check("one |two\nthree", "dw", "one| \nthree");
    check("|one two", "de", "| two");
    check("one two|", "db", "one |o");
    check("one |two three", "d$", "one| ");
    check("one |two", "D", "one| ");
    check("one tw|o", "d0", "|o");
    check("a-|b-c", "df-", "a-|c");
    check("a|bc-d", "dt-", "a|-d");
    check("f|(a, b)c", "d%", "f|c");
    check("one\nt|wo\nthree", "dd", "one\n|three");
    check("one\nt|wo", "dd", "|one");
    check("|one\ntwo\nthree", "2dd", "|three");
    check("|one\ntwo\nthree", "dj", "|three");
    check("one\ntwo\nt|hree", "dgg", "|");
    check("o|ne\ntwo\nthree", "dG", "|");
    check("one t|wo three", "diw", "one | three");
    check("one t|wo three", "daw", "one |three");
    check("one t|wo", "daw", "on|e");
    check("say \"a |b\" now", "di\"", "say \"|\" now");
    check("say \"a |b\" now", "da\"", "say | now");
    check("f(a, (b|), c)", "di(", "f(a, (|), c)");
    check("f(a|, (b), c)", "da(", "|f");
    check("f{|a}", "di{", "f{|}");
    check("a\nb|\n\nc", "dip", "|\nc");
    check("a\nb|\n\nc", "dap", "|c");
    check("|one", "dfx", "|one");
    check("|one", "dzx", "|ne");
}

#[test]
fn changes_go_on_in_insert_mode() {
    check("|one two", "cwx<esc>", "|x two");
    check("o|ne two", "ciwthree<esc>", "thre|e two");
    check("one |two", "Cx y<esc>", "one x |y");
    check("one\nt|wo\nthree", "ccx<esc>", "one\n|x\nthree");
    check("f(|a)", "ci(b, c<esc>", "f(b, |c)");
    check("|abc", "sx<esc>", "|xbc");
    check("|abc", "2sx<esc>", "|xc");
    check("a|b", "ix<esc>", "a|xb");
    check("a|b", "ax<esc>", "ab|x");
    check("  a|b", "Ix<esc>", "  |xab");
    check("|ab", "Ax<esc>", "ab|x");
    check("o|ne\ntwo", "ox<esc>", "one\n|x\ntwo");
    check("o|ne\ntwo", "Ox<esc>", "|x\none\ntwo");
    assert_eq!(run("|one", "cw").1, "insert");
    assert_eq!(run("|one", "cw<esc>").1, "normal");
}

#[test]
fn single_keys_change() {
    check("|abc", "x", "|bc");
    check("ab|c", "x", "a|b");
    check("|abc", "2x", "|c");
    check("ab|c", "X", "a|c");
    check("|abc", "rx", "|xbc");
    check("|abc", "2rx", "x|xc");
    check("|abc", "9rx", "|abc");
    check("|aBc", "3~", "Ab|C");
    check("o|ne\n  two", "J", "one| two");
    check("a\n|b\nc", "3J", "a\nb| c");
    check("|one two", "dwp", "tone| wo");
    check("|ab", "xp", "b|a");
    check("|one\ntwo", "ddp", "two\n|one");
    check("one\n|two", "yyP", "one\n|two\ntwo");
    check("|one two", "yw$p", "one twoone| ");
    check("|ab", "yl3p", "aaa|ab");
    check("|one", "x.", "|e");
    check("|one two three", "dw.", "|three");
    check("|one two", "cwx<esc>w.", "x |x");
    check("|a", "Ab<esc>..", "abb|b");
    check("|one", "xu", "|one");
    check("|one", "xxu", "|ne");
    check("|one", "xu<c-r>", "|ne");
}

#[test]
fn what_is_chosen_is_taken() {
    check("o|ne two", "vld", "o| two");
    check("|one two", "vey$p", "one twoon|e");
    check("one |two", "vcx<esc>", "one |xwo");
    check("|one\ntwo\nthree", "Vjd", "|three");
    check("one\n|two", "Vd", "|one");
    check("one t|wo three", "viwd", "one | three");
    check("|one two", "ve~", "|ONE two");
    check("on|e two", "vbod", "|\u{20}two");
    assert_eq!(run("|one", "v").1, "visual");
    assert_eq!(run("|one", "V").1, "visual line");
    assert_eq!(run("|one", "v<esc>").1, "normal");
}

#[test]
fn escape_is_left_to_the_conversation_when_nothing_waits() {
    let mut buffer = Buffer::default();
    let mut vim = Vim::default();
    let mut press = |keys: &str| {
        let taken: Vec<Taken> = pressed(keys).into_iter().map(|key| vim.take(&mut buffer, key)).collect();
        taken.last().copied()
    };
    assert_eq!(press("<esc>"), Some(Taken::Yes));
    assert_eq!(press("<esc>"), Some(Taken::No));
    assert_eq!(press("d<esc>"), Some(Taken::Yes));
    assert_eq!(press("3<esc>"), Some(Taken::Yes));
    assert_eq!(press("<esc>"), Some(Taken::No));
}

#[test]
fn counts_and_texts_are_bounded() {
    check("|ab", "999999999999999999999l", "a|b");
    let (text, _) = run(&format!("|{}", "x".repeat(5_000)), "yy99999p");
    assert!(text.len() < 3 << 20, "{}", text.len());
}
