//! Owns the faults of the service: status, kind and words, in the shape that OpenAI's clients read.
//! Uses the errors of providers.
//! Never says more of this machine than the request needs to know.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::registry::{Listed, OpenError};
use crate::provider::ProviderError;

/// Whoever is told to come back is told to do so after so many seconds, where nobody knows better.
const USUAL_WAIT: u64 = 1;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The status.
    pub(super) status: StatusCode,
    /// What is wrong, for a person.
    pub(super) message: String,
    /// The field of the request that is wrong.
    pub(super) param: Option<String>,
    /// A word for a program.
    pub(super) code: Option<&'static str>,
    /// Seconds after which it may be tried again.
    pub(super) retry_after: Option<u64>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), param: None, code: None, retry_after: None }
    }

    /// The request is wrong.
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// A field of the request is wrong.
    pub(super) fn field(param: impl Into<String>, message: impl Into<String>) -> Self {
        let param = param.into();
        Self { message: format!("{param}: {}", message.into()), param: Some(param), ..Self::bad("") }
    }

    /// There is no room now.
    pub(super) fn busy(status: StatusCode, message: impl Into<String>) -> Self {
        Self { retry_after: Some(USUAL_WAIT), ..Self::new(status, message) }
    }

    pub(super) fn no_model(name: &str, listed: &[(Listed, bool)]) -> Self {
        let names: Vec<&str> = listed.iter().map(|(listed, _)| listed.name.as_str()).collect();
        Self {
            code: Some("model_not_found"),
            param: Some("model".into()),
            ..Self::new(
                StatusCode::NOT_FOUND,
                format!("there is no model `{name}` here; there are: {}", names.join(", ")),
            )
        }
    }

    /// The word for the class of errors.
    fn kind(&self) -> &'static str {
        match self.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// The object in the body, and in a stream that had begun.
    pub(super) fn as_json(&self) -> Value {
        json!({
            "error": {
                "message": self.message,
                "type": self.kind(),
                "param": self.param,
                "code": self.code,
            }
        })
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = super::answer(self.status, &self.as_json());
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ProviderError> for Fault {
    fn from(error: ProviderError) -> Self {
        let message = error.to_string();
        match error {
            ProviderError::ContextOverflow { .. } => Self {
                code: Some("context_length_exceeded"),
                param: Some("messages".into()),
                ..Self::bad(message)
            },
            ProviderError::Rejected { message } => Self::bad(message),
            ProviderError::RateLimited { retry_after } => Self {
                retry_after: Some(retry_after.map_or(USUAL_WAIT, |wait| wait.as_secs().max(1))),
                ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
            },
            ProviderError::Unavailable { .. } | ProviderError::Cancelled => {
                Self::busy(StatusCode::SERVICE_UNAVAILABLE, message)
            }
            ProviderError::NotSent { .. } | ProviderError::Unauthorized { .. } => {
                Self::new(StatusCode::FORBIDDEN, message)
            }
            ProviderError::Malformed { .. } | ProviderError::Model { .. } => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
            }
        }
    }
}

impl From<OpenError> for Fault {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Failed { message } => {
                Self { code: Some("model_unusable"), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
            }
            OpenError::Busy { message } => Self::busy(StatusCode::SERVICE_UNAVAILABLE, message),
        }
    }
}
