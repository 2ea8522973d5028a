//! Owns one step of the model: the request that is laid out and the stream that answers it.
//! Uses `context` and the provider.
//! Never runs a call, and never keeps anything of a stream that broke.

use std::time::{Duration, Instant};

use futures::StreamExt;
use loci_inference::provider::{
    Compose, FinishReason, ProviderError, Request, StreamEvent, TokenUsage, ToolCall,
};
use loci_protocol::{Event, Level, StepReport, Usage};

use super::breaker::TextBreaker;
use super::{Stop, Turn, overflow};
use crate::context::{Budget, Frame};
use crate::secrets::guard;
use crate::session::Session;
use crate::session::log::Record;

/// What a step said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
    pub(crate) reasoning: Option<String>,
    pub(crate) calls: Vec<ToolCall>,
    pub(crate) reason: FinishReason,
}

/// Why a step has no answer: a variant for each thing the turn does next.
#[derive(Debug)]
pub(crate) enum StepError {
    Cancelled,
    Repeating,
    Malformed(String),
    RateLimited(Option<Duration>),
    Overflow { limit: usize, needed: usize },
    Unreachable { message: String, hint: Option<&'static str> },
    Failed { message: String, hint: Option<&'static str> },
}

impl From<ProviderError> for StepError {
    fn from(error: ProviderError) -> Self {
        let message = error.to_string();
        match error {
            ProviderError::ContextOverflow { limit, needed } => Self::Overflow { limit, needed },
            ProviderError::RateLimited { retry_after } => Self::RateLimited(retry_after),
            ProviderError::Malformed { message } => Self::Malformed(message),
            ProviderError::Cancelled => Self::Cancelled,
            ProviderError::Unauthorized { .. } => Self::Failed {
                message,
                hint: Some("check the key in the provider's environment variable (api_key_env)"),
            },
            ProviderError::Unavailable { .. } => Self::Unreachable {
                message,
                hint: Some("check base_url and the network, or use a local model with -m"),
            },
            ProviderError::Model { .. } => {
                Self::Failed { message, hint: Some("`loci models` lists models that can be used") }
            }
            ProviderError::NotSent { .. } => Self::Failed {
                message,
                hint: Some("choose a model of this machine with -m, or take it out of the conversation"),
            },
            ProviderError::Rejected { .. } if error.names_no_model() => Self::Failed {
                message,
                hint: Some("the service does not know that model: name another one, as in -m SERVICE/NAME"),
            },
            ProviderError::Rejected { .. } => {
                Self::Failed { message, hint: Some("`loci models NAME` shows what is sent where") }
            }
        }
    }
}

impl Session {
    /// The next request, cut back to the window where it must be.
    pub(crate) async fn lay_out(&mut self, turn: &Turn) -> Result<Request, Stop> {
        if self.control.context_is_wanted() {
            self.show_context();
        }
        let capabilities = self.provider.info().capabilities;
        let narrowed = if capabilities.grounded {
            self.await_refresh(&turn.cancel).await?;
            Some(self.narrowed_tools(turn).await)
        } else {
            self.confined_tools(turn)
        };
        let frame = Frame {
            // What is trained on bare requests reads no head.
            system: (!capabilities.grounded).then_some(self.head.as_str()),
            tools: narrowed.as_deref().unwrap_or(&self.specs),
            sampling: &self.sampling,
            max_tokens: self.max_tokens,
        };
        let budget = Budget::new(self.window, self.max_tokens);
        let laid_out = self
            .context
            .lay_out(&frame, &self.meter, budget)
            .map_err(|error| overflow(error.needed + error.reserve, error.window))?;
        for decision in &laid_out.decisions {
            self.log.append(decision)?;
            if let Record::Compacted(compaction) = decision {
                self.control.emit(Event::Compacted {
                    before: compaction.before,
                    after: compaction.after,
                    message: compaction.message(),
                });
            }
        }
        self.summed = laid_out.summed;
        Ok(laid_out.request)
    }

    /// The provider counts more tokens than we do: make the window smaller in proportion.
    pub(crate) fn shrink(&mut self, limit: usize, needed: usize) {
        let ratio = limit as f64 / needed.max(1) as f64;
        self.window = ((self.window as f64 * ratio * 0.9) as usize).min(limit);
    }

    /// Stream an answer to its end.
    pub(crate) async fn stream(&mut self, turn: &mut Turn, request: Request) -> Result<Answer, StepError> {
        let cancel = turn.cancel.child_token();
        // Whatever way this ends, the request ends with it.
        let _guard = cancel.clone().drop_guard();
        let request = self.with_pictures(request);
        let (begun, mut first) = (Instant::now(), None);
        let mut stream = self.provider.stream(request, cancel);
        self.tell_of_secrets();
        let (mut text, mut reasoning) = (String::new(), String::new());
        let mut calls: Vec<ToolCall> = Vec::new();
        let (mut answer_breaker, mut reasoning_breaker) = (TextBreaker::default(), TextBreaker::default());
        let mut composed: Option<Compose> = None;
        let reason = loop {
            let event = tokio::select! {
                biased;
                () = turn.cancel.cancelled() => {
                    turn.answer = text;
                    return Err(StepError::Cancelled);
                }
                () = self.control.context_wanted() => {
                    self.show_context();
                    continue;
                }
                event = stream.next() => event,
            };
            if first.is_none()
                && matches!(
                    event,
                    Some(Ok(StreamEvent::Text(_) | StreamEvent::Reasoning(_) | StreamEvent::ToolCall(_)))
                )
            {
                first = Some(Instant::now());
            }
            match event {
                None => return Err(StepError::Malformed("the stream ended in the middle".into())),
                Some(Err(ProviderError::Cancelled)) if !turn.cancel.is_cancelled() => {
                    return Err(StepError::Malformed("the provider gave up".into()));
                }
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(StreamEvent::Loading { done, total })) => {
                    self.progress("loading the model", done, total, "bytes");
                }
                Some(Ok(StreamEvent::Prefill { done, total })) => {
                    self.progress("reading the prompt", done as u64, total as u64, "tokens");
                }
                Some(Ok(StreamEvent::Retrying { reason, wait })) => {
                    let message = format!("{reason}; asking again in {:.1} s", wait.as_secs_f64());
                    self.control.notice(Level::Warning, message, None);
                }
                Some(Ok(StreamEvent::Text(piece))) => {
                    text.push_str(&piece);
                    let repeating = answer_breaker.note(&piece);
                    self.control.emit(Event::TextDelta { text: piece });
                    if repeating {
                        turn.answer = text;
                        return Err(StepError::Repeating);
                    }
                }
                Some(Ok(StreamEvent::Reasoning(piece))) => {
                    reasoning.push_str(&piece);
                    let repeating = reasoning_breaker.note(&piece);
                    self.control.emit(Event::ReasoningDelta { text: piece });
                    if repeating {
                        return Err(StepError::Repeating);
                    }
                }
                Some(Ok(StreamEvent::ToolCall(call))) => calls.push(call),
                Some(Ok(StreamEvent::Compose(compose))) => composed = Some(compose),
                Some(Ok(StreamEvent::Finished { reason, usage })) => {
                    self.meter.observe(self.summed, usize::try_from(usage.prompt).unwrap_or(usize::MAX));
                    turn.usage.prompt_tokens += usage.prompt;
                    turn.usage.cached_tokens += usage.cached;
                    turn.usage.completion_tokens += usage.completion;
                    let used = self.choice.count(self.provider.info(), &usage);
                    used.add_to(&mut turn.models);
                    self.tell_of_step(&usage, begun, first.unwrap_or_else(Instant::now));
                    break reason;
                }
            }
        };
        if let Some(compose) = composed
            && calls.is_empty()
        {
            let worded = self.compose(turn, compose).await;
            self.control.emit(Event::TextDelta { text: worded.clone() });
            text.push_str(&worded);
        }
        if text.trim().is_empty() && calls.is_empty() && reason != FinishReason::Length {
            return Err(StepError::Malformed("it is empty".into()));
        }
        self.make_ids_unique(turn, &mut calls);
        Ok(Answer { text, reasoning: (!reasoning.is_empty()).then_some(reasoning), calls, reason })
    }

    /// How full the window is now, and how fast the answer came.
    fn tell_of_step(&self, usage: &TokenUsage, begun: Instant, first: Instant) {
        let milliseconds = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let used = usage.prompt.saturating_add(usage.completion);
        self.control.emit(Event::StepFinished(StepReport {
            usage: Usage {
                prompt_tokens: usage.prompt,
                cached_tokens: usage.cached,
                completion_tokens: usage.completion,
            },
            used: usize::try_from(used).unwrap_or(usize::MAX),
            window: self.window,
            first_ms: milliseconds(first.duration_since(begun)),
            decode_ms: milliseconds(first.elapsed()),
        }));
    }

    /// Once in a session: that something was taken out of what goes to a model elsewhere.
    fn tell_of_secrets(&mut self) {
        let Some(redactor) = self.redactor.as_ref().filter(|_| !self.told_of_secrets) else { return };
        if let Some(told) = guard::told(&redactor.seen()) {
            self.told_of_secrets = true;
            let hint = "the model sees [redacted: …] in their place; `redact = false` lets them through";
            self.control.notice(Level::Info, told, Some(hint.into()));
        }
    }

    fn progress(&self, task: &str, done: u64, total: u64, unit: &str) {
        self.control.emit(Event::Progress { task: task.into(), done, total: Some(total), unit: unit.into() });
    }

    /// Models number their calls anew in each answer; results are told apart by ids that are unique in the session.
    fn make_ids_unique(&mut self, turn: &Turn, calls: &mut [ToolCall]) {
        for call in calls {
            if call.id.is_empty() || self.call_ids.contains(&call.id) {
                call.id = format!("t{}c{}", turn.number, self.call_ids.len() + 1);
            }
            self.call_ids.insert(call.id.clone());
        }
    }
}
