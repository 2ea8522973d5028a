#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use super::*;

/// The commands that a text runs, each as one line, and whether it was understood.
fn commands(text: &str) -> (Vec<String>, bool) {
    let reading = read(text, 0);
    let lines =
        reading.commands().map(|simple| line(&simple.words)).filter(|line| !line.is_empty()).collect();
    (lines, reading.opaque.is_empty())
}

#[test]
fn every_command_is_listed() {
    let check = |text: &str, expect: &[&str]| {
        assert_eq!(commands(text), (expect.iter().map(|line| (*line).to_owned()).collect(), true), "{text}");
    };
    check("", &[]);
    check("ls -la", &["ls -la"]);
    check("a && b || c; d & e | f |& g\nh", &["a", "b", "c", "d", "e", "f", "g", "h"]);
    check("(a; { b; }) ; ! c", &["a", "b", "c"]);
    check("if a; then b; elif c; then d; else e; fi", &["a", "b", "c", "d", "e"]);
    check("while a; do b; done; until c; do d; done", &["a", "b", "c", "d"]);
    check("for x in 1 2; do a $x; done", &["a $x"]);
    check("for x; do a; done", &["a"]);
    check("for ((i = 0; i < 3; i++)); do a; done", &["a"]);
    check("case x in a|b) c;; (d) e;& *) f;; esac", &["c", "e", "f"]);
    check("case x in a) b\nesac", &["b"]);
    check(
        "echo $(a $(b) `c`) \"$(d)\" ${x:-$(e)}",
        &["b", "c", "a $(b) `c`", "d", "e", "echo $(a $(b) `c`) \"$(d)\" ${x:-$(e)}"],
    );
    check("a <(b) >(c)", &["b", "c", "a <(b) >(c)"]);
    check("a <<E | b\n$(c)\nE\nd", &["a", "b", "c", "d"]);
    check("a <<'E'\n$(c)\nE\nd", &["a", "d"]);
    check("a <<-E\n\tx\n\tE\nd", &["a", "d"]);
    check("a 2>&1 >/dev/null <&- 3<x", &["a"]);
    check("x=1 y=2; a", &["a"]);
    check("LANG=C TZ=x a", &["a"]);
    check("x=$(a)", &["a"]);
    check("[[ a == b && ( -f c || $d =~ ^(x|y)$ ) ]]", &["[[ a == b && ( -f c || $d =~ ^(x|y)$ )"]);
    check("time -p a", &["a"]);
    check("if a\nthen\n b # c\nfi", &["a", "b"]);
    check("a#b #c", &["a#b"]);
    check("a \\\n b", &["a b"]);
    check("((1 + 2)) && a", &["a"]);
    check("( (a) )", &["a"]);
    check("{a,b} x{1,2}", &["a b x1 x2"]);
    check("{,rm} x{,y}", &["rm x xy"]);
    check("a{b,{c,d}}e", &["abe ace ade"]);
    check("a {b} {} {,} \\{c,d}", &["a {b} {} '{c,d}'"]);
    check("echo 'a;b' \"c;d\" e\\;f", &["echo 'a;b' 'c;d' 'e;f'"]);
    check("$'\\x72\\155' $'a\\'b'", &["rm 'a'\\''b'"]);
    check("\"$(echo \"a\")\"", &["echo a", "\"$(echo \"a\")\""]);
}

#[test]
fn what_is_not_understood_is_said() {
    let check = |text: &str, found: &[&str]| {
        assert_eq!(commands(text), (found.iter().map(|line| (*line).to_owned()).collect(), false), "{text}");
    };
    check("a; b '", &["a"]);
    check("a; (b", &["a", "b"]);
    check("a; $(b", &["a", "b"]);
    check("f() { a; }", &["a"]);
    check("a <<E\nb", &["a"]);
    check("PATH=x a", &["a"]);
    check("x=1 a", &["a"]);
    check("((a) ; (b))", &["a", "b"]);
    check("a ${!b}", &["a ${!b}"]);
    check("x='a[$(b)]'; echo $((x))", &["echo $((x))"]);
}

#[test]
fn words_keep_what_matters_about_them() {
    let check = |text: &str, expect: &str| {
        let reading = read(text, 0);
        let word = &reading.commands().last().unwrap().words[0];
        let flags = [
            (word.dynamic, "dynamic"),
            (word.splits, "splits"),
            (word.glob, "glob"),
            (word.tilde, "tilde"),
            (word.quoted, "quoted"),
            (word.pipe, "pipe"),
        ];
        let set: Vec<&str> = flags.into_iter().filter(|(set, _)| *set).map(|(_, name)| name).collect();
        assert_eq!(format!("{} {}", word.text, set.join(" ")).trim(), expect, "{text}");
    };
    check("a", "a");
    check("'a'", "a quoted");
    check("~/a", "~/a tilde");
    check("\\~/a", "~/a quoted");
    check("*.rs", "*.rs glob");
    check("'*.rs'", "*.rs quoted");
    check("[", "[");
    check("[a]", "[a] glob");
    check("$x", "$x dynamic splits");
    check("\"$x\"", "$x dynamic quoted");
    check("<(a)", "<(a) dynamic pipe");
}

/// Another reader of the same language must not find a program that ours misses.
#[test]
fn a_second_reader_finds_no_more() {
    let mut parser = tree_sitter::Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).unwrap();
    let tables = [
        include_str!("../../tests/cases/benign.txt"),
        include_str!("../../tests/cases/hostile.txt"),
        include_str!("../../tests/cases/rules.txt"),
        include_str!("../../tests/cases/modes.txt"),
    ];
    let lines = tables.iter().flat_map(|table| table.lines()).filter_map(|line| line.split_once(" | "));
    let mut compared = 0;
    for (_, text) in lines {
        let text = text.strip_prefix('%').unwrap_or(text).replace("\\n", "\n").replace("\\t", "\t");
        let tree = parser.parse(&text, None).unwrap();
        // A joined line inside a word makes two words there, and one in bash.
        if tree.root_node().has_error() || text.contains("\\\n") {
            continue;
        }
        let reading = read(&text, 0);
        if !reading.opaque.is_empty() {
            continue;
        }
        let ours: Vec<&str> = reading.commands().flat_map(|simple| &simple.words).map(Word::raw).collect();
        let mut open = vec![tree.root_node()];
        while let Some(node) = open.pop() {
            if node.kind() == "command_name" {
                let name = &text[node.byte_range()];
                compared += 1;
                // Brace expansion and joined lines change the raw text of a word; `time` is a keyword to us.
                assert!(
                    ours.contains(&name) || name.contains(['{', '\\']) || name == "time",
                    "{name} in {text}"
                );
            }
            open.extend((0..node.child_count()).filter_map(|at| node.child(at)));
        }
    }
    assert!(compared > 300, "{compared}");
}
