//! Owns the two courtesies to very small models: schemas narrowed to what exists, and answers worded by the program.
//! Uses `ground` and `answer`.
//! Never lets a worded answer cite a place that no result named.

use loci_inference::provider::{Compose, FinishReason, ToolSpec};
use loci_protocol::Event;

use super::Turn;
use super::step::Answer;
use crate::sandboxing::Grants;
use crate::session::Session;
use crate::tools::Outcome;
use crate::{answer, ground};

impl Session {
    /// The tools of this step, confined to what exists and to what the user said.
    pub(crate) async fn narrowed_tools(&self, turn: &Turn) -> Vec<ToolSpec> {
        let mut earlier: Vec<Outcome> = Vec::new();
        // `and who calls it?` is about what was found before.
        if ground::refers_back(&turn.prompt) {
            earlier.extend(self.last_outcomes.iter().cloned());
        }
        earlier.extend(turn.outcomes.iter().map(|(_, outcome)| outcome.clone()));
        // A very small model does not learn from a failure: it would make the same call until it is stopped.
        let failed = |name: &str| {
            turn.outcomes
                .iter()
                .any(|(call, outcome)| call.name == name && outcome.brief.starts_with("failed:"))
        };
        let specs: Vec<ToolSpec> = self.specs.iter().filter(|spec| !failed(&spec.name)).cloned().collect();
        let (prompt, context) = (turn.prompt.clone(), self.tool_context(turn, None, Grants::default()));
        let narrowed =
            tokio::task::spawn_blocking(move || ground::narrow(specs, &prompt, &earlier, &context));
        // Without grounding the model could produce arguments that do not exist: better no tools than these.
        narrowed.await.unwrap_or_default()
    }

    /// Once a call was denied, a very small model knows no other way than to call something else: the answer says
    /// what was denied.
    pub(crate) async fn answer_to_denial(&self, turn: &mut Turn) -> Option<Answer> {
        let denied = turn.outcomes.iter().any(|(_, outcome)| outcome.denied);
        if self.provider.info().capabilities.composes || !denied {
            return None;
        }
        let text = self.compose(turn, Compose::Answer).await;
        self.control.emit(Event::TextDelta { text: text.clone() });
        Some(Answer { text, reasoning: None, calls: Vec::new(), reason: FinishReason::Stop })
    }

    /// The words of an answer that the model leaves to the program.
    pub(crate) async fn compose(&self, turn: &mut Turn, compose: Compose) -> String {
        let facts = answer::Facts {
            model: self.provider.info().model.clone(),
            tasks: self.tasks.iter().map(|task| task.name.clone()).collect(),
        };
        let denied = turn.outcomes.iter().any(|(_, outcome)| outcome.denied);
        turn.declined = denied || compose == Compose::Decline;
        let composed = answer::compose(compose, &turn.prompt, &turn.outcomes, &facts);
        turn.composed = Some(composed.citations);
        composed.text
    }
}
