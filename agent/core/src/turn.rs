//! Owns the life of a turn: prompt → steps of model and tools → report.
//! Uses the session's state, the provider's stream, the policy and the tools.
//! Never lets a claim stand for an effect: what changed comes from outcomes.

mod approval;
pub(crate) mod arguments;
pub(crate) mod breaker;
pub(crate) mod calls;
pub(crate) mod citations;
mod confined;
mod decided;
mod grounded;
mod shell;
pub(crate) mod step;
mod withheld;

use std::time::{Duration, Instant};

use loci_inference::provider::{FinishReason, ToolCall};
use loci_protocol::{
    Event, Failure, FailureKind, Level, Location, ModelUsage, TurnReport, TurnStatus, Usage,
};
use tokio_util::sync::CancellationToken;

use crate::mentions;
use crate::session::Session;
use crate::session::log::{LogError, Record};
use crate::tools::{Outcome, jobs};
use breaker::CallBreaker;
use step::{Answer, StepError};

/// What a turn gathers on its way.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) number: u32,
    /// The user's words, as typed.
    pub(crate) prompt: String,
    pub(crate) cancel: CancellationToken,
    pub(crate) breaker: CallBreaker,
    /// The answer so far: the text of the newest step.
    pub(crate) answer: String,
    /// Places that the program itself cited when it worded the answer.
    pub(crate) composed: Option<Vec<Location>>,
    /// The program said in the model's place that the request was not carried out.
    pub(crate) declined: bool,
    pub(crate) changed: Vec<String>,
    pub(crate) tool_calls: u32,
    pub(crate) usage: Usage,
    /// The same for each model.
    pub(crate) models: Vec<ModelUsage>,
    /// Calls of this turn with their outcomes, for the wording of an answer.
    pub(crate) outcomes: Vec<(ToolCall, Outcome)>,
    started: Instant,
}

impl Turn {
    fn new(number: u32, prompt: String, cancel: CancellationToken) -> Self {
        Self {
            number,
            prompt,
            cancel,
            breaker: CallBreaker::default(),
            answer: String::new(),
            composed: None,
            declined: false,
            changed: Vec::new(),
            tool_calls: 0,
            usage: Usage::default(),
            models: Vec::new(),
            outcomes: Vec::new(),
            started: Instant::now(),
        }
    }
}

/// Why a turn ends before the model has answered.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) status: TurnStatus,
    pub(crate) failure: Option<Failure>,
}

impl Stop {
    pub(crate) fn interrupted() -> Self {
        Self { status: TurnStatus::Interrupted, failure: None }
    }

    pub(crate) fn failed(kind: FailureKind, message: impl Into<String>, hint: Option<&str>) -> Self {
        let failure = Failure { kind, message: message.into(), hint: hint.map(Into::into) };
        Self { status: TurnStatus::Failed, failure: Some(failure) }
    }

    fn looping(message: &str) -> Self {
        let failure = Failure {
            kind: FailureKind::Provider,
            message: message.into(),
            hint: Some("ask in other words, in smaller steps, or use a larger model".into()),
        };
        Self { status: TurnStatus::Looping, failure: Some(failure) }
    }
}

impl From<LogError> for Stop {
    fn from(error: LogError) -> Self {
        Self::failed(
            FailureKind::Storage,
            error.to_string(),
            Some(
                "free some space or check the permissions; the session is kept in memory, and the next prompt writes it again",
            ),
        )
    }
}

/// So long is a wait for a provider that limits its rate, at most.
const LONGEST_RATE_WAIT: Duration = Duration::from_secs(60);
/// And so long when it does not say.
const USUAL_RATE_WAIT: Duration = Duration::from_secs(5);
/// So often a turn waits for it; before each of these the provider itself has asked a few times.
const RATE_WAITS: u32 = 2;
/// So often a malformed answer is asked for again.
const MALFORMED_RETRIES: u32 = 2;

