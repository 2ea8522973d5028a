//! Owns which files a shell command says it changes, where its words leave no doubt.
//! Uses the words of the command; whether it succeeded is the caller's to know.
//! Never guesses: what a script or a formatter did is not in its command.

use super::calls::plain_path;
use super::files::Effect;

/// Paths taken from one command.
const MOST: usize = 100;

/// What a command does to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Touch {
    /// It creates, changes or removes it.
    Change(String, Effect),
    /// It brings back what was committed.
    Restore(String),
}

/// What a command line does to files.
pub(super) fn touched(line: &str) -> Vec<Touch> {
    let mut found = Vec::new();
    let words = words(line);
    for command in words.split(|word| matches!(word, Word::Then)) {
        touched_by(command, &mut found);
        if found.len() > MOST {
            found.truncate(MOST);
            break;
        }
    }
    found
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// A word, and whether it was quoted.
    Plain(String, bool),
    /// `>` or `>>`: the next word is a file.
    Into,
    /// The next command.
    Then,
}

/// The words of a line, as far as a shell's quotes go; here-documents end it.
fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut quoted) = (None, false);
    let mut characters = line.chars().peekable();
    let flush = |word: &mut String, quoted: &mut bool, words: &mut Vec<Word>| {
        if !word.is_empty() || *quoted {
            words.push(Word::Plain(std::mem::take(word), std::mem::take(quoted)));
        }
    };
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), character) if open == character => quote = None,
            (Some('\''), character) => word.push(character),
            (_, '\\') => word.extend(characters.next()),
            (Some(_), character) => word.push(character),
            (None, '\'' | '"') => (quote, quoted) = (Some(character), true),
            (None, '<') => {
                flush(&mut word, &mut quoted, &mut words);
                if characters.peek() == Some(&'<') {
                    // What follows on this line may still name a file; the document itself is data.
                    let rest: String =
                        characters.clone().take_while(|character| *character != '\n').collect();
                    if let Some((_, file)) = rest.split_once('>') {
                        words.push(Word::Into);
                        let file = file.trim_start_matches('>').split_whitespace().next().unwrap_or_default();
                        words.push(Word::Plain(file.to_owned(), false));
                    }
                    return words;
                }
            }
            (None, '>') => {
                // `2>` and `&>` are streams, too, but what they write are logs.
                let stream = word.chars().all(|character| character.is_ascii_digit() || character == '&');
                if stream {
                    word.clear();
                }
                flush(&mut word, &mut quoted, &mut words);
                while matches!(characters.peek(), Some('>' | '|')) {
                    characters.next();
                }
                if characters.peek() == Some(&'&') {
                    characters.next();
                    while characters.peek().is_some_and(|character| !character.is_whitespace()) {
                        characters.next();
                    }
                } else {
                    words.push(Word::Into);
                }
            }
            (None, '|' | ';' | '\n' | '&' | '(' | ')') => {
                flush(&mut word, &mut quoted, &mut words);
                words.push(Word::Then);
            }
            (None, character) if character.is_whitespace() => flush(&mut word, &mut quoted, &mut words),
            (None, character) => word.push(character),
        }
    }
    flush(&mut word, &mut quoted, &mut words);
    words
}

