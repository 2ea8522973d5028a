//! Owns the tests of documents: how they look, and that what was shown stays.
//! Uses snapshots for looks and generated texts for what holds for all.
//! Never asserts a time.

use proptest::prelude::*;

use super::*;
use crate::style::Style;
use crate::text::columns;

fn plain(rows: &[Line]) -> String {
    rows.iter().map(Line::plain).collect::<Vec<_>>().join("\n")
}

fn shown(text: &str, width: usize) -> String {
    plain(&rows(text, width).0)
}

const SAMPLE: &str = "\
# The price of a *thing*

The **total** is computed in `price.rs`, and ***nowhere*** else; ~~it was~~ see [the book](https://doc.rust-lang.org/book/) \
or <https://example.org>.
A second line.

1. Read the file
   - nested, with a long text that does not fit into one row of a narrow terminal
   - [x] done
   - [ ] open
2. Change it:

   ```rust
   fn total(items: &[Item]) -> u64 { items.iter().map(|item| item.price * item.count).sum() }
   ```

> A quote,
> over two lines
>
> > and one in it.

| Name | Meaning | Count |
|:-----|:-------:|------:|
| `price` | what one costs, without the tax that is added at the end | 12 |
| count | how many | 3 |

---

![a diagram](https://example.org/a.png) <b>bold</b> and a note[^1].

[^1]: The note,
    with more.

```
plain
```
    indented
[label]: https://example.org/hidden
";

#[test]
fn it_looks_as_it_was_meant() {
    let both = [80, 40].map(|width| format!("== {width}\n{}\n", shown(SAMPLE, width))).concat();
    insta::assert_snapshot!(both);
}

#[test]
fn words_have_their_styles() {
    let check = |text: &str, expect: &[(&str, Style)]| {
        let rows = coloured(text, 60);
        let spans: Vec<(&str, Style)> =
            rows.iter().flat_map(|row| &row.spans).map(|span| (span.text.as_str(), span.style)).collect();
        assert_eq!(spans, expect, "{text:?}");
    };
    check(
        "**a** *b* ***c*** ~~d~~",
        &[
            ("a", Style::Strong),
            (" ", Style::Plain),
            ("b", Style::Emphasis),
            (" ", Style::Plain),
            ("c", Style::StrongEmphasis),
            (" ", Style::Plain),
            ("d", Style::Struck),
        ],
    );
    check("# a `b`", &[("# ", Style::Marker), ("a ", Style::Heading), ("b", Style::Code)]);
    check("[a](http://b)", &[("a (http://b)", Style::Link)]);
    check("<http://b>", &[("http://b", Style::Link)]);
    check("[http://good](http://evil)", &[("http://good (http://evil)", Style::Link)]);
    check("- a", &[("- ", Style::Marker), ("a", Style::Plain)]);
    check("> a", &[("│ ", Style::Border), ("a", Style::Quote)]);
    check(
        "```rs\nlet a\n```",
        &[("```rs", Style::Border), ("let", Style::Keyword), (" a", Style::Plain), ("```", Style::Border)],
    );
}

#[test]
fn while_it_is_written_it_looks_right() {
    let check = |text: &str, expect: &str| {
        let mut document = Document::default();
        document.push(text);
        assert_eq!(plain(document.rows(40)), expect, "{text:?}");
    };
    check("", "");
    check("wor", "wor");
    check("a\n\n**bo", "a\n\nbo");
    check("```rust\nlet a", "```rust\nlet a");
    check("```rust\nlet a\n``", "```rust\nlet a");
    check("```rust\nlet a\n```\n", "```rust\nlet a\n```");
    check("| a | b |\n|---|---|\n| 1", "a │ b\n──┼──\n1 │ ");
    check("- a\n  - b", "- a\n  - b");
}

#[test]
fn what_is_complete_is_settled() {
    let mut document = Document::default();
    let mut check = |text: &str, expect: usize| {
        document.push(text);
        let _ = document.rows(40);
        assert_eq!(document.settled(), expect, "{text:?}");
    };
    check("one\n", 0);
    check("\ntwo\n\n", 1);
    check("```\n", 5);
    check("code\ncode", 6);
    check("\n```\n", 8);
    check("- item\n- item\n", 8);
    check("\n# h\n", 10);
}

#[test]
fn colours_come_without_moving_rows() {
    let text = "- a\n\n  ```rust\n  let a = 1;\n  ```\n\n```rust\nlet b = 2;\n```\nend";
    let mut document = Document::default();
    document.push(text);
    document.end();
    let before = plain(document.rows(40));
    document.wait_for_colours();
    let after = document.rows(40).to_vec();
    assert_eq!(plain(&after), before);
    let keywords =
        after.iter().flat_map(|row| &row.spans).filter(|span| span.style == Style::Keyword).count();
    assert_eq!(keywords, 2);
    assert!(document.is_coloured());
}

#[test]
fn hostile_texts_are_shown_and_bounded() {
    let check = |text: &str, expect: &str| assert_eq!(shown(text, 40), expect, "{text:?}");
    check("a\x1b[2Jb", "a␛[2Jb");
    check("&#27;[2J", "␛[2J");
    check("`\u{202e}x`", "\\u{202e}x");
    check("```\x07\n\x1b]52;c;AAAA\x07\n```", "```␇\n␛]52;c;AAAA␇\n```");
    check("[a](http://x/\u{200b}y)", "a (http://x/\\u{200b}y)");
    check("[a]: http://x\n[a]", "[a]: http://x\n[a]");
    for text in [
        "> ".repeat(10_000) + "deep",
        "*a **b ".repeat(10_000),
        "[".repeat(10_000),
        "x".repeat(1 << 20),
        "- ".repeat(10_000),
        "|".repeat(10_000) + "\n" + &"|-".repeat(10_000) + "\n" + &"|\n".repeat(500),
        "```\n".repeat(20_000),
        "a\n\n".repeat(20_000),
        "`a ".repeat(20_000),
        "<!--".repeat(10_000),
        "&#x1b;".repeat(10_000),
        "\u{301}".repeat(100_000),
    ] {
        // A megabyte in rows of one column is a million of them, and says nothing that less does not.
        let widths: &[usize] = if text.len() > 200_000 { &[40] } else { &[1, 40] };
        for width in widths.iter().copied() {
            let mut document = Document::default();
            for piece in text.as_bytes().chunks(100_000) {
                document.push(&String::from_utf8_lossy(piece));
                let _ = document.rows(width);
            }
            document.end();
            for row in document.rows(width) {
                assert!(columns(&row.plain()) <= width.max(2), "{:?}", row.plain());
                assert!(!row.plain().contains(char::is_control));
            }
        }
    }
}

/// What markdown is made of, so that pieces meet in every order.
fn markdown() -> impl Strategy<Value = String> {
    const PARTS: &[&str] = &[
        "a",
        "word ",
        "\n",
        "\n",
        "\n\n",
        "# ",
        "- ",
        "1. ",
        "2) ",
        "> ",
        "  ",
        "    ",
        "\t",
        "```",
        "```rust\n",
        "~~~",
        "|",
        "|-|-|\n",
        "| a | b |\n",
        "**",
        "*",
        "_",
        "`",
        "[",
        "]",
        "(",
        ")",
        "[a]: ",
        "[^1]: ",
        "[^1]",
        "http://x",
        "---\n",
        "===\n",
        "<b>",
        "<!--",
        "-->",
        "<div>\n",
        "\\",
        "&amp;",
        "![",
        "漢",
        "\r\n",
        "+",
        "<?",
        "'",
        "\"",
        "- [ ] ",
        "~~",
    ];
    proptest::collection::vec(proptest::sample::select(PARTS), 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_settled_stays_and_the_end_is_the_same(
        text in markdown(),
        cuts in proptest::collection::vec(0.0f64..1.0, 0..8),
        width in 1usize..50,
    ) {
        let mut cuts: Vec<usize> =
            cuts.iter().map(|cut| text.floor_char_boundary((cut * text.len() as f64) as usize)).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut document = Document::default();
        let mut kept: Vec<String> = Vec::new();
        let mut from = 0;
        for cut in cuts {
            document.push(&text[from..cut]);
            from = cut;
            let rows: Vec<String> = document.rows(width).iter().map(Line::plain).collect();
            let settled = document.settled();
            prop_assert!(settled >= kept.len());
            prop_assert_eq!(&rows[..kept.len()], &kept[..]);
            kept = rows[..settled].to_vec();
        }
        document.end();
        let rows: Vec<String> = document.rows(width).iter().map(Line::plain).collect();
        prop_assert_eq!(&rows[..kept.len()], &kept[..]);
        prop_assert_eq!(document.settled(), rows.len());
        let mut whole = Document::default();
        whole.push(&text);
        whole.end();
        let at_once: Vec<String> = whole.rows(width).iter().map(Line::plain).collect();
        prop_assert_eq!(rows, at_once);
    }

    #[test]
    fn every_word_is_shown(words in proptest::collection::vec("[a-z]{1,8}", 1..20), width in 1usize..30) {
        let text = words.iter().enumerate().map(|(index, word)| {
            ["", "- ", "> ", "# ", "\n", "1. ", "| "][index % 7].to_owned() + word
        }).collect::<Vec<_>>().join("\n");
        let bare = |text: &str| text.chars().filter(char::is_ascii_lowercase).collect::<String>();
        prop_assert_eq!(bare(&shown(&text, width)), bare(&text));
    }
}
