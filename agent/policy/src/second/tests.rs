use super::*;
use crate::shell::read;

fn check(text: &str, agree: bool) {
    let reading = read(text, 0);
    let second = agrees(text, &reading);
    assert_eq!(second.is_ok(), agree, "{text:?}: {second:?}");
}

#[test]
fn commands_of_every_day_read_the_same() {
    for text in [
        "",
        "ls",
        "ls -la src | head -5",
        "a && b || c; d &",
        "cat 'a b' \"c d\" e\\ f",
        "echo \"$X\" ${Y:-z} $(pwd) `pwd`",
        "for i in 1 2; do echo $i; done",
        "if [ -f x ]; then cat x; elif [[ -n $y ]]; then ls; else pwd; fi",
        "while true; do ls; done",
        "case $x in a) ls;; *) pwd;; esac",
        "(cd src && ls)",
        "{ ls; pwd; }",
        "ls > out 2>&1 < in",
        "ls 2>/dev/null >> out",
        "cat <<EOF\na $X\nEOF",
        "cat <<'EOF' | wc -l\n$(rm x)\nEOF\nls",
        "cat <<-EOF > out\n\tx\n\tEOF",
        "cat <<< \"text\"",
        "X=1 ls",
        "x=1; y=$(pwd); echo $x",
        "! grep -q a b",
        "time ls",
        "time -p ls -l",
        "echo {a,b}c {1..3} d",
        "diff <(sort a) <(sort b)",
        "echo $((1 + 2))",
        "git commit -m \"a `b` c\"",
        "find . \\( -name a -o -name b \\) -print",
        "echo a\\\n b",
        "ls # a; b",
        "ls\n# c\npwd",
        "[ \"$a\" = b ] && ls",
        "[[ $x =~ ^(a|b)$ ]] && ls",
        "echo $'a b'",
        "> out",
        "> out ls -l",
        "ls &> out",
        "ls >| out",
        "for ((i=0; i<3; i++)); do ls; done",
        "((1 + 2)) && ls",
        "export X=1",
        "unset X",
        "a | b |& c",
        "echo a=b == =~",
    ] {
        check(text, true);
    }
}

/// A reading that lacks or adds something is found out.
#[test]
fn a_wrong_reading_is_noticed() {
    for (text, other) in [
        ("ls; rm x", "ls"),
        ("ls", "ls; rm x"),
        ("echo $(rm x)", "echo x"),
        ("ls a b", "ls 'a b'"),
        ("ls 'a b'", "ls a b"),
        ("ls > out", "ls"),
        ("ls > out", "ls < out"),
        ("ls > out", "ls > other"),
        ("X=1 ls", "ls"),
        ("X=1 ls", "Y=1 ls"),
        ("ls $X", "ls '$X'"),
        ("ls a\\b", "ls a\\\\b"),
        ("[ -f a ]", "[ -f b ]"),
        ("cat <<E\n$(a)\nE", "cat <<'E'\n$(a)\nE"),
        ("a {b,c} d", "a b c e"),
    ] {
        for (text, other) in [(text, other), (other, text)] {
            assert!(agrees(text, &read(other, 0)).is_err(), "{text:?} {other:?}");
            let long = |text: &str| format!("{}{text}", "ls; ".repeat(WHOLE / 4));
            assert!(agrees(&long(text), &read(&long(other), 0)).is_err(), "{text:?} {other:?}");
        }
    }
}

#[test]
fn long_texts_are_read_in_pieces() {
    let check = |text: &str, expect: &[&str]| {
        assert_eq!(pieces::split(text).unwrap_or_default(), expect, "{text:?}");
    };
    check("a; b && c || d | e |& f & g\nh", &["a", "b", "c", "d", "e", "f", "g", "h"]);
    check("a 'b;c' \"d;e\" f\\;g; h", &["a 'b;c' \"d;e\" f\\;g", "h"]);
    check("a $(b; c) `d; e` ${f:-;}; g", &["a $(b; c) `d; e` ${f:-;}", "g"]);
    check("a > b 2>&1; c &> d", &["a > b 2>&1", "c &> d"]);
    check("for i in a b; do c; d; done; e", &["for i in a b; do c; d; done", "e"]);
    check("if a; then b; fi | c", &["if a; then b; fi", "c"]);
    check("case x in a) b;; esac; c", &["case x in a) b;; esac", "c"]);
    check("{ a; b; }; c", &["{ a; b; }", "c"]);
    check("a <<E; b\nc; d\nE\ne", &["a <<E; b\nc; d\nE", "e"]);
    check("a # b; c\nd", &["a # b; c", "d"]);
    check("a '", &[]);
    check("a $(b", &[]);
    check("if a; then b", &[]);
}