fn touched_by(command: &[Word], found: &mut Vec<Touch>) {
    let mut plain: Vec<(&str, bool)> = Vec::new();
    let mut into = false;
    for word in command {
        match word {
            Word::Into => into = true,
            Word::Plain(file, _) if into => {
                into = false;
                change(file, Effect::Changed, found);
            }
            Word::Plain(word, quoted) => plain.push((word, *quoted)),
            Word::Then => {}
        }
    }
    while plain
        .first()
        .is_some_and(|(word, _)| matches!(*word, "sudo" | "command" | "env" | "time") || word.contains('='))
    {
        plain.remove(0);
    }
    let Some(((program, _), rest)) = plain.split_first() else { return };
    let (program, rest) = match (*program, rest.split_first()) {
        ("git", Some(((verb, _), rest))) => match *verb {
            "mv" => ("mv", rest),
            "rm" => ("rm", rest),
            "checkout" | "restore" => ("git restore", rest),
            _ => return,
        },
        (program, _) => (program, rest),
    };
    let files = || rest.iter().map(|(word, _)| *word).filter(|word| !word.starts_with('-'));
    let flag = |wanted: &str| rest.iter().any(|(word, _)| word.starts_with(wanted));
    match program {
        "rm" | "unlink" => files().for_each(|file| change(file, Effect::Removed, found)),
        "touch" | "mkfifo" => files().for_each(|file| change(file, Effect::Changed, found)),
        "tee" => files().for_each(|file| change(file, Effect::Changed, found)),
        "mv" | "cp" => {
            let files: Vec<&str> = files().collect();
            let Some((target, sources)) = files.split_last() else { return };
            for source in sources {
                if program == "mv" {
                    change(source, Effect::Removed, found);
                }
                let name = source.rsplit('/').next().unwrap_or(source);
                let folder = target.ends_with('/') || sources.len() > 1;
                let target = if folder {
                    format!("{}/{name}", target.trim_end_matches('/'))
                } else {
                    (*target).to_owned()
                };
                change(&target, Effect::Created, found);
            }
        }
        // The script comes first, unless an option brings it.
        "sed" | "gsed" if flag("-i") || flag("--in-place") => {
            let script = usize::from(!flag("-e") && !flag("--expression"));
            let follows = |at: usize| at > 0 && matches!(rest[at - 1].0, "-e" | "-f");
            let names =
                rest.iter().enumerate().filter(|(at, (word, _))| !word.starts_with('-') && !follows(*at));
            let names: Vec<&str> = names.map(|(_, (word, _))| *word).skip(script).collect();
            names.into_iter().for_each(|file| change(file, Effect::Changed, found));
        }
        "perl" | "ruby" if flag("-i") || flag("-pi") || flag("-ni") => {
            let names = rest.iter().filter(|(word, quoted)| !quoted && !word.starts_with('-'));
            names
                .filter(|(name, _)| is_path(name))
                .for_each(|(file, _)| change(file, Effect::Changed, found));
        }
        "git restore" => {
            let from = rest.iter().position(|(word, _)| *word == "--").map_or(0, |at| at + 1);
            let named = rest[from..]
                .iter()
                .map(|(word, _)| *word)
                .filter(|word| is_path(word) && !word.starts_with('-'));
            // Without dashes a branch may be meant: only what looks like a file counts.
            for file in named.filter(|file| from > 0 || file.contains('.')) {
                found.push(Touch::Restore(plain_path(file)));
            }
        }
        _ => {}
    }
}

fn is_path(word: &str) -> bool {
    !word.is_empty()
        && !word.contains(['*', '?', '$', '`', '{', ' ', '<', '>'])
        && (word.contains('.') || word.contains('/'))
}

fn change(file: &str, effect: Effect, found: &mut Vec<Touch>) {
    let elsewhere = ["/dev/", "/tmp/", "/proc/", "~", "$"].iter().any(|start| file.starts_with(start));
    if is_path(file) && !elsewhere && !file.starts_with("..") && file != "." {
        found.push(Touch::Change(plain_path(file), effect));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_touch_files() {
        let check = |line: &str, expect: &[&str]| {
            let shown: Vec<String> = touched(line)
                .into_iter()
                .map(|touch| match touch {
                    Touch::Change(path, Effect::Created) => format!("+{path}"),
                    Touch::Change(path, Effect::Changed) => format!("~{path}"),
                    Touch::Change(path, Effect::Removed) => format!("-{path}"),
                    Touch::Restore(path) => format!("<{path}"),
                })
                .collect();
            assert_eq!(shown, expect, "{line}");
        };
        check("git mv src/a.rs src/b.rs", &["-src/a.rs", "+src/b.rs"]);
        check("mv a.rs b.rs src/", &["-a.rs", "+src/a.rs", "-b.rs", "+src/b.rs"]);
        check("rm -rf ./old/x.rs && echo done", &["-old/x.rs"]);
        check("sed -i 's/a/b > c/' src/a.rs src/b.rs", &["~src/a.rs", "~src/b.rs"]);
        check("sed -i -e 's/a/b/' src/a.rs", &["~src/a.rs"]);
        check("sed -n 1,20p src/a.rs", &[]);
        check("perl -pi -e 's/a.b/c/' src/a.rs", &["~src/a.rs"]);
        check("cat > notes/a.md <<'EOF'\nrm -rf x.rs > y.rs\nEOF", &["~notes/a.md"]);
        check("cat <<EOF > notes/a.md\nrm x.rs\nEOF", &["~notes/a.md"]);
        check("cargo test 2>&1 | tee out.log", &["~out.log"]);
        check("make > /dev/null 2>&1", &[]);
        check("make 2>err.log", &["~err.log"]);
        check("echo \"a > b.rs\" >> \"with blank.md\"; cp a.rs c.rs", &["+c.rs"]);
        check("git checkout -- src/a.rs", &["<src/a.rs"]);
        check("git checkout main", &[]);
        check("git restore src/a.rs", &["<src/a.rs"]);
        check("FOO=1 sudo touch a.txt", &["~a.txt"]);
        check("rm *.o $FILE", &[]);
        check("grep -rn 'a > b' src | head -5", &[]);
        check("echo 'unclosed", &[]);
        check("", &[]);
    }
}