impl Session {
    /// Run a turn to its end, unless it was refused before it began. The report is logged and its events are sent.
    pub(crate) async fn run_turn(
        &mut self,
        refused: Option<Stop>,
        prompt: String,
        cancel: CancellationToken,
    ) -> TurnReport {
        self.turn_number += 1;
        let prompt = mentions::named(self.workspace.root(), &prompt);
        let mut turn = Turn::new(self.turn_number, prompt, cancel);
        if let Some(stop) = refused {
            self.control.emit(Event::TurnStarted { turn: turn.number, prompt: turn.prompt.clone() });
            return self.finish_turn(turn, stop);
        }
        let stop = match self.steps(&mut turn).await {
            Ok(()) if turn.declined => Stop { status: TurnStatus::Declined, failure: None },
            Ok(()) => Stop { status: TurnStatus::Completed, failure: None },
            Err(stop) => stop,
        };
        self.finish_turn(turn, stop)
    }

    async fn steps(&mut self, turn: &mut Turn) -> Result<(), Stop> {
        let mut notes = std::mem::take(&mut self.notes);
        notes.extend(self.background.take_finished().iter().map(jobs::told));
        let grounded = self.provider.info().capabilities.grounded;
        let text = if notes.is_empty() || grounded {
            turn.prompt.clone()
        } else {
            format!("[{}]\n\n{}", notes.join(" "), turn.prompt)
        };
        self.note_model()?;
        self.note_head()?;
        self.note(&Record::Prompt { turn: turn.number, text })?;
        self.log.commit()?;
        self.control.emit(Event::TurnStarted { turn: turn.number, prompt: turn.prompt.clone() });
        self.start_refresh();

        for _ in 0..self.max_steps {
            let answer = match self.answer_to_denial(turn).await {
                Some(answer) => answer,
                None => self.ask(turn).await?,
            };
            let calls = answer.calls;
            turn.answer = answer.text.clone();
            self.note(&Record::Assistant {
                turn: turn.number,
                text: answer.text,
                reasoning: answer.reasoning,
                calls: calls.clone(),
            })?;
            if calls.is_empty() {
                return Ok(());
            }
            self.run_calls(turn, calls).await?;
            if turn.cancel.is_cancelled() {
                return Err(Stop::interrupted());
            }
            if turn.breaker.tripped() {
                return Err(Stop::looping(
                    "the model kept making the same call with the same result, and was stopped",
                ));
            }
        }
        Err(Stop {
            status: TurnStatus::MaxTurns,
            failure: Some(Failure {
                kind: FailureKind::Provider,
                message: format!("the limit of {} steps for one prompt was reached", self.max_steps),
                hint: Some("raise it with --max-turns, or ask it to go on".into()),
            }),
        })
    }

