//! Owns what becomes of a command that the user typed: a turn without a model, whose one call is that command.
//! Uses the tool `bash`, with sandbox, journal and log as for a call of the model.
//! Never asks, since the user typed it; and never runs what a rule denies.

use loci_inference::provider::ToolCall;
use loci_policy::Verdict;
use loci_protocol::{Event, Level, PermissionMode, TurnStatus};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::approval::reason;
use super::calls::{Ended, Ready, denied, refused};
use super::decided::Answer;
use super::{Stop, Turn};
use crate::sandboxing::Grants;
use crate::session::Session;
use crate::session::log::Record;
use crate::tools::{Outcome, Tool as _, bash};

/// Seconds that a command of the user's may take. Esc ends it earlier.
const SECONDS: u64 = 600;

/// What the ids of such calls begin with.
pub(super) const TYPED: &str = "typed-";

impl Session {
    /// Run a command that the user typed. The model finds command and output in the conversation with the next prompt.
    pub(crate) async fn run_typed(&mut self, command: &str, cancel: CancellationToken) {
        if command.is_empty() {
            let hint = Some("!ls runs ls".to_owned());
            return self.control.notice(Level::Warning, "there is no command behind the `!`", hint);
        }
        self.turn_number += 1;
        let mut turn = Turn::new(self.turn_number, format!("!{command}"), cancel);
        self.control.emit(Event::TurnStarted { turn: turn.number, prompt: turn.prompt.clone() });
        let stop = match self.typed(&mut turn, command).await {
            Ok(()) if turn.cancel.is_cancelled() => Stop::interrupted(),
            Ok(()) => Stop { status: TurnStatus::Completed, failure: None },
            Err(stop) => stop,
        };
        self.finish_turn(turn, stop);
    }

    async fn typed(&mut self, turn: &mut Turn, command: &str) -> Result<(), Stop> {
        let mut call = ToolCall {
            id: format!("{TYPED}{}", turn.number),
            name: bash::Bash.name().into(),
            arguments: serde_json::Map::new(),
        };
        call.arguments.insert("command".into(), command.into());
        call.arguments.insert("timeout".into(), SECONDS.into());
        self.note_model()?;
        self.note_head()?;
        self.note(&Record::Prompt { turn: turn.number, text: turn.prompt.clone() })?;
        self.note(&Record::Assistant {
            turn: turn.number,
            text: String::new(),
            reasoning: None,
            calls: vec![call.clone()],
        })?;
        self.log.commit()?;
        turn.tool_calls += 1;
        match self.allowed(call, command) {
            Ok(ready) => self.finish_batch(turn, &mut vec![ready]).await,
            Err(ended) => self.record(turn, *ended),
        }
    }

    /// The call, unless a rule, the policy of the machine or a missing sandbox denies it. The mode is the model's.
    fn allowed(&self, call: ToolCall, command: &str) -> Result<Ready, Box<Ended>> {
        let input = Value::Object(call.arguments.clone());
        self.announce(&call, &input, &format!("! {command}"));
        // However few tools this model is offered, the user has a shell.
        let tool = self.tools.iter().find(|tool| tool.name() == call.name).cloned();
        let tool = tool.unwrap_or_else(|| std::sync::Arc::new(bash::Bash));
        let accesses = [crate::tools::Access { tool: "Bash", input: json!({ "command": command }) }];
        let decision = self.permissions.decide(PermissionMode::Default, &call.name, &input, &accesses);
        if decision.decision == Verdict::Deny {
            let decided = self.decided(&call.id, &call.name, &decision, Answer::NotAsked);
            let said = format!("denied by the permission rules: {}", reason(&decision));
            let outcome: Outcome = denied(said, "");
            return Err(Box::new(refused(call, outcome).after(decided)));
        }
        let answer = if decision.decision == Verdict::Ask { Answer::Given("once") } else { Answer::NotAsked };
        let decided = Box::new(self.decided(&call.id, &call.name, &decision, answer));
        let grants = Grants { network: decision.network, repository: decision.repository };
        Ok(Ready { call, tool, input, changes: true, why: "the user typed it".into(), grants, decided })
    }
}