/// What the small lexer reads, the parser reads alike.
#[test]
fn simple_pieces_read_as_the_parser_reads_them() {
    for text in [
        "echo 'a b' \"c d\" e",
        "ls x 2>/dev/null",
        "ls > out 2>&1",
        "ls >> a/b x",
        "echo 'a\nb'",
        "'ls' -l",
        "ls 2>&1",
        "echo $x \"$x\" \"a $x b\" $_y1",
        "echo $(git log -1) \"$(pwd) $(ls -l)\" > out",
        "$x a",
    ] {
        assert_eq!(pieces::simple(text), tree::read(text).ok(), "{text}");
        assert!(pieces::simple(text).is_some(), "{text}");
    }
    for text in [
        "echo a'b'",
        "echo $x$y",
        "echo $1",
        "echo ${x}",
        "echo $((1))",
        "echo $(a; b)",
        "echo $(time ls)",
        "echo $()",
        "echo \"$(echo \"a\")\"",
        "echo \"$(a 'b)')\"",
        "echo \"$\"",
        "a=1",
        "ls *",
        "for x",
        "ls <x",
        "ls >&x",
        "ls >$x",
        "echo '",
        "ls &>x",
        "> x",
        "ls >",
        "ls ~",
        "{ ls",
        "time ls",
        "echo \"a\\b\"",
    ] {
        assert_eq!(pieces::simple(text), None, "{text}");
        assert!(!pieces::is_plain(text), "{text}");
    }
    assert!(pieces::is_plain("ls -la a/b.c") && !pieces::is_plain("time ls"));
}

/// Frames and tests that are read here are read by the parser in the same way: everything that these pieces make up.
#[test]
fn plain_frames_read_as_the_parser_reads_them() {
    let commands = [
        "ls -l",
        "echo $i \"$i\" > out",
        "echo \"$(pwd -P)\" 2>&1",
        "[ -f a ]",
        "[[ $i == b ]]",
        "[ \"$i\" -lt 3 ]",
        "a | b",
        "a && b || c",
    ];
    let mut texts: Vec<String> = Vec::new();
    for one in commands {
        for other in commands {
            texts.push(format!("for i in a $(b c) 'd e'; do {one}; {other}; done"));
            texts.push(format!("if {one}; then {other}; fi"));
            texts.push(format!("if {one}\nthen\n{other}\nelse\n  ls\nfi"));
            texts.push(format!("if {one}; then ls; elif {other}; then a; else b; fi"));
            texts.push(format!("while {one}; do {other}; done"));
            texts.push(format!("until {one}\ndo {other}\ndone"));
            texts.push(format!("for i in a\ndo\n if {one}; then {other}; fi\ndone"));
            texts.push(format!("a; while x; do {one} | while {other}; do y; done; done").split_off(3));
        }
    }
    for text in commands.iter().take(6).map(|text| (*text).to_owned()).chain(texts) {
        let found = plain(&text);
        assert!(found.is_some(), "{text:?}");
        assert_eq!(found, tree::read(&text).ok(), "{text:?}");
    }
}

#[test]
fn what_is_no_plain_frame_is_left_to_the_parser() {
    for text in [
        "for i in a; do; ls; done",
        "for i in a; ls; do b; done",
        "for i; do ls; done",
        "for 1 in a; do ls; done",
        "for i in a & do ls; done",
        "for i in a; do ls & done",
        "for i in a; do ls; done > out",
        "for i in a; do ls; done; rm x",
        "for i in a; do ls; done\nrm x",
        "for i in a; do ls; fi",
        "for i in a; do done",
        "for i in *; do ls; done",
        "if a; then b",
        "if; then b; fi",
        "if a; then; fi",
        "if a; fi",
        "if a && then b; fi",
        "if a; then b; done",
        "while a; then b; done",
        "while a; do b |; done",
        "while a; do b; done |",
        "while a; do ;; done",
        "while a; do # b\n c; done",
        "while a; do cat <<E; done\nE",
        "while a; do (b); done",
        "while a; do b |& c; done",
        "while a; do b\\; c; done",
        "while a; do case x in y) b; esac; done",
        "while a; do function f; done",
        "while a; do 'b; done",
        "[ a ]",
        "[ -f a -o -f b ]",
        "[ -f $(rm; ls) ]",
        "[ -f a ] x",
        "[ -f a ]]",
        "[ ! -f a ]",
        "[[ a < b ]]",
        "[[ a =~ b ]]",
        "[ -v 'a' ",
        "do ls; done",
        "then",
    ] {
        assert_eq!(plain(text), None, "{text:?}");
    }
}

/// The scanner of the grammar read beyond a table for a character like this one.
#[test]
fn characters_beyond_tables_are_survived() {
    for text in ["echo {\u{10ffff}..2}", "ls {\u{d3c85}", "cat 'größe' \u{10fffd}"] {
        // Whether they agree is not the point: that both come to an end is.
        let _ = agrees(text, &read(text, 0));
        assert!(tree::read("echo größe 'a b'").is_ok_and(|found| found.commands[0].words.len() == 3));
    }
}
