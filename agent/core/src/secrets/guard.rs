//! Owns what a model that runs elsewhere gets to read: [`Guarded`] stands before it and takes the secrets out of every request.
//! Uses a [`Redactor`] that lives as long as the session, so that what was sent once is sent in the same bytes again.
//! Never lets a request go round it, and never changes what comes back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use loci_inference::engine::ModelSource;
use loci_inference::provider::{EventStream, Message, Provider, ProviderInfo, Request, ToolCall};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::Redactor;
use crate::session::log::Record;

/// A provider that reads no secrets.
pub struct Guarded {
    inner: Arc<dyn Provider>,
    redactor: Arc<Redactor>,
    /// Texts that were looked at: by their hash what became of them, nothing where they stayed as they were. A request holds
    /// nearly every text of the one before it.
    seen: Mutex<HashMap<blake3::Hash, Option<Arc<str>>>>,
}

/// A session has about one text for each step; past this many, those of long ago are looked at again.
const REMEMBERED: usize = 8192;

impl Guarded {
    /// Stand before a provider.
    #[must_use]
    pub fn new(inner: Arc<dyn Provider>, redactor: Arc<Redactor>) -> Self {
        Self { inner, redactor, seen: Mutex::default() }
    }

    /// The request without its secrets.
    fn clean(&self, mut request: Request) -> Request {
        for message in &mut request.messages {
            match message {
                Message::System { text } | Message::User { text, .. } | Message::Tool { text, .. } => {
                    self.clean_text(text);
                }
                Message::Assistant { text, reasoning, calls } => {
                    self.clean_text(text);
                    if let Some(reasoning) = reasoning {
                        self.clean_text(reasoning);
                    }
                    calls.iter_mut().for_each(|call| self.clean_call(call));
                }
            }
        }
        for tool in &mut request.tools {
            self.clean_text(&mut tool.description);
        }
        request.references.iter_mut().for_each(|text| self.clean_text(text));
        request
    }

    fn clean_text(&self, text: &mut String) {
        let hash = blake3::hash(text.as_bytes());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        let clean = seen.entry(hash).or_insert_with(|| {
            let redacted = self.redactor.redact(text);
            (!redacted.found.is_empty()).then(|| Arc::from(redacted.text.as_ref()))
        });
        if let Some(clean) = clean {
            text.clear();
            text.push_str(clean);
        }
    }

    /// Arguments are read as one text first: there each value stands beside its name.
    fn clean_call(&self, call: &mut ToolCall) {
        let Ok(mut text) = serde_json::to_string(&call.arguments) else { return };
        self.clean_text(&mut text);
        if let Ok(arguments) = serde_json::from_str::<Map<String, Value>>(&text) {
            call.arguments = arguments;
        }
        call.arguments.values_mut().for_each(|value| self.clean_value(value));
    }

    fn clean_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.clean_text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item)),
            Value::Object(map) => map.values_mut().for_each(|value| self.clean_value(value)),
            _ => {}
        }
    }
}

impl Provider for Guarded {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        self.inner.stream(self.clean(request), cancel)
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        self.inner.count_tokens(request)
    }

    fn count_text(&self, text: &str) -> Option<usize> {
        self.inner.count_text(text)
    }

    fn weights(&self) -> Option<ModelSource> {
        self.inner.weights()
    }
}

/// Look at what was said before a session was taken up, in the order in which it was sent then: the same secrets get the same
/// numbers, and what the model wrote about them still means the same.
pub(crate) fn look_back(redactor: &Redactor, records: &[Record]) {
    let look = |text: &str| drop(redactor.redact(text));
    for record in records {
        match record {
            Record::Head { text: Some(text), .. } | Record::Prompt { text, .. } => look(text),
            Record::Assistant { text, reasoning, calls, .. } => {
                look(text);
                reasoning.iter().for_each(|reasoning| look(reasoning));
                for call in calls {
                    look(&serde_json::to_string(&call.arguments).unwrap_or_default());
                }
            }
            Record::Outcome(outcome) => look(&outcome.text),
            _ => {}
        }
    }
}

/// What was taken out so far, in one sentence for the user; nothing where nothing was.
#[must_use]
pub fn told(kinds: &[String]) -> Option<String> {
    if kinds.is_empty() {
        return None;
    }
    let mut names: Vec<&str> = Vec::new();
    for kind in kinds {
        if !names.contains(&kind.as_str()) {
            names.push(kind);
        }
    }
    let (count, were) = match kinds.len() {
        1 => ("1 secret".to_owned(), "was"),
        many => (format!("{many} secrets"), "were"),
    };
    Some(format!("{count} {were} replaced before the request left this machine: {}", names.join(", ")))
}
