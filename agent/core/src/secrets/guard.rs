//! Owns what a model that runs elsewhere gets to read: [`Guarded`] stands before it and takes secrets and labelled content out of
//! every request, whatever way they came into it.
//! Uses a [`Redactor`] and [`Prints`] that live as long as the session, and the ledger of what leaves.
//! Never lets a request go round it, and never changes what comes back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use loci_inference::engine::ModelSource;
use loci_inference::provider::{EventStream, Message, Provider, ProviderInfo, Request, ToolCall};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::Redactor;
use crate::egress::{Ledger, Shipment, parts};
use crate::labels::Prints;
use crate::session::log::Record;

/// What stands before a model that runs elsewhere: it takes out secrets and what never leaves this machine, and has each
/// transmission written down before it begins.
pub struct Guarded {
    inner: Arc<dyn Provider>,
    /// Nothing where the user lets secrets through.
    redactor: Option<Arc<Redactor>>,
    prints: Arc<Prints>,
    /// Where transmissions are written down, and what is known of them beforehand; nothing for what leaves no process.
    ledger: Option<(Ledger, Shipment)>,
    /// Texts that were looked at. A request holds nearly every text of the one before it.
    seen: Mutex<Seen>,
}

/// By the hash of a text what became of it, nothing where it stayed as it was.
#[derive(Default)]
struct Seen {
    /// Of the prints with which it was looked at.
    generation: u64,
    texts: HashMap<blake3::Hash, Option<Clean>>,
}

#[derive(Clone)]
struct Clean {
    text: Arc<str>,
    redactions: usize,
    stubs: usize,
}

/// What was taken out of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct TakenOut {
    redactions: usize,
    stubs: usize,
}

/// A session has about one text for each step; past this many, those of long ago are looked at again.
const REMEMBERED: usize = 8192;

/// In the place of a picture that is a labelled file.
const NO_PICTURE: &str = "\n[kept on this machine: a picture]";

impl Guarded {
    /// Stand before a provider.
    #[must_use]
    pub fn new(
        inner: Arc<dyn Provider>,
        redactor: Option<Arc<Redactor>>,
        prints: Arc<Prints>,
        ledger: Option<(Ledger, Shipment)>,
    ) -> Self {
        Self { inner, redactor, prints, ledger, seen: Mutex::default() }
    }

    /// The request as it may be sent, with whoever writes it down.
    fn clean(&self, mut request: Request) -> Request {
        let mut out = TakenOut::default();
        // A model of this machine reads everything; it is only written down.
        if !self.inner.info().local {
            out = self.take_out(&mut request);
        }
        if let Some((ledger, shipment)) = &self.ledger {
            request.witness = Some(ledger.witness(Shipment {
                parts: parts::of(&request),
                redactions: out.redactions,
                stubs: out.stubs,
                ..shipment.clone()
            }));
        }
        request
    }

    fn take_out(&self, request: &mut Request) -> TakenOut {
        let out = &mut TakenOut::default();
        for message in &mut request.messages {
            match message {
                Message::System { text } | Message::Tool { text, .. } => self.clean_text(text, out),
                Message::User { text, images } => {
                    self.clean_text(text, out);
                    let before = images.len();
                    images.retain(|image| !self.prints.knows(&image.data));
                    for _ in images.len()..before {
                        text.push_str(NO_PICTURE);
                        out.stubs += 1;
                    }
                }
                Message::Assistant { text, reasoning, calls } => {
                    self.clean_text(text, out);
                    if let Some(reasoning) = reasoning {
                        self.clean_text(reasoning, out);
                    }
                    calls.iter_mut().for_each(|call| self.clean_call(call, out));
                }
            }
        }
        for tool in &mut request.tools {
            self.clean_text(&mut tool.description, out);
            tool.parameters = self.prints.clean_value(&tool.parameters);
        }
        // They are not sent, and count for nothing.
        let unsent = &mut TakenOut::default();
        request.references.iter_mut().for_each(|text| self.clean_text(text, unsent));
        *out
    }

    fn clean_text(&self, text: &mut String, out: &mut TakenOut) {
        let hash = blake3::hash(text.as_bytes());
        let generation = self.prints.generation();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.texts.len() >= REMEMBERED || seen.generation != generation {
            seen.texts.clear();
            seen.generation = generation;
        }
        let clean = seen.texts.entry(hash).or_insert_with(|| {
            let (kept, stubs) = self.prints.clean(text);
            let (clean, redactions) = match &self.redactor {
                Some(redactor) => {
                    let redacted = redactor.redact(&kept);
                    (Arc::from(redacted.text.as_ref()), redacted.found.len())
                }
                None => (Arc::from(kept.as_ref()), 0),
            };
            (stubs + redactions > 0).then_some(Clean { text: clean, redactions, stubs })
        });
        if let Some(clean) = clean {
            text.clear();
            text.push_str(&clean.text);
            out.redactions += clean.redactions;
            out.stubs += clean.stubs;
        }
    }

    /// Arguments are read as one text first: there each value stands beside its name.
    fn clean_call(&self, call: &mut ToolCall, out: &mut TakenOut) {
        if let Some(redactor) = &self.redactor
            && let Ok(text) = serde_json::to_string(&call.arguments)
        {
            let redacted = redactor.redact(&text);
            out.redactions += redacted.found.len();
            if let Ok(arguments) = serde_json::from_str::<Map<String, Value>>(&redacted.text) {
                call.arguments = arguments;
            }
        }
        if let Value::Object(arguments) = self.prints.clean_value(&Value::Object(call.arguments.clone()))
            && arguments != call.arguments
        {
            call.arguments = arguments;
            out.stubs += 1;
        }
        call.arguments.values_mut().for_each(|value| self.clean_value(value, out));
    }

    fn clean_value(&self, value: &mut Value, out: &mut TakenOut) {
        match value {
            Value::String(text) => self.clean_text(text, out),
            Value::Array(items) => items.iter_mut().for_each(|item| self.clean_value(item, out)),
            Value::Object(map) => map.values_mut().for_each(|value| self.clean_value(value, out)),
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
pub(crate) fn look_back<'a>(redactor: &Redactor, records: impl Iterator<Item = &'a Record>) {
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
