//! Owns what is shown of a question, and what can be chosen.
//! Uses what line-based front ends show of an approval; diffs row by row, wrapped.
//! Never leaves out a character of what would be done.

use loci_protocol::{Approval, Event, PermissionMode, Question};

use crate::diff;
use crate::lines::approval::{self as details, Details, revealed};
use crate::style::{Line, Style};
use crate::text::{clip, columns, visible};
use crate::wrap::wrap;

/// What is asked.
pub(super) enum Asked {
    /// [`Event::ApprovalRequested`].
    Approval(Box<Event>),
    /// The model wants to know something.
    Question(Question),
    /// Whether nothing is to ask any more.
    Bypass,
    /// Whether the project is trusted.
    Trust {
        root: String,
        /// What takes effect with trust.
        lines: Vec<Line>,
    },
}

/// What a choice does.
pub(super) enum Act {
    Approve(Approval),
    /// Opens the field.
    Write,
    Answer(String),
    Mode(PermissionMode),
    Trust(bool),
}

/// A row of the menu.
pub(super) struct Choice {
    /// Its letter, or number.
    pub(super) key: Option<char>,
    /// What it says.
    pub(super) words: String,
    pub(super) act: Act,
    /// It says yes, so everything has to be seen before.
    pub(super) approves: bool,
    /// It says yes to more than this once, so its letter alone does not do it.
    pub(super) lasts: bool,
}

impl Choice {
    fn new(key: char, words: impl Into<String>, act: Act) -> Self {
        Self { key: Some(key), words: words.into(), act, approves: false, lasts: false }
    }

    fn yes(self) -> Self {
        Self { approves: true, ..self }
    }

    fn for_long(self) -> Self {
        Self { approves: true, lasts: true, ..self }
    }
}

impl Asked {
    /// A question that offers no answers.
    pub(super) fn is_open_question(&self) -> bool {
        matches!(self, Self::Question(question) if question.options.is_empty())
    }

    /// Whether it was asked for this call.
    pub(super) fn is_of_call(&self, call: &str) -> bool {
        let Self::Approval(event) = self else { return false };
        matches!(event.as_ref(), Event::ApprovalRequested { call_id, .. } if call_id == call)
    }

    /// The row above everything.
    pub(super) fn title(&self, count: usize, width: usize, plain: bool) -> Line {
        let what = match self {
            Self::Approval(event) => match event.as_ref() {
                Event::ApprovalRequested { tool, .. } => format!("{} wants an approval", visible(tool)),
                _ => String::new(),
            },
            Self::Question(_) => "the model asks".into(),
            Self::Bypass => "nothing is to ask any more?".into(),
            Self::Trust { .. } => "is this project trusted?".into(),
        };
        let what = if count > 1 { format!("{what}, 1 of {count}") } else { what };
        if plain {
            return Line::new(clip(&format!("{what}:"), width), Style::Warning);
        }
        let what = clip(&what, width.saturating_sub(4));
        let rest = width.saturating_sub(columns(&what) + 4);
        Line::new("── ", Style::Dim)
            .with(what, Style::Warning)
            .with(format!(" {}", "─".repeat(rest)), Style::Dim)
    }

