//! Owns what the log says of a decision: verdict, answer, rule and its place, policy, sandbox, hosts.
//! Uses the session's permissions for the hash of what is in force.
//! Never leaves out a call that was decided, whichever way.

use loci_inference::engine::ModelSource;
use loci_policy::{Decision, Verdict};

use super::approval::reason;
use crate::audit::weights;
use crate::session::Session;
use crate::session::log::{LogError, LoggedDecision, Record, UsedModel};

/// What came of a decision that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// `once`, `session`, `rule`, `no`.
    Given(&'static str),
    /// Nobody was there.
    Nobody,
    /// The turn was cancelled while the user was asked.
    Cancelled,
    /// It did not ask.
    NotAsked,
}

impl Session {
    /// The record of a decision.
    pub(super) fn decided(
        &self,
        call_id: &str,
        tool: &str,
        decision: &Decision,
        answer: Answer,
    ) -> LoggedDecision {
        let mode = self.control.mode();
        let answer = match answer {
            Answer::Given(answer) => Some(answer),
            Answer::Nobody => Some("nobody"),
            Answer::Cancelled => Some("cancelled"),
            Answer::NotAsked => None,
        };
        LoggedDecision {
            call_id: call_id.into(),
            tool: tool.into(),
            verdict: match decision.decision {
                Verdict::Allow => "allow",
                Verdict::Ask => "ask",
                Verdict::Deny => "deny",
            }
            .into(),
            answer: answer.map(Into::into),
            rule: decision.rule.clone(),
            origin: decision.origin.clone(),
            why: reason(decision),
            mode: mode.name().into(),
            policy: self.permissions.policy_hash(mode),
            sandbox: self.sandbox_level().into(),
            network: decision.network.clone(),
        }
    }

    /// Which weights answer, when that is not what was logged last in this process. A file that was never hashed is hashed beside
    /// the work, and its record follows.
    pub(crate) fn note_model(&mut self) -> Result<(), LogError> {
        let info = self.provider.info();
        let mut used = UsedModel {
            name: info.model.clone(),
            provider: info.provider.clone(),
            local: info.local,
            hash: None,
        };
        used.hash = match self.provider.weights() {
            None => None,
            Some(ModelSource::Static(bytes)) => Some(weights::hash_of(bytes)),
            Some(ModelSource::Path(path)) => weights::known(&self.hashes, &path).or_else(|| {
                let hashes = self.hashes.clone();
                let begin = || std::thread::spawn(move || weights::learn(&hashes, &path));
                let hashing = self.hashing.get_or_insert_with(begin);
                if !hashing.is_finished() {
                    return None;
                }
                self.hashing.take().and_then(|hashing| hashing.join().ok()?.ok())
            }),
        };
        if self.noted_model.as_ref() == Some(&used) {
            return Ok(());
        }
        self.note(&Record::Model(Box::new(used.clone())))?;
        self.noted_model = Some(used);
        Ok(())
    }
}
