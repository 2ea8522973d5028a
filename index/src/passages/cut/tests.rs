use super::*;

fn check(kind: TextKind, path: Option<&str>, text: &str, expect: &[(u32, u32)]) {
    let seen: Vec<_> = cut(kind, path, text).iter().map(|piece| (piece.first, piece.last)).collect();
    assert_eq!(seen, expect, "{kind:?} of {text:?}");
}

#[test]
fn short_texts_are_one_piece() {
    for kind in [TextKind::Talk, TextKind::Log, TextKind::Matches, TextKind::Code, TextKind::Diff] {
        check(kind, None, "", &[]);
        check(kind, None, "\n \n", &[]);
        check(kind, None, "one line", &[(1, 1)]);
        check(kind, None, "one line\nand another\n", &[(1, 2)]);
    }
}

#[test]
fn a_failing_test_keeps_its_message() {
    let passed = |from: u32| {
        (from..from + 9).map(|number| format!("test number_{number} ... ok\n")).collect::<String>()
    };
    let text = format!(
        "{}\nfailures:\n---- number_9 ----\nsrc/a.rs:12: assertion failed\n  left: 1\n right: 2\n\n1 failed\n",
        passed(0)
    );
    check(TextKind::Log, None, &text, &[(1, 10), (11, 17)]);
}
