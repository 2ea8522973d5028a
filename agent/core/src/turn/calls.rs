//! Owns how the calls of a step become outcomes: check, decide, ask, log, keep, run, log.
//! Uses the policy, the journal and the tools.
//! Never runs a call that is not allowed, and never two changing ones at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loci_inference::provider::ToolCall;
use loci_policy::{Decision, Verdict as Permission};
use loci_protocol::{Event, Level, ToolReport};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::approval::reason;
use super::breaker::Verdict;
use super::decided::Answer;
use super::{Stop, Turn, arguments};
use crate::context::Plan;
use crate::context::handle::Handle;
use crate::control::AskUser;
use crate::sandboxing::Grants;
use crate::session::Session;
use crate::session::journal::CallJournal;
use crate::session::log::{LoggedDecision, LoggedOutcome, Record};
use crate::tools::{Ask, Outcome, Tool, ToolContext, jobs};

/// A cancelled tool has so long to end by itself; its processes are killed by `exec` much earlier.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
/// Evidence and locations of one result that the log keeps; the text holds them all.
const LOGGED_PLACES: usize = 64;

/// A call on its way.
pub(super) struct Ready {
    pub(super) call: ToolCall,
    pub(super) tool: Arc<dyn Tool>,
    pub(super) input: Value,
    pub(super) changes: bool,
    pub(super) why: String,
    pub(super) grants: Grants,
    pub(super) decided: Box<LoggedDecision>,
}

/// A call that has ended, one way or the other.
pub(super) struct Ended {
    call: ToolCall,
    input: Value,
    outcome: Outcome,
    ran: bool,
    duration: Duration,
    journal: Option<Arc<CallJournal>>,
    /// For a call that was decided and did not run.
    decided: Option<Box<LoggedDecision>>,
}

impl Session {
    /// Run the calls of one step. Their results are in the conversation and in the log when this returns.
    pub(crate) async fn run_calls(&mut self, turn: &mut Turn, calls: Vec<ToolCall>) -> Result<(), Stop> {
        // Looking things up can be done side by side; a change waits for what came before it and holds up the rest.
        let mut batch: Vec<Ready> = Vec::new();
        let mut stopped = None;
        for call in calls {
            turn.tool_calls += 1;
            if stopped.is_some() || turn.cancel.is_cancelled() {
                self.finish_batch(turn, &mut batch).await?;
                let outcome = Outcome::failed("not run: the turn was cancelled");
                self.record(turn, refused(call, outcome))?;
                continue;
            }
            match self.prepare(turn, call).await {
                Ok(ready) if ready.changes => {
                    self.finish_batch(turn, &mut batch).await?;
                    batch.push(ready);
                    self.finish_batch(turn, &mut batch).await?;
                }
                Ok(ready) => batch.push(ready),
                Err(ended) => {
                    // In order, so that the model finds results where it made the calls.
                    self.finish_batch(turn, &mut batch).await?;
                    if let Err(stop) = self.record(turn, *ended) {
                        stopped = Some(stop);
                    }
                }
            }
        }
        self.finish_batch(turn, &mut batch).await?;
        stopped.map_or(Ok(()), Err)
    }

