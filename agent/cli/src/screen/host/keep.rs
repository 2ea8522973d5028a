//! Owns a setting that is changed on the screen: one value in the user's own configuration.
//! Uses the spans of a TOML parser; what was not asked for stays as it is, byte by byte.
//! Never writes what does not read back as it was meant.

use std::io;

use loci_core::atomic;
use loci_tui::{Line, Reply, Style};
use toml::Table;
use toml::de::{DeTable, DeValue};

use crate::project::Project;

/// Keep a value, and say where.
pub(super) fn kept(project: &Project, key: &str, value: &str) -> Reply {
    let path = project.places.config.join("config.toml");
    let shown = path.display();
    let written = match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(error),
    };
    let result = written.map_err(|error| format!("{shown}: {error}")).and_then(|text| {
        let changed = changed(&text, key, value).map_err(|problem| format!("{shown}: {problem}"))?;
        if changed == text {
            return Ok(());
        }
        std::fs::create_dir_all(&project.places.config)
            .and_then(|()| atomic::write(&path, changed.as_bytes()))
            .map(drop)
            .map_err(|error| format!("{shown}: {error}"))
    });
    let lines = match result {
        Ok(()) => vec![Line::new(format!("{key} = {value} is kept in {shown}"), Style::Dim)],
        Err(problem) => vec![
            Line::new("warning:", Style::Warning).with(format!(" not kept: {problem}"), Style::Plain),
            Line::new("hint:", Style::Tip).with(format!(" write `{key} = {value}` there"), Style::Plain),
        ],
    };
    Reply::Said(lines)
}

/// The text with the value at `table.key`, all else as it was.
fn changed(text: &str, key: &str, value: &str) -> Result<String, String> {
    let before: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let (table, name) = key.split_once('.').ok_or("a setting has a table and a name")?;
    let wanted: Table =
        format!("{key} = {value}").parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let new = match span(text, table, name) {
        Some(span) => [&text[..span.start], value, &text[span.end..]].concat(),
        None => added(text, table, name, value),
    };
    // What a place looks like can deceive; what it reads as cannot.
    let after: Table = new.parse().map_err(|_| "the place for it was not found".to_owned())?;
    let mut expected = before;
    let inner = expected.entry(table).or_insert_with(|| Table::new().into());
    let (Some(inner), Some(value)) =
        (inner.as_table_mut(), wanted.get(table).and_then(|inner| inner.get(name)))
    else {
        return Err(format!("`{table}` is not a table"));
    };
    inner.insert(name.to_owned(), value.clone());
    if after != expected {
        return Err("the place for it was not found".to_owned());
    }
    Ok(new)
}

/// Where the value stands.
fn span(text: &str, table: &str, name: &str) -> Option<std::ops::Range<usize>> {
    let root = DeTable::parse(text).ok()?;
    let find = |table: &DeTable<'_>, wanted: &str| {
        table.iter().find(|(key, _)| key.get_ref() == wanted).map(|(_, value)| value.span())
    };
    let (_, inner) = root.get_ref().iter().find(|(key, _)| key.get_ref() == table)?;
    match inner.get_ref() {
        DeValue::Table(inner) => find(inner, name),
        _ => None,
    }
}

/// The text with a new line for the value: in its table, or in a new one at the end.
fn added(text: &str, table: &str, name: &str, value: &str) -> String {
    let ends = text.is_empty() || text.ends_with('\n');
    let text = if ends { text.to_owned() } else { format!("{text}\n") };
    let mut at = 0;
    // Behind the last line of the table that says something.
    let mut place = None;
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        at += line.len();
        let words = line.trim();
        if words.starts_with('[') {
            let header = words.split('#').next().unwrap_or_default().trim();
            inside = header.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(str::trim)
                == Some(table);
            if inside {
                place = Some((at, name.to_owned()));
            }
        } else if inside && !words.is_empty() {
            place = Some((at, name.to_owned()));
        } else if place.is_none() && words.starts_with(&format!("{table}.")) {
            // The table is written key by key.
            place = Some((at, format!("{table}.{name}")));
        }
    }
    match place {
        Some((at, key)) => format!("{}{key} = {value}\n{}", &text[..at], &text[at..]),
        None => {
            let gap = if text.is_empty() { "" } else { "\n" };
            format!("{text}{gap}[{table}]\n{name} = {value}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_changes_and_nothing_else() {
        let check = |text: &str, expect: &str| {
            assert_eq!(changed(text, "screen.theme", "\"dark\"").as_deref(), Ok(expect), "{text:?}");
        };
        check("", "[screen]\ntheme = \"dark\"\n");
        check("# mine\nmodel = 'x' # why", "# mine\nmodel = 'x' # why\n\n[screen]\ntheme = \"dark\"\n");
        check(
            "[screen]\ntheme = 'ansi' # old\nvim = true\n",
            "[screen]\ntheme = \"dark\" # old\nvim = true\n",
        );
        check("screen.theme='ansi'\n[models]\n", "screen.theme=\"dark\"\n[models]\n");
        check("screen = { theme = \"ansi\", vim = true }", "screen = { theme = \"dark\", vim = true }");
        check(
            "[screen] # s\nvim = true\n# end\n\n[other]\na = 1\n",
            "[screen] # s\nvim = true\n# end\ntheme = \"dark\"\n\n[other]\na = 1\n",
        );
        check(
            "screen.vim = true\n\n[other]\na = 1\n",
            "screen.vim = true\nscreen.theme = \"dark\"\n\n[other]\na = 1\n",
        );
        check("[screen]\ntheme = \"dark\"\n", "[screen]\ntheme = \"dark\"\n");
    }

    #[test]
    fn what_cannot_be_changed_safely_stays() {
        let check = |text: &str, expect: &str| {
            let problem = changed(text, "screen.theme", "\"dark\"").expect_err(text);
            assert!(problem.contains(expect), "{text:?}: {problem}");
        };
        check("screen = 1", "not");
        check("a = ", "");
        check("screen = { vim = true }", "place");
        // What looks like a table is a text.
        check("a = '''\n[screen]\n'''\n", "place");
    }
}
