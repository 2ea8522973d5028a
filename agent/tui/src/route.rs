//! Owns how the choice of a model looks: the chosen one and why, then each other one with what stands against it.
//! Uses `style` and `text`.
//! Never chooses anything.

use loci_protocol::RouteReport;

use crate::style::{Line, Style};
use crate::text::visible;

/// A choice in lines.
#[must_use]
pub fn route_lines(report: &RouteReport) -> Vec<Line> {
    let role = visible(&report.role);
    let mut lines = vec![match &report.chosen {
        Some(name) => {
            let place = match (&report.endpoint, report.local) {
                (None, true) => "on this machine".to_owned(),
                (Some(endpoint), true) => format!("on this machine, {endpoint}"),
                (Some(endpoint), false) => format!("remote, {endpoint}"),
                (None, false) => "remote".to_owned(),
            };
            Line::new(visible(name), Style::Bold)
                .with(format!(" ({}) for {role}: {}", visible(&place), visible(&report.why)), Style::Plain)
        }
        None => Line::new("no model", Style::Removed)
            .with(format!(" for {role}: {}", visible(&report.why)), Style::Plain),
    }];
    for rejected in &report.rejected {
        lines.push(
            Line::new(format!("  not {}", visible(&rejected.name)), Style::Plain)
                .with(format!("  {}: {}", visible(&rejected.kind), visible(&rejected.reason)), Style::Dim),
        );
    }
    lines
}