    /// From the model's words to a call that may run, or to the outcome that says why not.
    async fn prepare(&mut self, turn: &mut Turn, call: ToolCall) -> Result<Ready, Box<Ended>> {
        let given = Value::Object(call.arguments.clone());
        let Some(tool) = self.tools.iter().find(|tool| tool.name() == call.name).cloned() else {
            let names: Vec<&str> = self.tools.iter().map(|tool| tool.name()).collect();
            let message = format!("there is no tool `{}`; there are {}", call.name, names.join(", "));
            self.announce(&call, &given, &call.name.clone());
            return Err(Box::new(refused(call, Outcome::failed(message))));
        };
        let input = match arguments::check(&tool.parameters(), call.arguments.clone()) {
            Ok(input) => input,
            Err(message) => {
                self.announce(&call, &given, tool.name());
                return Err(Box::new(refused(call, Outcome::failed(message))));
            }
        };
        let context = self.tool_context(turn, None, Grants::default());
        let input = match self.put_back(&call, input, &context) {
            Ok(input) => input,
            Err(message) => {
                self.announce(&call, &given, tool.name());
                return Err(Box::new(refused(call, Outcome::failed(message))));
            }
        };
        self.announce(&call, &input, &tool.summary(&input));
        if turn.breaker.refuses(tool.name(), &input) {
            let message = "refused: this call was made again and again with the same result. Use that result, do something else, or answer.";
            return Err(Box::new(refused(call, Outcome::failed(message))));
        }
        if let Err(stop) = self.await_refresh(&turn.cancel).await {
            let message = if stop.failure.is_some() {
                "not run: internal error"
            } else {
                "not run: the turn was cancelled"
            };
            return Err(Box::new(refused(call, Outcome::failed(message))));
        }
        let accesses = match tool.access(&input, &context) {
            Ok(accesses) => accesses,
            Err(message) => return Err(Box::new(refused(call, Outcome::failed(message)))),
        };
        let decision = self.permissions.decide(self.control.mode(), tool.name(), &input, &accesses);
        let mut grants = Grants { network: decision.network.clone(), repository: decision.repository };
        let (why, decided) = match decision.decision {
            Permission::Allow => {
                let decided = self.decided(&call.id, tool.name(), &decision, Answer::NotAsked);
                (reason(&decision), decided)
            }
            Permission::Deny => {
                let decided = self.decided(&call.id, tool.name(), &decision, Answer::NotAsked);
                let said = format!("denied by the permission rules: {}", reason(&decision));
                return Err(Box::new(refused(call, denied(said, NOT_AGAIN)).after(decided)));
            }
            Permission::Ask if !self.control.interactive => {
                let decided = self.decided(&call.id, tool.name(), &decision, Answer::Nobody);
                self.explain_denial(tool.name(), &accesses, &decision);
                let why = reason(&decision);
                let reason =
                    format!("denied: it needs the user's approval ({why}), and nobody is there to give it");
                let outcome = denied(reason, "Do not try it another way; say what you would have done.");
                return Err(Box::new(refused(call, outcome).after(decided)));
            }
            Permission::Ask => {
                let asked = decision.clone();
                match self.ask_approval(turn, &call.id, tool.as_ref(), &input, &context, decision).await {
                    Ok(approved) => {
                        let answer = Answer::Given(approved.answer);
                        // The newest look at it says what it opens.
                        let Decision { network, repository, .. } = approved.decision;
                        grants = Grants { network: network.clone(), repository };
                        let asked = Decision { network, repository, ..asked };
                        (approved.why, self.decided(&call.id, tool.name(), &asked, answer))
                    }
                    Err(outcome) => {
                        let answer = if outcome.denied { Answer::Given("no") } else { Answer::Cancelled };
                        let decided = self.decided(&call.id, tool.name(), &asked, answer);
                        return Err(Box::new(refused(call, *outcome).after(decided)));
                    }
                }
            }
        };
        let changes = tool.changes(&input);
        Ok(Ready { call, tool, input, changes, why, grants, decided: Box::new(decided) })
    }

    pub(super) fn announce(&self, call: &ToolCall, input: &Value, summary: &str) {
        self.control.emit(Event::ToolStarted {
            call_id: call.id.clone(),
            tool: call.name.clone(),
            input: input.clone(),
            summary: summary.into(),
        });
    }

    /// What tools get. With a journal when the call may change files.
    pub(crate) fn tool_context(
        &self,
        turn: &Turn,
        journal: Option<Arc<CallJournal>>,
        grants: Grants,
    ) -> ToolContext {
        let ask: Option<Arc<dyn Ask>> = if self.control.interactive {
            Some(Arc::new(AskUser { control: self.control.clone(), cancel: turn.cancel.clone() }))
        } else {
            None
        };
        ToolContext {
            workspace: self.workspace.clone(),
            index: self.index.clone(),
            journal: match journal {
                Some(journal) => journal,
                None => self.journal.clone(),
            },
            ask,
            recall: Some(Arc::new(self.context.remembering())),
            older: self.older.clone(),
            spool_dir: self.spool_dir.clone(),
            todos: self.todos.clone(),
            sandboxing: self.sandboxing.clone(),
            grants,
            background: self.background.clone(),
            tasks: self.tasks.clone(),
            cancel: turn.cancel.clone(),
        }
    }

