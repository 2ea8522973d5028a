//! Owns the reading of a unified diff.
//! Uses the format as GNU diffutils and git write it: headers, hunks that say how many lines they have.
//! Never takes a line of a file for a header because it looks like one.

/// A line of a unified diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A file begins: its names before and after, without what diffs put before them.
    File { old: Option<&'a str>, new: Option<&'a str> },
    /// A hunk begins at these lines; what stands behind the signs.
    Hunk { old: usize, new: usize, heading: &'a str },
    /// In both.
    Same(&'a str),
    /// Only in the old one.
    Removed(&'a str),
    /// Only in the new one.
    Added(&'a str),
    /// What is said beside: a mode, a rename, a file that is no text.
    Said(&'a str),
}

/// Each line of the diff for what it is.
pub(super) fn read(diff: &str) -> impl Iterator<Item = Entry<'_>> {
    let mut lines = diff.split('\n').peekable();
    // Lines of the hunk that are to come.
    let (mut old_left, mut new_left) = (0_usize, 0_usize);
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            if line.is_empty() && lines.peek().is_none() {
                return None;
            }
            if old_left > 0 || new_left > 0 {
                let text = line.get(1..).unwrap_or_default();
                match line.as_bytes().first() {
                    Some(b'+') if new_left > 0 => {
                        new_left -= 1;
                        return Some(Entry::Added(text));
                    }
                    Some(b'-') if old_left > 0 => {
                        old_left -= 1;
                        return Some(Entry::Removed(text));
                    }
                    // Some programs take the blank at the end of an empty line away.
                    Some(b' ' | b'\r') | None => {
                        (old_left, new_left) = (old_left.saturating_sub(1), new_left.saturating_sub(1));
                        return Some(Entry::Same(text));
                    }
                    Some(b'\\') => return Some(Entry::Said(line)),
                    _ => (old_left, new_left) = (0, 0),
                }
            }
            if let Some(old) = line.strip_prefix("--- ")
                && let Some(new) = lines.peek().and_then(|next| next.strip_prefix("+++ "))
            {
                lines.next();
                return Some(Entry::File { old: name(old, "a/"), new: name(new, "b/") });
            }
            if let Some((old, new, heading)) = hunk(line) {
                (old_left, new_left) = (old.1, new.1);
                return Some(Entry::Hunk { old: old.0, new: new.0, heading });
            }
            // These say what the two names say.
            if !(line.starts_with("diff --git ") || line.starts_with("index ")) {
                return Some(Entry::Said(line));
            }
        }
    })
}

/// The name of a file; nothing where there is none.
fn name<'a>(header: &'a str, side: &str) -> Option<&'a str> {
    let name = header.split('\t').next().unwrap_or_default().trim_end_matches('\r');
    (name != "/dev/null").then(|| name.strip_prefix(side).unwrap_or(name))
}

type Place = (usize, usize);

/// `@@ -1,7 +1,6 @@ heading`: line and number of lines, one where it is left away.
fn hunk(line: &str) -> Option<(Place, Place, &str)> {
    let (places, heading) = line.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = places.split_once(" +")?;
    let place = |text: &str| {
        let (line, count) = text.split_once(',').unwrap_or((text, "1"));
        Some((line.parse().ok()?, count.parse().ok()?))
    };
    Some((place(old)?, place(new)?, heading.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_the_hunk_says() {
        let diff = "diff --git a/x b/x\nindex 1..2 100644\n--- a/x\n+++ b/x\t2026\n@@ -1,2 +1,2 @@ fn f()\n--- a/y\n+++ b/y\n\n@@ -9 +9 @@\n-a\n\\ No newline at end of file\n+b\nBinary files differ\n";
        let entries: Vec<Entry<'_>> = read(diff).collect();
        assert_eq!(
            entries,
            [
                Entry::File { old: Some("x"), new: Some("x") },
                Entry::Hunk { old: 1, new: 1, heading: "fn f()" },
                Entry::Removed("-- a/y"),
                Entry::Added("++ b/y"),
                Entry::Same(""),
                Entry::Hunk { old: 9, new: 9, heading: "" },
                Entry::Removed("a"),
                Entry::Said("\\ No newline at end of file"),
                Entry::Added("b"),
                Entry::Said("Binary files differ"),
            ]
        );
        let new: Vec<Entry<'_>> = read("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a").collect();
        assert_eq!(new[0], Entry::File { old: None, new: Some("x") });
        assert_eq!(new.len(), 3);
    }

    #[test]
    fn anything_is_read() {
        for odd in [
            "",
            "\n",
            "@@ -1,99999999999999999999 +1 @@\n+",
            "@@ -1,5 +1,5 @@\n+a",
            "--- a",
            "--- a\n+++",
            "+\n-",
            "é",
        ] {
            assert!(read(odd).count() <= 3, "{odd:?}");
        }
    }
}
