use proptest::prelude::*;

use super::*;

const KINDS: [TextKind; 5] =
    [TextKind::Talk, TextKind::Log, TextKind::Matches, TextKind::Code, TextKind::Diff];

fn check(kind: TextKind, path: Option<&str>, text: &str, expect: &[(u32, u32)]) {
    let seen: Vec<_> = cut(kind, path, text).iter().map(|piece| (piece.first, piece.last)).collect();
    assert_eq!(seen, expect, "{kind:?} of {text:?}");
}

/// Lines with a number each.
fn numbered(count: u32, line: &str) -> String {
    (0..count).map(|number| format!("{line} {number}\n")).collect()
}

#[test]
fn short_texts_are_one_piece() {
    for kind in KINDS {
        check(kind, None, "", &[]);
        check(kind, None, "\n \n", &[]);
        check(kind, None, "one line", &[(1, 1)]);
        check(kind, None, "one line\nand another\n", &[(1, 2)]);
        check(kind, None, "one line\r\nand another", &[(1, 2)]);
    }
}

#[test]
fn talk_is_cut_at_paragraphs() {
    let text = format!("{}\n{}\n{}", numbered(5, "one"), numbered(5, "two"), numbered(5, "three"));
    check(TextKind::Talk, None, &text, &[(1, 12), (13, 17)]);
    let text = format!("{}\n{}", numbered(8, "one"), numbered(8, "two"));
    check(TextKind::Talk, None, &text, &[(1, 9), (10, 17)]);
    let sentence = "It says the same as before, at some length. ";
    let text = format!("short\n{}\nshort\n", sentence.repeat(60));
    let pieces = cut(TextKind::Talk, None, &text);
    assert_eq!((pieces[0].first, pieces[0].last), (1, 1));
    assert!(pieces.len() > 3, "{pieces:?}");
    for piece in &pieces[1..pieces.len() - 1] {
        assert_eq!((piece.first, piece.last), (2, 2));
        assert!(text[piece.bytes.clone()].starts_with("It says"), "{piece:?}");
    }
}

#[test]
fn a_failing_test_keeps_its_message() {
    let passed = numbered(9, "test number ... ok");
    let failure = "---- number_9 ----\nsrc/a.rs:12: assertion failed\n  left: 1\n right: 2\n";
    let text = format!("{passed}\nfailures:\n{failure}\n1 failed\n");
    check(TextKind::Log, None, &text, &[(1, 10), (11, 17)]);
    // A trace is longer than a passage, and stays whole.
    let trace = format!("Traceback:\n{}ValueError: no\n", numbered(14, "  at frame"));
    let text = format!("{passed}{trace}{passed}");
    let pieces = cut(TextKind::Log, None, &text);
    let holds = |piece: &Piece| text[piece.bytes.clone()].contains(&numbered(14, "  at frame"));
    assert!(pieces.iter().any(holds), "{pieces:?}");
}

#[test]
fn files_are_named_by_lines_that_begin_with_them() {
    let check = |kind, text: &str, expect: &[&str]| {
        let seen: Vec<_> = cut(kind, None, text).into_iter().flat_map(|piece| piece.paths).collect();
        assert_eq!(seen, expect, "{text:?}");
    };
    check(
        TextKind::Matches,
        "src/a.rs:12:fn a()\nsrc/a.rs:14:a()\nsrc/b.rs:1:b\n",
        &["src/a.rs", "src/b.rs"],
    );
    check(TextKind::Log, "  --> src/main.rs:4:5\n", &["src/main.rs"]);
    check(TextKind::Log, "  File \"app/views.py\", line 3, in get\n", &["app/views.py"]);
    check(TextKind::Log, "    at run (/srv/lib/run.js:10:3)\n", &["/srv/lib/run.js"]);
    check(TextKind::Log, "took 1.5 s, version 0.27.0 and/or nothing\n", &[]);
    check(
        TextKind::Diff,
        "diff --git a/src/x.c b/src/x.c\n--- a/src/x.c\n+++ b/src/x.c\n@@ -1 +1 @@\n-a\n+b\n",
        &["src/x.c"],
    );
}

#[test]
fn code_is_cut_at_its_nodes_and_keeps_the_numbers_of_the_text() {
    let body = "        work();\n".repeat(20);
    let source = format!(
        "impl Foo {{\n    fn first(&self) {{\n{body}    }}\n\n    fn second(&self) {{\n{body}    }}\n}}\n"
    );
    let numbered: String =
        source.lines().enumerate().map(|(at, line)| format!("{:5}\t{line}\n", at + 200)).collect();
    for text in [&source, &numbered] {
        let pieces = cut(TextKind::Code, Some("src/foo.rs"), text);
        let seen: Vec<_> =
            pieces.iter().map(|piece| (piece.first, piece.last, piece.names.join(" "))).collect();
        assert_eq!(seen, [(1, 24, "first".to_owned()), (25, 47, "second".to_owned())]);
        assert_eq!(pieces[1].header, "impl Foo\n");
        assert!(!pieces[0].is_test);
        let body = pieces[1].body.as_deref().unwrap_or_default();
        assert!(body.starts_with("    fn second"), "{body}");
    }
    let pieces = cut(TextKind::Code, Some("tests/foo.rs"), &source);
    assert!(pieces.iter().all(|piece| piece.is_test));
}