    /// Run what is ready, side by side, and record the outcomes in the order of the calls.
    pub(super) async fn finish_batch(&mut self, turn: &mut Turn, batch: &mut Vec<Ready>) -> Result<(), Stop> {
        if batch.is_empty() {
            return Ok(());
        }
        let changing = batch.iter().any(|ready| ready.changes);
        if let Err(stop) = self.begin_batch(batch, changing) {
            for ready in batch.drain(..) {
                let outcome = Outcome::failed("not run: the session could not be written");
                // It is in memory, and written when that is possible again.
                let _ = self.record(turn, refused(ready.call, outcome));
            }
            return Err(stop);
        }
        let running: Vec<_> = batch
            .drain(..)
            .map(|ready| {
                let journal = ready.changes.then(|| self.journal.begin(turn.number, &ready.call.id));
                let context = self.tool_context(turn, journal.clone(), ready.grants.clone());
                run(ready, context, journal, turn.cancel.clone())
            })
            .collect();
        let mut ended = futures::future::join_all(running).await;
        for one in &ended {
            if let Some(journal) = &one.journal
                && let Err(error) = journal.finish()
            {
                self.control.notice(Level::Warning, format!("undo may refuse this change: {error}"), None);
            }
        }
        for notice in self.journal.take_notices() {
            self.control.notice(Level::Warning, notice, None);
        }
        if changing {
            self.refresh_after(&ended).await;
        }
        // What ran is told and kept in memory also where it cannot be written.
        let mut written = Ok(());
        for one in &mut ended {
            self.worded(turn, one);
            written = self.log_outcome(one).and(written);
        }
        if changing {
            written = written.and_then(|()| Ok(self.log.commit()?));
        }
        for one in ended {
            self.tell(turn, one);
        }
        written
    }

    /// Log what is about to run.
    fn begin_batch(&mut self, batch: &[Ready], changing: bool) -> Result<(), Stop> {
        self.check_storage()?;
        for ready in batch {
            self.note(&Record::Decision(ready.decided.clone()))?;
            self.note(&Record::Intent {
                call_id: ready.call.id.clone(),
                tool: ready.call.name.clone(),
                input: ready.input.clone(),
                why: ready.why.clone(),
            })?;
        }
        if changing || self.audit_required {
            // Looking something up again after a power cut harms nobody, so only changes pay for syncs of their own;
            // a killed process loses neither, since lines are written at once.
            self.log.commit()?;
        }
        Ok(())
    }

    /// The index takes in what the calls changed before the next step looks.
    async fn refresh_after(&mut self, ended: &[Ended]) {
        let commands =
            ended.iter().any(|one| one.ran && matches!(one.call.name.as_str(), "bash" | "run" | "git"));
        if commands {
            self.start_refresh();
            return;
        }
        let changed: Vec<String> = ended.iter().flat_map(|one| one.outcome.changed.iter().cloned()).collect();
        if changed.is_empty() {
            return;
        }
        let index = self.index.clone();
        let updated = tokio::task::spawn_blocking(move || index.update(&changed)).await;
        let error = match updated {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        self.control.notice(Level::Warning, format!("the index did not take in a change: {error}"), None);
    }

    /// Record a call that did not run.
    pub(super) fn record(&mut self, turn: &mut Turn, mut ended: Ended) -> Result<(), Stop> {
        let decided = ended.decided.take();
        let noted = decided.map_or(Ok(()), |decided| self.note(&Record::Decision(decided)));
        self.worded(turn, &mut ended);
        let written = self.log_outcome(&ended);
        self.tell(turn, ended);
        noted?;
        written
    }

    /// What the model reads of an outcome: the breaker's word with it, and one line for what stands in the window.
    fn worded(&mut self, turn: &mut Turn, ended: &mut Ended) {
        let outcome = &mut ended.outcome;
        let verdict =
            turn.breaker.note(&ended.call.name, &ended.input, &outcome.text, !outcome.changed.is_empty());
        self.named.add_text(&outcome.text, file_of(&ended.call.name, &ended.input));
        if outcome.ok
            && ended.call.name == "read"
            && let Some((entry, left_out)) = self.context.seen_already(&ended.call, &outcome.text)
        {
            let handle = Handle { entry, lines: None };
            let rest = left_out.map_or(String::new(), |lines| {
                format!("; recall {handle}:{}-{} shows what is left out there", lines.start, lines.end - 1)
            });
            // It may leave the window before the model reads this.
            outcome.text = format!(
                "{}: unchanged since {handle} above{rest}. Where {handle} is gone, recall shows it.",
                outcome.brief
            );
        }
        if matches!(ended.call.name.as_str(), "bash" | "run" | "jobs") {
            for job in self.background.take_finished() {
                outcome.text.push_str(&format!("\n[{}]", jobs::told(&job)));
            }
        }
        if verdict == Verdict::Banned {
            outcome.text.push_str("\n[The same call has now given the same result three times. It will not be run again in this turn.]");
        }
    }

    fn log_outcome(&mut self, ended: &Ended) -> Result<(), Stop> {
        let outcome = &ended.outcome;
        let plan = Plan::new(self.budget(), self.head_tokens);
        let fold = self.context.fold_for(&outcome.text, &plan, &self.meter);
        self.note(&Record::Outcome(Box::new(LoggedOutcome {
            call_id: ended.call.id.clone(),
            tool: ended.call.name.clone(),
            ok: outcome.ok,
            text: outcome.text.clone(),
            brief: outcome.brief.clone(),
            summary: outcome.summary.clone(),
            locations: outcome.locations.iter().take(LOGGED_PLACES).cloned().collect(),
            evidence: outcome.evidence.iter().take(LOGGED_PLACES).cloned().collect(),
            diff: outcome.diff.clone(),
            changed: outcome.changed.clone(),
            files: ended.journal.as_ref().map(|journal| journal.files()).unwrap_or_default(),
            duration_ms: millis(ended.duration),
            whole: outcome.whole.clone(),
            fold,
        })))?;
        if ended.ran && ended.call.name == "todo" {
            let items = self.todos.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            self.note(&Record::Todos { items })?;
        }
        Ok(())
    }

    /// The outcome goes to the turn's report and to the front end.
    fn tell(&mut self, turn: &mut Turn, ended: Ended) {
        let Ended { call, outcome, duration, .. } = ended;
        for path in &outcome.changed {
            if !turn.changed.contains(path) {
                turn.changed.push(path.clone());
            }
        }
        self.named.add(&outcome.locations);
        self.named.add(outcome.evidence.iter().map(|evidence| &evidence.location));
        let grounded = self.provider.info().capabilities.grounded;
        // Whoever typed a command wants to see what it printed, however little the model reads.
        let brief = grounded && !call.id.starts_with(super::shell::TYPED);
        let text = if brief { outcome.brief.clone() } else { outcome.text.clone() };
        self.control.emit(Event::ToolFinished(ToolReport {
            call_id: call.id.clone(),
            tool: call.name.clone(),
            ok: outcome.ok,
            summary: outcome.summary.clone(),
            output: text,
            diff: outcome.diff.clone(),
            locations: outcome.locations.iter().take(LOGGED_PLACES).cloned().collect(),
            changed: outcome.changed.clone(),
            duration_ms: millis(duration),
        }));
        match call.name.as_str() {
            "todo" => self.tell_tasks(),
            "bash" | "run" | "jobs" => self.tell_jobs(),
            _ => {}
        }
        turn.outcomes.push((call, outcome));
    }
}

/// The file that a result with numbered lines is about.
pub(crate) fn file_of<'a>(tool: &str, input: &'a Value) -> Option<&'a str> {
    if tool == "read" { input.get("path").and_then(Value::as_str) } else { None }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// What the model must not do about a denial.
