//! Owns `loci doctor`: what of this machine Loci builds on, how it stands, and what to do about what does not.
//! Uses `core` for the sandbox and what is offline, the project for the rest.
//! Never changes anything.

mod terminal;

use std::path::Path;

use loci_core::offline::{Attempt, Control, Enforcement, standing};
use loci_core::sandboxing::{Level, trial};
use loci_tui::{Line, Style, visible};
use serde_json::json;

use crate::arguments::DoctorArguments;
use crate::conversation;
use crate::errors::Outcome;
use crate::project::Project;

/// Less free space than this does not last for a session's log and journal.
const LITTLE_SPACE: u64 = 256 << 20;

/// How something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Good,
    /// It works with less.
    Less,
    /// It does not work.
    Bad,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Less => "less",
            Self::Bad => "bad",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Good => Style::Added,
            Self::Less => Style::Tip,
            Self::Bad => Style::Removed,
        }
    }
}

struct Finding {
    name: &'static str,
    state: State,
    text: String,
    /// What to do, or why it is so; one line each.
    hints: Vec<String>,
}

impl Finding {
    fn new(name: &'static str, state: State, text: impl Into<String>) -> Self {
        Self { name, state, text: text.into(), hints: Vec::new() }
    }

    fn with(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Look at everything, and say how it stands. Fails when something does not work at all.
///
/// # Errors
/// When nothing can be printed.
pub(crate) fn run(project: &Project, arguments: &DoctorArguments) -> anyhow::Result<Outcome> {
    let mut findings = conversation::runtime()?.block_on(examine(project));
    let attempts = project.offline.control.as_deref().map(Control::attempts);
    let tried = project.offline.control.as_deref().zip(attempts.as_deref());
    findings.insert(0, offline(project, tried));
    let bad = findings.iter().any(|finding| finding.state == State::Bad);
    if arguments.json {
        let rows: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({
                    "name": finding.name,
                    "state": finding.state.name(),
                    "text": finding.text,
                    "hints": finding.hints,
                })
            })
            .collect();
        let machine = trial::machine();
        project.printer.json(&json!({
            "sandbox": {
                "level": machine.level.name(),
                "overlay": machine.overlay,
                "landlock": trial::landlock(),
                "why": machine.why,
            },
            "offline": offline_json(project, tried),
            "findings": rows,
        }))?;
    } else {
        for finding in &findings {
            let line = Line::new(format!("{:<8}", finding.name), Style::Dim)
                .with(format!(" {:<4}", finding.state.name()), finding.state.style())
                .with(format!(" {}", visible(&finding.text)), Style::Plain);
            project.printer.line(&line)?;
            for hint in &finding.hints {
                project.printer.line(&Line::new(format!("{:14}{}", "", visible(hint)), Style::Dim))?;
            }
        }
    }
    Ok(if bad { Outcome::Failed } else { Outcome::Done })
}

async fn examine(project: &Project) -> Vec<Finding> {
    let mut findings = vec![sandbox(), kernel(&project.root).await];
    let programs = [
        (
            "git",
            State::Less,
            "without git, versions are not told apart and undo is all there is: install git",
        ),
        ("bash", State::Less, "without bash, commands run in sh: install bash"),
    ];
    for (name, state, hint) in programs {
        findings.push(match trial::first_line(&project.root, &[name, "--version"]).await {
            Some(line) => Finding::new(name, State::Good, line),
            None => Finding::new(name, state, "not found").with(hint),
        });
    }
    findings.push(index(project));
    findings.push(disk(&project.places.data).await);
    findings.push(trust(project));
    let columns = project.printer.output_is_terminal().then(|| project.printer.width());
    findings.extend(terminal::findings(&project.environment, columns));
    findings
}

/// Whether Loci is offline, what enforces it, and what came of the attempts to get out.
fn offline(project: &Project, tried: Option<(&Control, &[Attempt])>) -> Finding {
    let mut finding = match &project.offline.enforcement {
        None => {
            Finding::new("offline", State::Good, "no: Loci uses the network where you name something remote")
                .with("`loci doctor --offline` shows what being offline is worth on this machine")
        }
        Some(Enforcement::Filter) => Finding::new(
            "offline",
            State::Good,
            "yes: a filter of system calls refuses every socket but AF_UNIX, here and in all that is started",
        ),
        Some(Enforcement::Nothing { why }) => {
            Finding::new("offline", State::Less, "yes, by Loci's own rules: the system does not enforce it")
                .with(why)
        }
    };
    if project.offline.is_on()
        && let Some(standing) = standing()
    {
        let word = |yes: bool| if yes { "yes" } else { "no" };
        finding = finding.with(format!(
            "/proc/self/status: filter of system calls {} ({} in force), no new privileges {}: sudo and the like do not \
             work in commands",
            word(standing.filtered),
            standing.filters,
            word(standing.no_new_privileges),
        ));
    }
    let Some((control, attempts)) = tried else { return finding };
    finding = finding.with(match control.failed() {
        None => "control, before: connecting to a listener on 127.0.0.1 worked".to_owned(),
        Some(why) => format!("control, before: even then nothing could be connected to: {why}"),
    });
    for attempt in attempts {
        let told = match &attempt.refused {
            Some((number, words)) => format!("{}: refused, errno {number}: {words}", attempt.what),
            None => {
                finding.state = State::Bad;
                format!("{}: open", attempt.what)
            }
        };
        finding.hints.push(told);
    }
    finding
}

