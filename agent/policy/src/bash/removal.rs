//! Owns the removal of `/` and the home directory, which asks in every mode (S13).
//! Uses the world for where a path leads.
//! Never looks at anything else that is removed.

use super::harmless::Here;
use super::wrappers::basename;
use crate::shell::Word;

/// Why the command may remove `/` or the home directory.
pub(super) fn of_everything(here: &Here, words: &[Word]) -> Option<String> {
    let (first, arguments) = words.split_first()?;
    let operands: Vec<&Word> = match basename(&first.text) {
        "rm" | "rmdir" | "unlink" | "shred" => {
            arguments.iter().filter(|word| !word.text.starts_with('-')).collect()
        }
        "find"
            if arguments
                .iter()
                .any(|word| matches!(word.text.as_str(), "-delete" | "-exec" | "-execdir")) =>
        {
            let removes = arguments
                .iter()
                .any(|word| matches!(basename(&word.text), "-delete" | "rm" | "shred" | "unlink"));
            if !removes {
                return None;
            }
            arguments.iter().take_while(|word| !word.text.starts_with('-') && word.text != "(").collect()
        }
        // Moving it away is no better.
        "mv" => {
            let all: Vec<&Word> = arguments.iter().filter(|word| !word.text.starts_with('-')).collect();
            all.split_last().map(|(_, sources)| sources.to_vec()).unwrap_or_default()
        }
        _ => return None,
    };
    operands
        .into_iter()
        .find(|word| reaches_everything(here, word))
        .map(|word| format!("`{}` may remove `/` or the home directory", crate::hidden::escape(word.raw())))
}

fn reaches_everything(here: &Here, word: &Word) -> bool {
    let home = here.world.context.home.to_string_lossy();
    let mut text = word.text.replace("${HOME}", &home).replace("$HOME", &home);
    if word.tilde && (text == "~" || text.starts_with("~/")) {
        text.replace_range(..1, &home);
    } else if word.tilde && !text.contains('/') {
        // Somebody's home.
        return true;
    }
    if text.contains(['$', '`']) && word.dynamic {
        // `"$DIR/"` is `/` when the variable is not set.
        let Some(start) = text.find(['$', '`']) else { return false };
        let Some(slash) = text[start..].rfind('/') else { return false };
        if !text[start + slash..].trim_matches(['/', '*', '.']).is_empty()
            || text[..start].contains(|c| c != '/')
        {
            return false;
        }
        text = "/".into();
    }
    // What is all of a folder is the folder.
    loop {
        let trimmed = text.trim_end_matches('/');
        let (folder, last) = trimmed.rsplit_once('/').unwrap_or(("", trimmed));
        let everything = !last.is_empty()
            && word.glob
            && last.contains(['*', '?'])
            && last.chars().all(|c| "*?.[]!".contains(c));
        if !everything {
            break;
        }
        text = match (folder, text.starts_with('/')) {
            ("", true) => "/".into(),
            ("", false) => ".".into(),
            _ => folder.to_owned(),
        };
    }
    here.places(&text, false).iter().any(|place| here.world.is_home_or_root(place))
}
