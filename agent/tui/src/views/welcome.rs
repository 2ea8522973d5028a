//! Owns what is said at the first start: what this machine is, what it may run, and where help is.
//! Uses facts of the host, and the state for what is ready already.
//! Never stands in the way: it is read, or written under.

use crate::host::{ModelRow, Welcome};
use crate::state::State;
use crate::style::{Line, Style};
use crate::text::{columns, visible};

/// Columns of what is named at the left.
const NAMED: usize = 14;

/// The lines of the first start.
pub(crate) fn lines(welcome: &Welcome, state: &State) -> Vec<Line> {
    let mut lines = vec![
        Line::new(
            "Welcome to Loci. Write what you want to know or to have done, and press Enter.",
            Style::Bold,
        ),
        Line::default(),
        fact("Machine", &welcome.hardware.join(", ")),
    ];
    // While it is built, the status line says how far it is.
    lines.push(match welcome.indexed {
        0 => fact("Project", "the index is being built; questions can be asked meanwhile"),
        files => fact("Project", &format!("{} files are indexed", crate::context::number(files))),
    });
    if let Some(model) = &state.model {
        let place = if model.local {
            "it runs here, and nothing leaves this machine"
        } else {
            "it answers elsewhere"
        };
        lines.push(fact("Ready", &format!("{}: {place}", model.name)));
    }
    for (number, model) in welcome.models.iter().enumerate() {
        lines.push(offer(if number == 0 { "This fits" } else { "" }, model));
    }
    if welcome.models.is_empty() {
        lines.push(fact("This fits", "no larger model; `loci models` says what each needs"));
    }
    for (service, variable) in &welcome.keys {
        lines.push(fact("Key found", &format!("{variable}, for {service}: -m {service}, or /model")));
    }
    lines.push(Line::default());
    lines.push(
        Line::new("/help", Style::Tip)
            .with(" commands and keys · ", Style::Dim)
            .with("@", Style::Tip)
            .with(" files · ", Style::Dim)
            .with("!", Style::Tip)
            .with(" the shell · ", Style::Dim)
            .with("Shift-Tab", Style::Tip)
            .with(" what asks · ", Style::Dim)
            .with("/model", Style::Tip)
            .with(" other models", Style::Dim),
    );
    lines
}

fn fact(name: &str, text: &str) -> Line {
    let flat = visible(text).replace(['\n', '\t'], " ");
    Line::new(format!("{name:NAMED$}"), Style::Dim).with(flat, Style::Plain)
}

/// A model with its size, how it fits, what was measured, and how it is had.
fn offer(name: &str, model: &ModelRow) -> Line {
    let style = if model.verdict == "runs well" { Style::Added } else { Style::Warning };
    let title = crate::text::one_line(&model.name, 28);
    let pad = " ".repeat(18_usize.saturating_sub(columns(&title)));
    let mut line = fact(name, &format!("{title}{pad}  "));
    if let Some(bytes) = model.bytes {
        line = line.with(format!("{}, ", super::models::size(bytes)), Style::Plain);
    }
    line = line.with(visible(&model.verdict), style);
    if let Some((_, answer)) = model.speed {
        line = line.with(format!(", {answer:.0} tok/s measured"), Style::Plain);
    }
    match &model.command {
        Some(command) => line.with(": ", Style::Plain).with(visible(command), Style::Code),
        None => line.with(": ", Style::Plain).with(format!("/model {title}"), Style::Code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Effect, Reply, Request};
    use crate::testing::Stage;

    fn welcome() -> Welcome {
        let model = |name: &str, bytes, verdict: &str, speed, pulled: bool| ModelRow {
            name: name.into(),
            local: true,
            bytes: Some(bytes),
            verdict: verdict.into(),
            speed,
            ready: pulled,
            command: (!pulled).then(|| format!("loci models pull {name}")),
            ..ModelRow::default()
        };
        Welcome {
            hardware: vec![
                "8 cores".into(),
                "32.0 GB memory, 20.1 GB free".into(),
                "no GPU in this build".into(),
            ],
            indexed: 0,
            models: vec![
                model("qwen3:14b", 9_000_000_000, "runs well", None, false),
                model("qwen3:8b", 5_000_000_000, "runs well", Some((80.0, 9.4)), true),
                model("hostile\x1b[2J\u{202e}", 1_000_000, "tight", None, false),
            ],
            keys: vec![("anthropic".into(), "ANTHROPIC_API_KEY".into())],
        }
    }

    #[test]
    fn the_first_start_says_what_there_is() {
        let mut stage = Stage::open();
        assert!(stage.effects().contains(&Effect::Ask(Request::Welcome)));
        stage.reply(Reply::Welcome(Box::new(welcome())));
        let screens = stage.screens();
        assert!(!screens.contains('\x1b') && !screens.contains('\u{202e}'));
        for part in
            ["8 cores", "index is being built", "9.0 GB, runs well", "9 tok/s measured", "ANTHROPIC_API_KEY"]
        {
            assert!(stage.screen(120, 40).contains(part), "{part}: {screens}");
        }
        let lines: Vec<String> = lines(&welcome(), stage.app.state()).iter().map(Line::plain).collect();
        insta::assert_snapshot!(lines.join("\n"));
        // What is typed is a prompt.
        stage.keys("1 2 3");
        assert!(stage.screen(80, 24).contains("› 1 2 3"));
    }

    #[test]
    fn nothing_fits_and_everything_is_ready() {
        let stage = Stage::open();
        let lines = lines(&Welcome { indexed: 5_000, ..Welcome::default() }, stage.app.state());
        let text: String = lines.iter().map(|line| line.plain() + "\n").collect();
        assert!(text.contains("5,000 files are indexed") && text.contains("no larger model"), "{text}");
    }
}
