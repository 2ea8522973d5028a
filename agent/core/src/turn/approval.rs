//! Owns the question whether a call may run: what is asked, what the answer leads to, and what is said where nobody answers.
//! Uses the session's permissions and the way to its front end.
//! Never runs what is no longer what was shown: it is decided again once the answer is there.

use loci_policy::{Decision, Verdict};
use loci_protocol::{Approval, Event, Level, PermissionMode};
use serde_json::Value;

use super::Turn;
use super::calls::{NOT_AGAIN, denied};
use crate::control::Reply;
use crate::session::Session;
use crate::tools::{Access, Outcome, Tool, ToolContext};

/// A question that is other than the one before is put so often; who changes files that fast should stop first.
const QUESTIONS: usize = 3;

/// A call that the user let run.
#[derive(Debug)]
pub(super) struct Approved {
    /// `once`, `session` or `rule`.
    pub(super) answer: &'static str,
    /// For the log.
    pub(super) why: String,
    /// As it was decided last.
    pub(super) decision: Decision,
}

/// Why a decision is as it is, with the rule and where it stands.
pub(super) fn reason(decision: &Decision) -> String {
    match (&decision.rule, &decision.origin) {
        (Some(rule), Some(origin)) => format!("{} (rule {rule}, {origin})", decision.why),
        (Some(rule), None) => format!("{} (rule {rule})", decision.why),
        (None, _) => decision.why.clone(),
    }
}

impl Session {
    /// Ask the user. What was shown and what runs are the same: when files changed in between, it is asked again.
    pub(super) async fn ask_approval(
        &mut self,
        turn: &Turn,
        call_id: &str,
        tool: &dyn Tool,
        input: &Value,
        context: &ToolContext,
        decision: Decision,
    ) -> Result<Approved, Box<Outcome>> {
        let mut shown = (decision, tool.preview(input, context));
        for _ in 0..QUESTIONS {
            let (decision, diff) = shown.clone();
            let asked = |id| Event::ApprovalRequested {
                id,
                call_id: call_id.into(),
                tool: tool.name().into(),
                summary: whole(tool, input),
                details: decision.parts,
                diff,
                rule: decision.rule,
                origin: decision.origin,
                rules: decision.rules,
                network: decision.network,
                why: decision.why,
            };
            let approval = match self.control.wait("approval", &turn.cancel, asked).await {
                Some(Reply::Approval(Approval::Deny { reason })) if !reason.trim().is_empty() => {
                    let said = format!("denied by the user, who says: {}", reason.trim());
                    return Err(Box::new(denied(said, "")));
                }
                Some(Reply::Approval(Approval::Deny { .. }) | Reply::Answer(_)) => {
                    return Err(Box::new(denied("denied by the user".into(), NOT_AGAIN)));
                }
                None => return Err(Box::new(Outcome::failed("not run: the turn was cancelled"))),
                Some(Reply::Approval(approval)) => approval,
            };
            // Files, links and the mode may have changed while the user read.
            let accesses =
                tool.access(input, context).map_err(|message| Box::new(Outcome::failed(message)))?;
            let now = self.permissions.decide(self.control.mode(), tool.name(), input, &accesses);
            if now.decision == Verdict::Deny {
                let said = format!("denied: it changed while the user was asked: {}", reason(&now));
                return Err(Box::new(denied(said, NOT_AGAIN)));
            }
            let diff = tool.preview(input, context);
            if now.decision == Verdict::Allow || (same(&now, &shown.0) && diff == shown.1) {
                return Ok(self.approved(approval, tool, input, now, &shown.0));
            }
            let message = format!("{} changed while you were asked, so it is asked again", tool.name());
            self.control.notice(Level::Warning, message, None);
            shown = (now, diff);
        }
        let said = "not run: what it would touch changed each time the user was asked";
        Err(Box::new(denied(said.into(), NOT_AGAIN)))
    }

