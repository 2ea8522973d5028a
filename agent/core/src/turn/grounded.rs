//! Owns the two courtesies to very small models: schemas narrowed to what exists, and answers worded by the program.
//! Uses `ground` and `answer`.
//! Never lets a worded answer cite a place that no result named.

use loci_inference::provider::{Compose, ToolSpec};

use super::Turn;
use crate::session::Session;

impl Session {
    /// The tools of this step.
    pub(crate) async fn narrowed_tools(&self, _turn: &Turn) -> Vec<ToolSpec> {
        self.specs.clone()
    }

    /// The words of an answer that the model leaves to the program.
    pub(crate) async fn compose(&self, turn: &mut Turn, compose: Compose) -> String {
        match compose {
            Compose::Answer => {
                let mut lines: Vec<String> = Vec::new();
                let mut places = Vec::new();
                for (_, outcome) in &turn.outcomes {
                    for evidence in outcome.evidence.iter().take(8) {
                        lines.push(format!("- {} {}", evidence.location, evidence.text));
                        places.push(evidence.location.clone());
                    }
                    if outcome.evidence.is_empty() {
                        lines.push(format!("- {}", outcome.summary));
                    }
                }
                turn.composed = Some(places);
                lines.join("\n")
            }
            Compose::Decline => "This needs a larger model.".into(),
            Compose::Smalltalk => "I am Loci. Ask me about the code in this folder.".into(),
        }
    }
}
