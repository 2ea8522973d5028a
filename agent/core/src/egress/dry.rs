//! Owns the dry run: what the first request of a session would send, without sending it.
//! Uses a session of its own, of which nothing is kept, with a model that only takes down what it is given.
//! Never opens a socket.

use std::sync::{Arc, Mutex, PoisonError};

use loci_inference::provider::{EventStream, Message, Provider, ProviderError, ProviderInfo, Request};
use loci_protocol::{Event, Op};
use tokio_util::sync::CancellationToken;

use super::{Part, parts};
use crate::config::Places;
use crate::session::{Session, SessionError, SessionOptions};

/// What would be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Would {
    /// Where its words come from.
    pub parts: Vec<Part>,
    /// Bytes of them together.
    pub bytes: u64,
    /// Secrets that would be replaced.
    pub redactions: usize,
    /// Texts that would be kept on this machine.
    pub stubs: usize,
}

/// A model that takes down what it is given, and answers nothing.
struct Taker {
    inner: Arc<dyn Provider>,
    taken: Mutex<Option<Request>>,
}

impl Provider for Taker {
    fn info(&self) -> &ProviderInfo {
        self.inner.info()
    }

    fn stream(&self, request: Request, _cancel: CancellationToken) -> EventStream {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(request);
        let error = ProviderError::NotSent { message: "this is a dry run".into() };
        Box::pin(futures::stream::iter([Err(error)]))
    }

    fn count_tokens(&self, request: &Request) -> Option<usize> {
        self.inner.count_tokens(request)
    }

    fn count_text(&self, text: &str) -> Option<usize> {
        self.inner.count_text(text)
    }
}

/// What this prompt would send as the first of a session.
///
/// # Errors
/// When the session cannot be opened.
pub async fn run(mut options: SessionOptions, prompt: &str) -> Result<Would, SessionError> {
    let taker = Arc::new(Taker { inner: options.provider, taken: Mutex::default() });
    options.provider = taker.clone();
    let folder = options.places.cache.join(format!("dry-run-{}", uuid::Uuid::now_v7()));
    options.places =
        Places { data: folder.join("data"), state: folder.join("state"), ..options.places.clone() };
    let ran = ask(options, prompt).await;
    // What is left of it is in the cache, and is no harm.
    let _ = std::fs::remove_dir_all(&folder);
    ran?;
    let request = taker.taken.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
    let parts = parts::of(&request);
    let count = |words: &str| {
        let texts = request.messages.iter().map(|message| match message {
            Message::System { text } | Message::User { text, .. } | Message::Tool { text, .. } => text,
            Message::Assistant { text, .. } => text,
        });
        texts.map(|text| text.matches(words).count()).sum()
    };
    let bytes = parts.iter().map(|part| part.bytes).sum();
    Ok(Would { parts, bytes, redactions: count("[redacted: "), stubs: count("[kept on this machine") })
}

async fn ask(options: SessionOptions, prompt: &str) -> Result<(), SessionError> {
    let mut handle = Session::open(options).await?;
    // A session that ends says so through its events.
    let _ = handle.ops.send(Op::Prompt { text: prompt.to_owned() }).await;
    while let Some(event) = handle.events.recv().await {
        if matches!(event, Event::TurnFinished(_)) {
            break;
        }
    }
    handle.close().await;
    Ok(())
}
