//! Owns handles: the names under which the entries of a conversation, and lines of them, can be asked for again.
//! Uses the numbers of entries that `texts` gives.
//! Never names anything that could change: an entry keeps its number for ever.

use std::fmt;
use std::str::FromStr;

/// An entry of the conversation, or lines of it: `r41`, `r41:10`, `r41:10-80`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handle {
    /// The number of the entry, from 0.
    pub entry: usize,
    /// First and last line, from 1 and inclusive.
    pub lines: Option<(usize, usize)>,
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.entry)?;
        match self.lines {
            None => Ok(()),
            Some((first, last)) if first == last => write!(f, ":{first}"),
            Some((first, last)) => write!(f, ":{first}-{last}"),
        }
    }
}

/// It is not a handle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a handle such as r41 or r41:10-80")]
pub struct NotAHandle {
    /// What was given.
    pub text: String,
}

impl FromStr for Handle {
    type Err = NotAHandle;

    fn from_str(text: &str) -> Result<Self, NotAHandle> {
        let wrong = || NotAHandle { text: text.to_owned() };
        // Models repeat handles with the brackets or quotes that stood around them.
        let bare = text.trim().trim_matches(|mark| "[]()`'\"".contains(mark));
        let rest = bare.strip_prefix(['r', 'R']).ok_or_else(wrong)?;
        let (entry, lines) = match rest.split_once(':') {
            None => (rest, None),
            Some((entry, lines)) => (entry, Some(lines)),
        };
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<usize>().ok()).flatten().ok_or_else(wrong)
        };
        let lines = match lines {
            None => None,
            Some(lines) => {
                let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
                let (first, last) = (number(first)?, number(last)?);
                if first == 0 || last < first {
                    return Err(wrong());
                }
                Some((first, last))
            }
        };
        Ok(Self { entry: number(entry)?, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_read_as_they_are_written() {
        let check = |text: &str, expect: Option<&str>| {
            let read = text.parse::<Handle>();
            assert_eq!(read.as_ref().ok().map(ToString::to_string).as_deref(), expect, "{text}");
            if expect.is_none() {
                assert!(read.is_err_and(|error| error.to_string().contains("r41:10-80")));
            }
        };
        check("r41", Some("r41"));
        check("r0:1-2", Some("r0:1-2"));
        check(" R7:3 ", Some("r7:3"));
        check("[r7:3-3]", Some("r7:3"));
        check("`r12`", Some("r12"));
        for wrong in [
            "",
            "r",
            "41",
            "r4x",
            "r4:",
            "r4:0",
            "r4:9-3",
            "r4:1-",
            "r-1",
            "r4:1-2-3",
            "r99999999999999999999",
        ] {
            check(wrong, None);
        }
    }
}