    /// One step of the model: lay out, stream, try again where that helps.
    async fn ask(&mut self, turn: &mut Turn) -> Result<Answer, Stop> {
        let (mut malformed, mut waits, mut shrunk) = (0, 0, false);
        loop {
            self.keep_budget(turn).await?;
            let request = self.lay_out(turn).await?;
            match self.stream(turn, request).await {
                Ok(answer) if answer.reason == FinishReason::Length && !answer.calls.is_empty() => {
                    return Err(Stop::failed(
                        FailureKind::Provider,
                        "the model's answer was cut off at its limit of new tokens, in the middle of a call; the call was not run",
                        Some("raise max_tokens or the context length, or ask for less at once"),
                    ));
                }
                Ok(answer) => {
                    if answer.reason == FinishReason::Length {
                        self.control.notice(
                            Level::Warning,
                            "the answer was cut off at the limit of new tokens",
                            Some("raise max_tokens in the configuration, or ask for the rest".into()),
                        );
                    }
                    return Ok(answer);
                }
                Err(StepError::Cancelled) => return Err(Stop::interrupted()),
                Err(StepError::Repeating) => {
                    return Err(Stop::looping(
                        "the model repeated the same text over and over, and was stopped",
                    ));
                }
                Err(StepError::Malformed(message)) => {
                    malformed += 1;
                    if malformed > MALFORMED_RETRIES {
                        return Err(Stop::failed(
                            FailureKind::Provider,
                            format!("the provider's answer is malformed: {message}"),
                            Some("try again, or use another model"),
                        ));
                    }
                    self.control.notice(
                        Level::Warning,
                        format!("the provider's answer is malformed ({message}); asking again"),
                        None,
                    );
                }
                Err(StepError::RateLimited(retry_after)) => {
                    waits += 1;
                    let wait = retry_after.unwrap_or(USUAL_RATE_WAIT);
                    if waits > RATE_WAITS || wait > LONGEST_RATE_WAIT {
                        let what =
                            format!("it limits the rate of requests and asks to wait {} s", wait.as_secs());
                        if self.fall_back(turn, &what).await? {
                            waits = 0;
                            continue;
                        }
                        return Err(Stop::failed(
                            FailureKind::Provider,
                            format!(
                                "the provider limits the rate of requests; it asks to wait {} s",
                                wait.as_secs()
                            ),
                            Some("try again later, or use another model"),
                        ));
                    }
                    let message = format!(
                        "the provider limits the rate of requests; waiting {:.1} s",
                        wait.as_secs_f32()
                    );
                    self.control.notice(Level::Warning, message, None);
                    tokio::select! {
                        () = turn.cancel.cancelled() => return Err(Stop::interrupted()),
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Err(StepError::Overflow { limit, needed }) => {
                    if shrunk {
                        return Err(overflow(needed, limit));
                    }
                    // The provider counts otherwise than we do: believe its figures and cut once more.
                    shrunk = true;
                    self.shrink(limit, needed);
                }
                Err(StepError::Unreachable { message, hint }) => {
                    if !self.fall_back(turn, &message).await? {
                        return Err(Stop::failed(FailureKind::Provider, message, hint));
                    }
                }
                Err(StepError::Failed { message, hint }) => {
                    return Err(Stop::failed(FailureKind::Provider, message, hint));
                }
            }
        }
    }

    fn finish_turn(&mut self, mut turn: Turn, stop: Stop) -> TurnReport {
        let citations = match turn.composed.take() {
            Some(citations) => citations,
            None => {
                let (good, bad) = self.named.judge(&turn.answer, &self.workspace.root().to_string_lossy());
                if !bad.is_empty() {
                    let list: Vec<String> = bad.iter().map(ToString::to_string).collect();
                    self.control.notice(
                        Level::Warning,
                        format!("not verified, since no tool returned it: {}", list.join(", ")),
                        None,
                    );
                }
                good
            }
        };
        if !turn.outcomes.is_empty() {
            self.last_outcomes = turn.outcomes.drain(..).map(|(_, outcome)| outcome).collect();
        }
        let report = TurnReport {
            turn: turn.number,
            status: stop.status,
            answer: std::mem::take(&mut turn.answer),
            citations,
            changed: turn.changed,
            tool_calls: turn.tool_calls,
            usage: turn.usage,
            models: turn.models,
            duration_ms: u64::try_from(turn.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            failure: stop.failure,
        };
        let logged = self.note(&Record::TurnEnded(Box::new(report.clone()))).and_then(|()| self.log.commit());
        if let Err(error) = logged {
            self.control.notice(
                Level::Error,
                format!("the session cannot be written: {error}"),
                Some("it is kept in memory, and the next prompt writes it again".into()),
            );
        }
        self.control.emit(Event::TurnFinished(report.clone()));
        report
    }
}

/// The failure when not even the newest step fits.
pub(crate) fn overflow(needed: usize, limit: usize) -> Stop {
    Stop::failed(
        FailureKind::ContextOverflow,
        format!("the prompt needs {needed} tokens and the model holds {limit}"),
        Some("shorten the prompt, read smaller ranges, or use a model with a larger window (context_length)"),
    )
}