#[test]
fn diffs_are_cut_at_files_and_hunks() {
    let hunk = |at: u32| format!("@@ -{at},3 +{at},3 @@ fn around_{at}() {{\n a\n-b\n+c\n");
    let file = |name: &str| format!("diff --git a/{name} b/{name}\nindex 1..2\n--- a/{name}\n+++ b/{name}\n");
    let text = format!("{}{}{}{}{}", file("one.rs"), hunk(1), hunk(50), file("two.rs"), hunk(9));
    check(TextKind::Diff, None, &text, &[(1, 8), (9, 12), (13, 20)]);
    let headers: Vec<_> = cut(TextKind::Diff, None, &text).into_iter().map(|piece| piece.header).collect();
    assert_eq!(headers, ["fn around_1() {", "fn around_50() {", "fn around_9() {"]);
    let plain = format!("--- one.rs\n+++ one.rs\n{}--- two.rs\n+++ two.rs\n{}", hunk(1), hunk(2));
    check(TextKind::Diff, None, &plain, &[(1, 6), (7, 12)]);
}

#[test]
fn huge_texts_are_read_at_their_ends() {
    let line = "words and more words 0123456789\n";
    let text = line.repeat(50_000_000 / line.len());
    let lines = u32::try_from(text.lines().count()).expect("small");
    for kind in [TextKind::Talk, TextKind::Log, TextKind::Matches, TextKind::Diff] {
        let pieces = cut(kind, None, &text);
        assert_eq!(pieces.first().map(|piece| piece.first), Some(1));
        assert_eq!(pieces.last().map(|piece| piece.last), Some(lines));
        let read: usize = pieces.iter().map(|piece| piece.bytes.len()).sum();
        assert!(read <= 2 * MOST_OF_AN_END, "{kind:?} {read}");
    }
}

#[test]
fn huge_code_is_not_parsed() {
    let source = "fn wake() {\n    work();\n}\n\n".repeat(30_000);
    let pieces = cut(TextKind::Code, Some("a.rs"), &source);
    assert!(pieces.len() > 3_000);
    assert!(pieces.iter().all(|piece| piece.names.is_empty() && piece.last - piece.first < 60));
}

#[test]
fn a_huge_line_is_searched_at_its_beginning() {
    let text = "words, ".repeat(10_000_000 / 7);
    for kind in KINDS {
        let pieces = cut(kind, Some("a.rs"), &text);
        let searched: usize = pieces
            .iter()
            .map(|piece| piece.body.as_deref().unwrap_or(&text[piece.bytes.clone()]).len())
            .sum();
        assert!(searched <= 600_000, "{kind:?} {searched}");
        assert!(pieces.iter().all(|piece| piece.first == 1 && piece.last == 1));
    }
}

/// Whether there is nothing to find; of numbered code the numbers are nothing.
fn is_blank(kind: TextKind, text: &str) -> bool {
    text.trim_matches(|letter: char| letter.is_whitespace() || kind == TextKind::Code && letter == '1')
        .is_empty()
}

proptest! {
    #[test]
    fn every_line_is_in_one_piece(
        lines in proptest::collection::vec(
            "(    1\t|  at |@@ -1 \\+1 @@|diff --git a/x b/x|--- a/x.rs|\\+\\+\\+ b/x.rs|src/a.rs:1:|fn [a-d]\\(\\) \\{|\\}|)( é\u{1b}|\t|w{0,9}|[a-z. ]{0,2100})?",
            0..80,
        ),
        end in "\n?|\r\n",
    ) {
        let text = lines.join("\n") + &end;
        for kind in KINDS {
            let (mut line, mut byte) = (0, 0);
            for piece in cut(kind, Some("a.rs"), &text) {
                // Only blank lines are left out, and only a line that is longer than a passage is in several.
                prop_assert!(is_blank(kind, &text[byte..piece.bytes.start]));
                prop_assert!(piece.first > line || piece.first == line && piece.bytes.start == byte);
                prop_assert!(piece.last >= piece.first);
                let before = text[..piece.bytes.start].matches('\n').count();
                prop_assert_eq!(before + 1, piece.first as usize, "{:?}", kind);
                let within = text[piece.bytes.clone()].trim_end_matches('\n').matches('\n').count();
                prop_assert!(piece.first as usize + within <= piece.last as usize);
                (line, byte) = (piece.last, piece.bytes.end);
            }
            prop_assert!(is_blank(kind, &text[byte..]));
        }
    }
}