    /// Remember what the user said, as far as it was shown.
    fn approved(
        &mut self,
        approval: Approval,
        tool: &dyn Tool,
        input: &Value,
        decision: Decision,
        shown: &Decision,
    ) -> Approved {
        let why = reason(shown);
        let once = |why: String, decision| Approved {
            answer: "once",
            why: format!("approved once by the user ({why})"),
            decision,
        };
        match approval {
            Approval::Session => {
                self.permissions.approve(tool.name(), input, &shown.rules);
                let why = format!("approved for the session by the user ({why})");
                Approved { answer: "session", why, decision }
            }
            Approval::Rule => match self.permissions.save(&shown.rules) {
                Ok(true) => {
                    let why = format!("approved by the user, who saved {} ({why})", shown.rules.join(", "));
                    Approved { answer: "rule", why, decision }
                }
                Ok(false) => {
                    let message = format!("no rule can allow {} from now on: it runs this once", tool.name());
                    self.control.notice(Level::Warning, message, None);
                    once(why, decision)
                }
                Err(error) => {
                    let message = format!("the rule is not saved, and holds for this session only: {error}");
                    self.control.notice(Level::Warning, message, None);
                    once(why, decision)
                }
            },
            Approval::Once | Approval::Deny { .. } => once(why, decision),
        }
    }

    /// Nobody is there to ask: say what would have let the call run, word by word.
    pub(super) fn explain_denial(&self, tool: &str, accesses: &[Access], decision: &Decision) {
        let why = reason(decision);
        let message =
            format!("{tool} was denied, since it needs an approval and nobody is there to give it: {why}");
        let edits = accesses.iter().any(|access| matches!(access.tool, "Edit" | "Write"));
        // What a rule asks for, and what is protected, no mode lets through either.
        let mode = (edits && decision.rule.is_none())
            .then(|| format!("every edit with --permission-mode {}", PermissionMode::AcceptEdits.name()));
        let flags: Vec<String> =
            decision.rules.iter().map(|rule| format!("--allow {}", quoted(rule))).collect();
        let just = (!flags.is_empty()).then(|| format!("just this with {}", flags.join(" ")));
        let ways: Vec<String> = just.into_iter().chain(mode).collect();
        let hint = if ways.is_empty() {
            // What no rule allows has no short way round.
            "no rule allows it: it needs somebody to say yes, in a conversation".to_owned()
        } else {
            format!("allow {}", ways.join(", or "))
        };
        self.control.notice(Level::Warning, message, Some(hint));
    }
}

/// One line for people, or for a command all of it: a line for a list may be cut, what is approved may not.
fn whole(tool: &dyn Tool, input: &Value) -> String {
    match input.get("command").and_then(Value::as_str) {
        Some(command) => format!("$ {command}"),
        None => tool.summary(input),
    }
}

/// Whether the same is asked: everything that was shown.
fn same(now: &Decision, shown: &Decision) -> bool {
    (&now.parts, &now.rules, &now.network, &now.rule, &now.why)
        == (&shown.parts, &shown.rules, &shown.network, &shown.rule, &shown.why)
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_one_word_of_a_shell() {
        let check = |text: &str, expect: &str| assert_eq!(quoted(text), expect);
        check("Bash(make x)", "'Bash(make x)'");
        check("Bash(echo 'a b')", r"'Bash(echo '\''a b'\'')'");
    }

    #[test]
    fn reasons_name_the_rule_and_its_place() {
        let mut decision = Decision {
            decision: Verdict::Deny,
            rule: None,
            origin: None,
            why: "a rule denies it".into(),
            parts: Vec::new(),
            rules: Vec::new(),
            network: Vec::new(),
            repository: false,
        };
        assert_eq!(reason(&decision), "a rule denies it");
        decision.rule = Some("Read(.env)".into());
        assert_eq!(reason(&decision), "a rule denies it (rule Read(.env))");
        decision.origin = Some("/etc/x.toml:3".into());
        assert_eq!(reason(&decision), "a rule denies it (rule Read(.env), /etc/x.toml:3)");
    }
}
