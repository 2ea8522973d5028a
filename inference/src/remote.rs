//! Owns models behind HTTP: one provider for every service, whatever protocol it speaks.
//! Uses one exchange (connection, patience, streams) and one room for each wire format.
//! Never writes a key anywhere, and never reports a call of an answer that is not whole.

mod answer;
mod connection;
mod exchange;
mod fault;
mod keep;
mod patience;
mod wire;

use std::fmt;
use std::sync::{Arc, Mutex};

use futures::stream;
use reqwest::header::HeaderValue;
use reqwest::{Client, Url};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use self::patience::Patience;

use self::keep::Kept;
use crate::catalog::Protocol;
use crate::provider::{
    Capabilities, EventStream, Price, Provider, ProviderError, ProviderInfo, Request, StreamEvent,
};
use crate::service::Service;

/// A key. It is sent, and shown nowhere.
#[derive(Clone)]
pub struct ApiKey(String);

impl ApiKey {
    /// Take a key; white space around it is an accident of copying.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim().to_owned())
    }

    /// As the value of a header, after `prefix`.
    fn header(&self, prefix: &str) -> Result<HeaderValue, ProviderError> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", self.0)).map_err(|_| {
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

/// Where a model is and how it is asked.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// The service's name, for people.
    pub name: String,
    /// What it speaks.
    pub protocol: Protocol,
    /// Up to and including the version: `https://host/v1`.
    pub base_url: String,
    /// The model's name on the wire.
    pub model: String,
    /// The key, if the service wants one.
    pub key: Option<ApiKey>,
    /// Tokens the model holds.
    pub context_length: usize,
    /// It takes pictures.
    pub images: bool,
    /// What it charges, where that is known.
    pub price: Option<Price>,
    /// What else the service wants.
    pub service: Service,
    /// Certificates (PEM) that are trusted beside those of the system.
    pub certificates: Vec<Vec<u8>>,
    /// How long to wait.
    pub patience: Patience,
}

impl RemoteOptions {
    /// A service with nothing out of the ordinary.
    pub fn new(
        name: impl Into<String>,
        protocol: Protocol,
        base_url: impl Into<String>,
        model: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            protocol,
            base_url: base_url.into(),
            model: model.into(),
            key: None,
            context_length: 32_768,
            images: false,
            price: None,
            service: Service::default(),
            certificates: Vec::new(),
            patience: Patience::default(),
        }
    }
}

/// A model behind a service.
#[derive(Debug, Clone)]
pub struct RemoteProvider {
    client: Client,
    url: Url,
    options: Arc<RemoteOptions>,
    info: ProviderInfo,
    kept: Arc<Mutex<Kept>>,
}

impl RemoteProvider {
    /// Check address, headers and certificates and get ready; nothing is sent yet.
    ///
    /// # Errors
    /// `Rejected` when something of it cannot be used, `Unauthorized` for a key that no header may hold.
    pub fn new(options: RemoteOptions) -> Result<Self, ProviderError> {
        let url = connection::address(&options)?;
        let client = connection::client(&url, &options)?;
        let info = ProviderInfo {
            model: options.model.clone(),
            provider: options.name.clone(),
            endpoint: Some(url.origin().ascii_serialization()),
            local: false,
            context_length: options.context_length,
            capabilities: Capabilities { composes: true, grounded: false, images: options.images },
            price: options.price,
        };
        Ok(Self { client, url, options: Arc::new(options), info, kept: Arc::default() })
    }

    /// The error without the key.
    fn redacted(&self, error: ProviderError) -> ProviderError {
        let Some(key) = &self.options.key else { return error };
        match error {
            ProviderError::Unauthorized { message } => {
                ProviderError::Unauthorized { message: key.redact(&message) }
            }
            ProviderError::Rejected { message } => ProviderError::Rejected { message: key.redact(&message) },
            ProviderError::Unavailable { message } => {
                ProviderError::Unavailable { message: key.redact(&message) }
            }
            ProviderError::Malformed { message } => {
                ProviderError::Malformed { message: key.redact(&message) }
            }
            other => other,
        }
    }
}

type Event = Result<StreamEvent, ProviderError>;

impl Provider for RemoteProvider {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    fn stream(&self, request: Request, cancel: CancellationToken) -> EventStream {
        let (sender, receiver) = mpsc::unbounded_channel();
        let this = self.clone();
        let driver = async move {
            let result = cancel.run_until_cancelled(exchange::run(&this, request, &sender)).await;
            if let Err(error) = result.unwrap_or(Err(ProviderError::Cancelled)) {
                let _ = sender.send(Err(this.redacted(error)));
            }
        };
        let driver: exchange::Driver = Box::pin(driver);
        Box::pin(stream::unfold((Some(driver), receiver), exchange::next))
    }

    fn count_tokens(&self, _request: &Request) -> Option<usize> {
        None
    }
}

#[cfg(test)]
mod tests;
