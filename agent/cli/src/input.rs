//! Owns standard input: what is piped in, and the lines that a person types.
//! Uses a thread of its own, because reading a terminal cannot be cancelled.
//! Never interprets what was typed, except as the answer to a question.

use std::io::{self, IsTerminal, Read};

use loci_protocol::{Approval, Question};
use tokio::sync::mpsc;

use crate::errors::Usage;

/// At most this much piped input is taken: more than any window holds, and far less than memory.
const PIPED_LIMIT: u64 = 8 << 20;

/// Whether a person can type answers.
#[must_use]
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// What was piped in, if standard input is not a terminal; empty otherwise.
///
/// # Errors
/// When it cannot be read, or is larger than 8 MiB.
pub(crate) fn piped() -> anyhow::Result<String> {
    if is_terminal() {
        return Ok(String::new());
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(PIPED_LIMIT + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PIPED_LIMIT {
        return Err(Usage::error(
            "more than 8 MiB were piped in",
            "pipe in the part that matters, or name the file",
        ));
    }
    // A few stray bytes in a log should not lose the rest of it.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One line as it is typed; empty at the end of the input.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    Ok(line)
}

/// Lines as they are typed, without their ends; the channel closes at the end of the input.
#[must_use]
pub(crate) fn lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    // Detached on purpose: it sits in a read that nothing can interrupt, and ends with the process.
    std::thread::spawn(move || {
        let mut line = Vec::new();
        let mut input = io::stdin().lock();
        loop {
            line.clear();
            match io::BufRead::read_until(&mut input, b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    if sender.send(text.trim_end_matches(['\n', '\r']).to_owned()).is_err() {
                        return;
                    }
                }
            }
        }
    });
    receiver
}

/// A password, typed on the terminal without being shown.
///
/// # Errors
/// When there is no terminal.
pub(crate) fn password(prompt: &str) -> anyhow::Result<String> {
    rpassword::prompt_password(prompt).map_err(|error| {
        Usage::error(
            format!("a password is needed and cannot be asked for: {error}"),
            "run it in a terminal, or use a key without a password",
        )
    })
}

/// One line, as it is typed, before anything else reads lines; nothing at the end of the input.
#[must_use]
pub(crate) fn next_line() -> Option<String> {
    let mut line = Vec::new();
    match io::BufRead::read_until(&mut io::stdin().lock(), b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).into_owned()),
    }
}

/// What a typed line says to an approval; `None` when it says neither yes nor no.
#[must_use]
pub(crate) fn approval(line: &str) -> Option<Approval> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    match word.to_lowercase().trim_end_matches([',', ':']) {
        "y" | "yes" if rest.is_empty() => Some(Approval::Once),
        "s" | "session" if rest.is_empty() => Some(Approval::Session),
        "r" | "rule" if rest.is_empty() => Some(Approval::Rule),
        "n" | "no" => Some(Approval::Deny { reason: rest.trim().to_owned() }),
        _ => None,
    }
}

/// What a typed line says to a question: the option of that number, or the words themselves.
#[must_use]
pub(crate) fn answer(question: &Question, line: &str) -> String {
    let line = line.trim();
    let numbered = line.parse::<usize>().ok().and_then(|number| question.options.get(number.checked_sub(1)?));
    numbered.cloned().unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_approvals() {
        let deny = |reason: &str| Some(Approval::Deny { reason: reason.into() });
        let check = |line: &str, expect: Option<Approval>| assert_eq!(approval(line), expect, "{line}");
        check("y", Some(Approval::Once));
        check(" Yes ", Some(Approval::Once));
        check("s", Some(Approval::Session));
        check("r", Some(Approval::Rule));
        check("n", deny(""));
        check("no, use tabs", deny("use tabs"));
        check("n it is wrong", deny("it is wrong"));
        check("", None);
        check("maybe", None);
        // Said with a condition, it is no plain yes.
        check("y but only in tests", None);
    }

    #[test]
    fn answers_to_questions() {
        let question =
            Question { id: "q".into(), question: "?".into(), options: vec!["one".into(), "two".into()] };
        let check = |line: &str, expect: &str| assert_eq!(answer(&question, line), expect);
        check("2", "two");
        check("0", "0");
        check("3", "3");
        check(" neither ", "neither");
    }
}
