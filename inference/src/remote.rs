//! Owns models behind HTTP: keys, connections, patience.
//! Uses reqwest with rustls, and one file for each wire format.
//! Never writes a key anywhere, and never asks twice once an answer has begun.

mod fault;
pub mod openai;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::{Client, Url};

use crate::provider::ProviderError;

/// A key. It is sent, and shown nowhere.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Take a key; white space around it is an accident of copying.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    fn bearer(&self) -> Result<HeaderValue, ProviderError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).map_err(|_| {
            ProviderError::Unauthorized {
                message: "the key has characters that no header may have".to_owned(),
            }
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// `text` without the key: servers like to quote it in their errors.
    fn redact(&self, text: &str) -> String {
        if self.0.len() < 4 { text.to_owned() } else { text.replace(&self.0, "[key]") }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey([key])")
    }
}

/// How long to wait, and how often to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// From the request to the first byte of the answer: large prompts take their time.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub idle: Duration,
    /// Further tries after the first, before the first byte of an answer only.
    pub retries: u32,
    /// Before the first further try; doubled for each one after it.
    pub backoff: Duration,
    /// A longer wait that the server asks for is left to the caller.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(300),
            idle: Duration::from_secs(90),
            retries: 3,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(20),
        }
    }
}

impl Patience {
    /// How long to wait before try `attempt` (1 is the first further one): doubled each time, and up to a
    /// half more, so that clients that failed together do not come back together.
    fn wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let spread = RandomState::new().hash_one(attempt) % 512;
        let jitter = doubled.mul_f64(spread as f64 / 1024.0);
        (doubled + jitter).max(asked.unwrap_or_default()).min(self.longest_wait)
    }
}

fn client(url: &Url, patience: &Patience) -> Result<Client, ProviderError> {
    let mut builder = Client::builder()
        .connect_timeout(patience.connect)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("loci/", env!("CARGO_PKG_VERSION")));
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| ProviderError::Unavailable { message: fault::chain(&error) })
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
