//! Owns how lines that were read earlier are told as they are now: unchanged, moved, changed, gone.
//! Uses the file in the project, and the numbers that a read gives its lines.
//! Never follows a link: what a path named when it was read is the file that was allowed.

use std::path::Path;

use crate::files;

/// Lines by which a passage may have grown.
const GROWN: usize = 6;
/// Shorter lines, such as a brace, say nothing about where the others went.
const TELLING: usize = 8;

/// Numbered lines of a file as they are now, with what is gone marked, and a note that says so; `None` when they are as
/// they were, or when the file is not one that can be looked at. Lines without a number, such as the note below a part
/// of a file, are not the file's.
pub(super) fn as_it_is_now(root: &Path, path: &str, body: &str) -> Option<(String, String)> {
    let number = |line: &'_ str| line.split_once('\t')?.0.trim().parse::<usize>().ok();
    let numbered: Vec<(usize, &str)> = body
        .lines()
        .filter_map(|line| Some((number(line).filter(|number| *number > 0)?, line.split_once('\t')?.1)))
        .collect();
    let (first, last) = (numbered.first()?.0, numbered.last()?.0);
    if Path::new(path).is_absolute() || path.split('/').any(|part| part == "..") {
        return None;
    }
    let gone = || Some((body.to_owned(), "the file is gone since".to_owned()));
    let Ok(root) = root.canonicalize() else { return gone() };
    let file = root.join(path);
    // A link that was put in its place since could lead to what may not be read.
    match file.canonicalize() {
        Ok(found) if found == file => {}
        Ok(_) => return None,
        Err(_) => return gone(),
    }
    let Ok(content) = files::read(&file) else { return gone() };
    let now = String::from_utf8_lossy(&content.bytes);
    let lines: Vec<&str> = now.lines().map(str::trim_end).collect();
    let then: Vec<&str> = numbered.iter().map(|(_, text)| text.trim_end()).collect();
    let stands_at = |start: usize| lines.get(start..start + then.len()) == Some(&then[..]);
    if stands_at(first - 1) {
        return None;
    }
    // The same lines further up or down are not a change of them.
    let moved = (0..lines.len()).filter(|start| stands_at(*start)).min_by_key(|start| start.abs_diff(first));
    if let Some(start) = moved.filter(|_| then.iter().any(|line| line.len() > TELLING)) {
        let shown = (start..).zip(&lines[start..start + then.len()]);
        let shown: Vec<String> = shown.map(|(at, line)| format!("{:>6}\t{line}", at + 1)).collect();
        return Some((shown.join("\n"), "moved since; numbers are of now".into()));
    }
    // Where the lines around it went: at the first line of it that stands only once.
    let anchor = then.iter().enumerate().find_map(|(offset, line)| {
        let mut at = (0..lines.len()).filter(|at| line.len() > TELLING && lines[*at] == *line);
        let found = at.next()?;
        at.next().is_none().then_some(found.saturating_sub(offset))
    });
    let start = anchor.unwrap_or(first - 1).min(lines.len());
    let end = (start + (last + 1).saturating_sub(first) + GROWN).min(lines.len());
    let diff = similar::TextDiff::from_slices(&then, &lines[start..end]);
    let mut shown = Vec::new();
    for change in diff.iter_all_changes() {
        match (change.tag(), change.new_index()) {
            (similar::ChangeTag::Delete, _) => shown.push(format!("     -\t{}", change.value())),
            (_, Some(at)) => shown.push(format!("{:>6}\t{}", start + at + 1, change.value())),
            (_, None) => {}
        }
    }
    Some((shown.join("\n"), "changed since; shown as it is now, lines marked - are gone".into()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use std::fs;

    use super::*;

    fn numbered(lines: &[&str], first: usize) -> String {
        lines.iter().zip(first..).map(|(line, number)| format!("{number:>3}\t{line}\n")).collect()
    }

    #[test]
    fn lines_are_told_as_they_are_now() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.rs");
        let body = numbered(&["fn parse(text: &str) {", "    let tokens = lex(text);", "}"], 2);
        let check = |now: &str, note: Option<&str>, shows: &[&str]| {
            fs::write(&file, now).unwrap();
            let told = as_it_is_now(folder.path(), "a.rs", &body);
            assert_eq!(told.as_ref().map(|(_, note)| note.split(';').next().unwrap()), note, "{now}");
            let text = told.map_or(String::new(), |(text, _)| text);
            assert!(
                shows.iter().all(|line| text.lines().any(|shown| shown.trim() == *line)),
                "{now}: {text}"
            );
        };
        let same = "// head\nfn parse(text: &str) {\n    let tokens = lex(text);\n}\n";
        check(same, None, &[]);
        check(&format!("{same}// more\n"), None, &[]);
        check(&same.replace('\n', "\r\n"), None, &[]);
        let moved = ["4\tfn parse(text: &str) {", "6\t}"];
        check(&format!("\n\n{same}"), Some("moved since"), &moved);
        let changed = ["2\tfn parse(text: &str) {", "-\t    let tokens = lex(text);", "3\t    lex(text)?;"];
        check(&same.replace("let tokens = lex(text);", "lex(text)?;"), Some("changed since"), &changed);
        check("", Some("changed since"), &["-\tfn parse(text: &str) {"]);
        // The note below a part of a file is not one of its lines.
        let noted = format!("{body}(3 of 9 lines shown; continue with start 5)\n");
        fs::write(&file, same).unwrap();
        assert!(as_it_is_now(folder.path(), "a.rs", &noted).is_none());
        fs::write(&file, "nothing of it\n").unwrap();
        assert!(as_it_is_now(folder.path(), "a.rs", &noted).is_some());
        fs::remove_file(&file).unwrap();
        let told = as_it_is_now(folder.path(), "a.rs", &body).unwrap();
        assert_eq!(told, (body.clone(), "the file is gone since".into()));
        assert!(as_it_is_now(folder.path(), "a.rs", "no numbers\n").is_none());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_path_leads_to_now_is_not_read_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        fs::create_dir_all(root.join("src")).unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, "token = 1234567890\n").unwrap();
        let body = numbered(&["fn parse(text: &str) {"], 1);
        std::os::unix::fs::symlink(&secret, root.join("src/a.rs")).unwrap();
        std::os::unix::fs::symlink(folder.path(), root.join("out")).unwrap();
        let outside = secret.display().to_string();
        for path in ["src/a.rs", "out/secret", "../secret", outside.as_str(), "src"] {
            let told = as_it_is_now(&root, path, &body).map_or(String::new(), |(text, _)| text);
            assert!(!told.contains("1234567890"), "{path}: {told}");
        }
        // A plain file is looked at.
        fs::write(root.join("src/b.rs"), "token = 1234567890\n").unwrap();
        assert!(as_it_is_now(&root, "src/b.rs", &body).unwrap().0.contains("1234567890"));
    }
}
