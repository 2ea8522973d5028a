use serde_json::{Value, json};

use crate::batch::Tree;
use crate::{Context, Decision, Mode, Rules, Verdict, decide};

fn context() -> Context {
    Context {
        root: "/srv/repo".into(),
        cwd: "/srv/repo".into(),
        home: "/home/dev".into(),
        ..Context::default()
    }
}

fn decided(rules: &Rules, tool: &str, input: &Value) -> Decision {
    let mut tree = Tree::default();
    tree.link("/srv/repo/link", "/etc");
    tree.folder("/srv/repo/src");
    decide(rules, Mode::Default, &context(), tool, input, &tree)
}

fn bash(rules: &Rules, command: &str) -> Decision {
    decided(rules, "Bash", &json!({ "command": command }))
}

#[test]
fn a_question_names_the_rules_that_would_answer_it() {
    let check = |command: &str, expect: &[&str]| {
        let asked = bash(&Rules::default(), command);
        assert_eq!(asked.decision, Verdict::Ask, "{command}");
        assert_eq!(asked.rules, expect, "{command}");
        if !expect.is_empty() {
            let allow = expect.iter().map(|rule| (*rule).into()).collect();
            let answered = bash(&Rules { allow, ..Rules::default() }, command);
            assert_eq!(
                (answered.decision, answered.why.as_str()),
                (Verdict::Allow, "a rule allows it"),
                "{command}"
            );
        }
    };
    check("npm test", &["Bash(npm test)"]);
    check("npm   'test'", &["Bash(npm test)"]);
    check("npm test && npm test | head; npm run build", &["Bash(npm test)", "Bash(npm run build)"]);
    check("git commit -m 'a b'", &["Bash(git commit -m 'a b')"]);
    check("git commit -m 'it'\\''s'", &[r"Bash(git commit -m 'it'\''s')"]);
    check("touch '*'", &[r"Bash(touch '\*')"]);
    check("touch 'a\\*b:*'", &[r"Bash(touch 'a\\*b:\*')"]);
    check("touch '$X'", &["Bash(touch '$X')"]);
    check("find . -delete", &["Bash(find . -delete)"]);
    check("cat /etc/passwd", &["Bash(cat /etc/passwd)"]);
    check("./run.sh x", &["Bash(./run.sh x)"]);
    check("echo x > out", &["Edit(//srv/repo/out)"]);
    check("npm test > 'a[1]?.log'", &[r"Edit(//srv/repo/a\[1]\?.log)", "Bash(npm test)"]);
    check("(npm test)", &["Bash(npm test)"]);
    check("npm test ~/x", &["Bash(npm test ~/x)"]);
    check("timeout 5 npm test", &["Bash(timeout 5 npm test)"]);
    check("CI=1 npm test", &["Bash(npm test)"]);
    // What is not known, comes from elsewhere, or runs elsewhere.
    for command in [
        "npm test \"$X\"",
        "touch *",
        "$X",
        "eval ls",
        "ls | xargs rm",
        "cat x | tee out",
        "cd src && npm test",
        "echo x > link/a",
        "echo x > .git/config",
        "rm -rf /",
        "npm test; $X",
        "ls\r",
        "ls '",
        "f() { ls; }",
        "PATH=. npm test",
        "cat $X",
        "npm test <(ls)",
    ] {
        check(command, &[]);
    }
}

#[test]
fn a_literal_rule_allows_nothing_else() {
    let commands = [
        "npm test",
        "npm test x",
        "npm 'test x'",
        "npm tes?",
        "npm test *",
        "npm test '*'",
        "npm test \\*",
        "npm test ''",
        "npm test $X",
        "npm test '$X'",
        "npm test \"$X\"",
        "npm test `ls`",
        "npm test '`ls`'",
        "npm test ~",
        "npm test '~'",
        "npm test {a,b}",
        "npm test '{a,b}'",
        "npm test a b",
        "npm test 'a b'",
        "'npm test'",
        "./npm test",
        "/tmp/npm test",
        "sudo npm test",
        "npm test:*",
        "npm test ':*'",
        "npm test #",
        "npm test '#'",
        "npm test !",
        "npm test \\!",
        "npm test 'a\nb'",
        "npm test a\\ b",
        "npm test '\\*'",
        "npm test '\\'",
        "npm test \\\\",
        "npm test '\"'",
        "npm test \"'\"",
        "npm test -- x",
        "npm test\tx",
        "npm test '?'",
        "npm test [a]",
        "npm test '[a]'",
        "npm test 'x)'",
        "npm test '('",
    ];
    for command in commands {
        let rules = bash(&Rules::default(), command).rules;
        let allow =
            Rules { allow: rules.iter().map(|rule| rule.as_str().into()).collect(), ..Rules::default() };
        for other in commands {
            let words = |text: &str| {
                let reading = crate::shell::read(text, 0);
                reading
                    .commands()
                    .map(|simple| {
                        simple
                            .words
                            .iter()
                            .map(|word| (word.text.clone(), word.dynamic, word.glob, word.tilde))
                            .collect::<Vec<_>>()
                    })
                    .collect::<Vec<_>>()
            };
            let allowed = bash(&allow, other).decision == Verdict::Allow;
            assert!(
                !allowed || words(command) == words(other),
                "{command:?} gave {rules:?}, which allow {other:?}"
            );
            assert!(
                rules.is_empty() || command != other || allowed,
                "{command:?} gave {rules:?}, which do not allow it"
            );
        }
    }
}

#[test]
fn other_tools_have_literal_rules_too() {
    let check = |tool: &str, input: Value, expect: &[&str]| {
        let asked = decided(&Rules::default(), tool, &input);
        assert_eq!(
            (asked.decision, asked.rules),
            (Verdict::Ask, expect.iter().map(|rule| (*rule).to_owned()).collect()),
            "{tool} {input}"
        );
        if !expect.is_empty() {
            let allow = expect.iter().map(|rule| (*rule).into()).collect();
            assert_eq!(
                decided(&Rules { allow, ..Rules::default() }, tool, &input).decision,
                Verdict::Allow,
                "{tool} {input}"
            );
        }
    };
    check("Edit", json!({ "file_path": "src/a*b.rs" }), &[r"Edit(//srv/repo/src/a\*b.rs)"]);
    check("Read", json!({ "file_path": "/etc/passwd" }), &["Read(//etc/passwd)"]);
    check("Read", json!({ "file_path": "link/passwd" }), &[]);
    check("Edit", json!({ "file_path": ".git/config" }), &[]);
    check("WebFetch", json!({ "url": "https://Docs.rs/x" }), &["WebFetch(domain:docs.rs)"]);
    check("WebFetch", json!({ "url": "file:///x" }), &[]);
    check("mcp__a__b", json!({}), &["mcp__a__b"]);
    check("Other", json!({}), &[]);
}
