//! Owns `loci man`: the manual pages, one for each command.
//! Uses the definition of the command line.
//! Never writes to the system's folders by itself; the user names one.

use clap::CommandFactory as _;
use clap_mangen::Man;
use loci_core::atomic;
use loci_tui::{Line, Style, visible};

use crate::arguments::{Cli, ManArguments};
use crate::errors::{Outcome, Usage};
use crate::printer::Printer;

/// Print a page, or write all of them.
///
/// # Errors
/// When there is no such command, or a page cannot be written.
pub(crate) fn run(printer: &Printer, arguments: &ManArguments) -> anyhow::Result<Outcome> {
    let pages = pages()?;
    if let Some(folder) = &arguments.to {
        std::fs::create_dir_all(folder)?;
        for (name, page) in &pages {
            atomic::write(&folder.join(format!("{name}.1")), page)?;
        }
        let shown = visible(&folder.to_string_lossy());
        printer.line(&Line::new(format!("{} pages in {shown}", pages.len()), Style::Plain))?;
        return Ok(Outcome::Done);
    }
    let wanted: String = std::iter::once("loci")
        .chain(arguments.command.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("-");
    let found = pages.iter().find(|(name, _)| *name == wanted);
    let (_, page) = found.ok_or_else(|| {
        let named = arguments.command.join(" ");
        Usage::error(format!("there is no command `{named}`"), "`loci --help` lists them")
    })?;
    printer.text(&String::from_utf8_lossy(page))?;
    Ok(Outcome::Done)
}

/// Every page with its name: `loci`, `loci-search`, `loci-models-pull`.
fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut whole = Cli::command();
    // Names of commands below others are put together here.
    whole.build();
    let mut pages = Vec::new();
    let mut waiting = vec![whole];
    while let Some(command) = waiting.pop() {
        waiting.extend(command.get_subcommands().filter(|below| !below.is_hide_set()).cloned());
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        pages.push((name, page));
    }
    pages.sort();
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page() {
        let pages = pages().expect("in memory");
        let page = |wanted: &str| {
            let (_, page) = pages.iter().find(|(name, _)| name == wanted).expect(wanted);
            String::from_utf8(page.clone()).expect("text")
        };
        assert!(page("loci").contains(".SH OPTIONS") && page("loci").contains("search"));
        assert!(page("loci-search").contains("loci\\-search"));
        assert!(page("loci-models-pull").contains(".TH"));
        let commands = Cli::command().get_subcommands().count();
        assert!(pages.len() > commands, "{} pages of {commands} commands", pages.len());
    }
}