    /// What stands before the field.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Approval(_) => "no, because › ",
            Self::Question(_) | Self::Bypass | Self::Trust { .. } => "answer › ",
        }
    }

    /// Everything that is to be known before an answer.
    pub(super) fn content(&self, width: usize) -> Vec<Line> {
        match self {
            Self::Approval(event) => match event.as_ref() {
                Event::ApprovalRequested {
                    summary,
                    details,
                    diff,
                    rule,
                    origin,
                    rules,
                    network,
                    why,
                    ..
                } => {
                    let asked = Details {
                        summary,
                        details,
                        diff: diff.as_deref(),
                        rule: rule.as_deref(),
                        origin: origin.as_deref(),
                        rules,
                        network,
                        why,
                    };
                    let mut lines = details::what(&asked, width);
                    if let Some(diff) = diff {
                        lines.extend(diff_rows(diff, width));
                    }
                    lines.extend(details::why(&asked, width));
                    lines
                }
                _ => Vec::new(),
            },
            Self::Question(question) => rows(&question.question, Style::Bold, width),
            Self::Bypass => rows(
                "In the mode bypass, commands run and files change without a question. Rules that deny still hold, and so \
                 does the sandbox. Shift-Tab leaves the mode again.",
                Style::Plain,
                width,
            ),
            Self::Trust { root, lines } => {
                let text = format!("{root} brings files along that take effect only when you trust it:");
                let mut content = rows(&text, Style::Plain, width);
                content.extend(lines.iter().flat_map(|line| wrap(line, width, 4)));
                content
            }
        }
    }

    /// What can be chosen.
    pub(super) fn choices(&self) -> Vec<Choice> {
        match self {
            Self::Approval(event) => {
                let mut choices = vec![
                    Choice::new('y', "yes, this once", Act::Approve(Approval::Once)).yes(),
                    Choice::new(
                        's',
                        "yes, and the same again in this session",
                        Act::Approve(Approval::Session),
                    )
                    .for_long(),
                ];
                if matches!(event.as_ref(), Event::ApprovalRequested { rules, .. } if !rules.is_empty()) {
                    let words = "yes, from now on in this project, by the rules above";
                    choices.push(Choice::new('r', words, Act::Approve(Approval::Rule)).for_long());
                }
                choices.push(Choice::new('n', "no, and say why", Act::Write));
                choices
            }
            Self::Question(question) => {
                let mut choices: Vec<Choice> = ('1'..='9')
                    .map(Some)
                    .chain(std::iter::repeat(None))
                    .zip(&question.options)
                    .map(|(key, option)| Choice {
                        key,
                        words: option.clone(),
                        act: Act::Answer(option.clone()),
                        approves: false,
                        lasts: false,
                    })
                    .collect();
                choices.push(Choice::new('o', "other words", Act::Write));
                choices
            }
            Self::Trust { .. } => vec![
                Choice::new('n', "no, go on without them", Act::Trust(false)),
                Choice::new('y', "yes, from now on", Act::Trust(true)).for_long(),
            ],
            Self::Bypass => vec![
                Choice::new('n', "no, go on to plan", Act::Mode(PermissionMode::Plan)),
                Choice::new(
                    'y',
                    "yes, nothing asks until I change it",
                    Act::Mode(PermissionMode::BypassPermissions),
                )
                .for_long(),
            ],
        }
    }

    /// The rows of the menu, each with the number of its choice.
    pub(super) fn menu(&self, width: usize) -> Vec<(usize, Line)> {
        let mut menu = Vec::new();
        for (at, choice) in self.choices().into_iter().enumerate() {
            let key = choice.key.unwrap_or(' ');
            let words = rows(&choice.words, Style::Plain, width.saturating_sub(5));
            for (number, row) in words.into_iter().enumerate() {
                let mut line = if number == 0 {
                    Line::new(format!("  {key}  "), Style::Tip)
                } else {
                    Line::new("     ", Style::Plain)
                };
                line.spans.extend(row.spans);
                menu.push((at, line));
            }
        }
        menu
    }
}

/// The rows of a foreign text, broken at words.
fn rows(text: &str, style: Style, width: usize) -> Vec<Line> {
    let safe = revealed(&visible(text));
    let rows: Vec<Line> = safe.lines().flat_map(|row| wrap(&Line::new(row, style), width, 0)).collect();
    if rows.is_empty() { vec![Line::default()] } else { rows }
}

/// All of a diff, what takes no place made visible.
fn diff_rows(text: &str, width: usize) -> Vec<Line> {
    let indented = |line: Line| {
        let mut row = Line::new("  ", Style::Plain);
        row.spans.extend(line.spans);
        row
    };
    let rows = diff::rows(&revealed(text), width.saturating_sub(2), usize::MAX);
    rows.into_iter().map(indented).collect()
}