fn offline_json(project: &Project, tried: Option<(&Control, &[Attempt])>) -> serde_json::Value {
    let enforced =
        project.offline.enforcement.as_ref().map(|enforcement| *enforcement == Enforcement::Filter);
    let mut object = json!({ "on": project.offline.is_on(), "enforced": enforced });
    if let Some(standing) = standing() {
        object["filtered"] = standing.filtered.into();
        object["filters"] = standing.filters.into();
        object["no_new_privileges"] = standing.no_new_privileges.into();
    }
    if let Some((control, attempts)) = tried {
        object["control"] = json!({ "connected": control.failed().is_none(), "why": control.failed() });
        let attempts = attempts.iter().map(|attempt| {
            let (number, words) = attempt.refused.clone().unzip();
            json!({ "what": attempt.what, "refused": attempt.refused.is_some(), "errno": number, "error": words })
        });
        object["attempts"] = attempts.collect();
    }
    object
}

fn sandbox() -> Finding {
    let machine = trial::machine();
    let (state, text) = match (machine.level, machine.overlay) {
        (Level::Full, true) => (
            State::Good,
            "full: commands see a read-only system, no network, no secrets; undo knows every change",
        ),
        (Level::Full, false) => {
            (State::Less, "full, without an overlay: undo looks at the project before and after each command")
        }
        (Level::Restricted, _) => {
            (State::Less, "restricted: files by Landlock, system calls by a filter, no namespaces")
        }
        (Level::None, _) => (State::Bad, "none: every command asks before it runs"),
    };
    let mut finding = Finding::new("sandbox", state, text);
    finding.hints = machine.why;
    finding
}

async fn kernel(root: &Path) -> Finding {
    let kernel = trial::first_line(root, &["uname", "-sr"]).await.unwrap_or_else(|| "unknown".to_owned());
    let landlock = match trial::landlock() {
        0 => "no Landlock".to_owned(),
        version => format!("Landlock {version}"),
    };
    Finding::new("kernel", State::Good, format!("{kernel}, {landlock}"))
}

fn index(project: &Project) -> Finding {
    match project.index() {
        Ok(index) => {
            let status = index.status();
            let text = format!("{} files in {}", status.files, status.folder.display());
            let finding = Finding::new("index", State::Good, text);
            if status.age_seconds.is_none() {
                return finding.with("it was never built: `loci index` does, or the first question");
            }
            finding
        }
        Err(error) => Finding::new("index", State::Bad, format!("{error:#}"))
            .with("`loci index --rebuild` removes it and builds it again; nothing else is in it"),
    }
}

/// Space where sessions and the journal are kept.
async fn disk(data: &Path) -> Finding {
    let there = data.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let shown = data.display();
    let free = trial::first_line(there, &["df", "-Pk", "."])
        .await
        .and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok())
        .map(|blocks| blocks.saturating_mul(1024));
    match free {
        None => Finding::new("disk", State::Less, format!("how much is free for {shown} is unknown")),
        Some(free) if free < LITTLE_SPACE => {
            Finding::new("disk", State::Bad, format!("{} MB free for {shown}", free / 1_000_000))
                .with("sessions and undo need space: remove something")
        }
        Some(free) => {
            Finding::new("disk", State::Good, format!("{} GB free for {shown}", free / 1_000_000_000))
        }
    }
}

fn trust(project: &Project) -> Finding {
    let root = project.root.display();
    match project.trusted() {
        Ok(true) => Finding::new("trust", State::Good, format!("{root} is trusted")),
        Ok(false) => Finding::new("trust", State::Less, format!("{root} is not trusted"))
            .with("what it brings along, such as its configuration, is not read: `loci trust` changes that"),
        Err(error) => Finding::new("trust", State::Bad, format!("{error:#}"))
            .with("until that list can be read, no project is trusted"),
    }
}
