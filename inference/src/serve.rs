//! Owns the models of this machine as a service: OpenAI's protocol over HTTP, on loopback or a socket of the file system.
//! Uses axum for HTTP, `registry` for what is loaded, and the common seam for the models.
//! Never answers without the token, never answers a page that a browser was led to, and never opens a model that was not
//! offered.

mod answer;
mod chat;
mod embeddings;
mod error;
mod fields;
mod gate;
mod registry;
mod slots;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::error::Fault;
use self::gate::Gate;
use self::registry::Registry;
pub use self::registry::{Embedder, Listed, Models, OpenError};
use self::slots::Slots;
use crate::provider::Sampling;

/// Bodies beyond this are refused: a prompt of a million tokens has about four megabytes.
const BODY_LIMIT: usize = 16 << 20;
/// Whoever has not sent the whole request by then is let go.
const BODY_TIME: Duration = Duration::from_secs(60);
/// How long the end waits for answers that are cancelled: each ends within a token.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often is looked whether a model has been idle for long enough.
const LOOK: Duration = Duration::from_secs(1);

/// How models are served.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// Whoever asks must show it.
    pub token: String,
    /// The model of a request that names none.
    pub default_model: String,
    /// How tokens are drawn where the request does not say.
    pub sampling: Sampling,
    /// Requests that are answered at once.
    pub parallel: usize,
    /// Requests that may wait beside those; more are told to come back.
    pub queue: usize,
    /// Models that are in memory at once.
    pub most_models: usize,
    /// A model that nobody asked for so long is dropped; never when `None`.
    pub keep_alive: Option<Duration>,
    /// Names by which this machine may be asked, beside its addresses and `localhost`.
    pub host_names: Vec<String>,
}

/// Where requests come in.
#[derive(Debug)]
pub enum Door {
    /// A TCP socket that listens.
    Tcp(tokio::net::TcpListener),
    /// A socket of the file system that listens.
    #[cfg(unix)]
    Unix(tokio::net::UnixListener),
}

/// What every request needs.
struct Shared {
    options: ServeOptions,
    registry: Arc<Registry>,
    slots: Slots,
    /// Ends every answer.
    stop: CancellationToken,
    /// When the service began, in seconds since 1970.
    began: u64,
    /// Requests so far: ids and seeds that nobody chose come from it.
    count: AtomicU64,
}

impl Shared {
    /// A number that no other request of this process has.
    fn number(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

type Served = Arc<Shared>;

/// Serve until `until` is done. Answers that run then are cancelled.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    door: Door,
    models: Arc<dyn Models>,
    options: ServeOptions,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let stop = CancellationToken::new();
    let told = tokio::spawn({
        let stop = stop.clone();
        async move {
            until.await;
            stop.cancel();
        }
    });
    let address = match &door {
        Door::Tcp(listener) => Some(listener.local_addr()?),
        #[cfg(unix)]
        Door::Unix(_) => None,
    };
    let registry = Arc::new(Registry::new(models, options.most_models));
    let keeper = options.keep_alive.map(|idle| {
        let (registry, stop) = (Arc::clone(&registry), stop.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(LOOK.min(idle)) => registry.drop_idle(idle),
                }
            }
        })
    });
    let app = router(address, options, registry, stop.clone());
    let ending = stop.clone().cancelled_owned();
    let served = async {
        match door {
            Door::Tcp(listener) => axum::serve(listener, app).with_graceful_shutdown(ending).await,
            #[cfg(unix)]
            Door::Unix(listener) => axum::serve(listener, app).with_graceful_shutdown(ending).await,
        }
    };
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_WORDS).await;
    };
    let result = tokio::select! {
        result = served => result,
        () = late => Ok(()),
    };
    stop.cancel();
    told.abort();
    if let Some(keeper) = keeper {
        // It ends with `stop`; that it panicked, if it did, has been said.
        let _ = keeper.await;
    }
    result
}

fn router(
    address: Option<SocketAddr>,
    options: ServeOptions,
    registry: Arc<Registry>,
    stop: CancellationToken,
) -> Router {
    let gate = Arc::new(Gate::new(&options.token, address, &options.host_names));
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let shared = Arc::new(Shared {
        slots: Slots::new(options.parallel, options.queue),
        options,
        registry,
        stop,
        began: since.as_secs(),
        count: AtomicU64::new(0),
    });
    Router::new()
        .route("/health", get(health))
        .route("/v1/models", get(models))
        .route("/v1/models/{*id}", get(model))
        .route("/v1/chat/completions", post(chat::complete))
        .route("/v1/embeddings", post(embeddings::embed))
        .fallback(nowhere)
        .method_not_allowed_fallback(other_method)
        .layer(axum::middleware::from_fn_with_state(gate, gate::pass))
        // Bodies are read by hand, with our own limit and our own words.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

/// A JSON answer.
fn answer(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The body of a request as a JSON object.
async fn body(request: Request) -> Result<serde_json::Map<String, Value>, Fault> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| !kind.trim_start().to_ascii_lowercase().starts_with("application/json")) {
        return Err(Fault::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json"));
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok()).unwrap_or(0);
    let too_large =
        || Fault::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {BODY_LIMIT} bytes"));
    if length > BODY_LIMIT as u64 {
        return Err(too_large());
    }
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(request.into_body(), BODY_LIMIT));
    let bytes: Bytes = match read.await {
        Err(_) => return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
        Ok(Err(_)) => return Err(too_large()),
        Ok(Ok(bytes)) => bytes,
    };
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Fault::bad("the body must be a JSON object")),
        Err(error) => Err(Fault::bad(format!("the body is not JSON: {error}"))),
    }
}

async fn health() -> Response {
    answer(StatusCode::OK, &json!({ "status": "ok" }))
}

async fn models(State(shared): State<Served>) -> Result<Response, Fault> {
    let listed = shared.registry.list().await?;
    let data: Vec<Value> = listed.iter().map(|(listed, loaded)| listed.as_json(&shared, *loaded)).collect();
    Ok(answer(StatusCode::OK, &json!({ "object": "list", "data": data })))
}

async fn model(State(shared): State<Served>, Path(id): Path<String>) -> Result<Response, Fault> {
    let listed = shared.registry.list().await?;
    let found = listed.iter().find(|(listed, _)| listed.name == id);
    let (listed, loaded) = found.ok_or_else(|| Fault::no_model(&id, &listed))?;
    Ok(answer(StatusCode::OK, &listed.as_json(&shared, *loaded)))
}

impl Listed {
    fn as_json(&self, shared: &Shared, loaded: bool) -> Value {
        json!({
            "id": self.name,
            "object": "model",
            "created": shared.began,
            "owned_by": "loci",
            "embeddings": self.embeds,
            "loaded": loaded,
        })
    }
}

async fn nowhere(request: Request) -> Fault {
    let path = request.uri().path().to_owned();
    Fault::new(
        StatusCode::NOT_FOUND,
        format!("there is no {path}: /v1/chat/completions, /v1/embeddings, /v1/models and /health are here"),
    )
}

async fn other_method(request: Request) -> Fault {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    Fault::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} does not take {method}"))
}

#[cfg(test)]
mod tests;