pub(super) const NOT_AGAIN: &str = "Do not try it another way.";

/// A call that may not run: the reason is for both, the advice for the model alone.
pub(super) fn denied(reason: String, advice: &str) -> Outcome {
    Outcome {
        denied: true,
        summary: reason.clone(),
        ..Outcome::failed(format!("{reason}. {advice}").trim_end())
    }
}

impl Ended {
    /// It was decided before it ended.
    pub(super) fn after(mut self, decided: LoggedDecision) -> Self {
        self.decided = Some(Box::new(decided));
        self
    }
}

pub(super) fn refused(call: ToolCall, outcome: Outcome) -> Ended {
    let input = Value::Object(call.arguments.clone());
    Ended { call, input, outcome, ran: false, duration: Duration::ZERO, journal: None, decided: None }
}

/// Run one call on a task of its own: a panic or a tool that blocks its thread must not take the loop with it.
async fn run(
    ready: Ready,
    context: ToolContext,
    journal: Option<Arc<CallJournal>>,
    cancel: CancellationToken,
) -> Ended {
    let started = Instant::now();
    let Ready { call, tool, input, .. } = ready;
    let arguments = input.clone();
    let mut task = tokio::spawn(async move { tool.run(arguments, &context).await });
    let joined = tokio::select! {
        joined = &mut task => Some(joined),
        () = async { cancel.cancelled().await; tokio::time::sleep(CANCEL_GRACE).await } => None,
    };
    let outcome = match joined {
        Some(Ok(outcome)) => outcome,
        Some(Err(error)) if error.is_panic() => {
            let reason = error.into_panic();
            let reason = reason
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
                .or_else(|| reason.downcast_ref::<String>().cloned())
                .unwrap_or_else(|| "unknown reason".into());
            Outcome::failed(format!(
                "the tool failed in itself ({reason}); this is a defect of Loci, do something else"
            ))
        }
        Some(Err(_)) => Outcome::failed("the tool was cancelled"),
        None => {
            task.abort();
            Outcome::failed("the tool was cancelled and did not end in time; what it did is unknown")
        }
    };
    Ended { call, input, outcome, ran: true, duration: started.elapsed(), journal, decided: None }
}
