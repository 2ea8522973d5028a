//! Owns how a service is reached, as catalogue and configuration say it beside address, name and key.
//! Uses serde only: it is plain data, there in builds without a network, too.
//! Never holds a key, only how one is sent.

use serde::{Deserialize, Serialize};

/// What a service wants that differs from what its protocol usually does. Every key may be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    /// How the key is sent: `bearer`, or the name of the header that carries it. The protocol's own way when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<String>,
    /// Further headers, each `Name: value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Further parts of the query, each `name=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<String>,
    /// A file of certificates (PEM) that are trusted beside those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// `none`, or the address of a proxy: `http://`, `https://`, `socks5://`, `socks5h://`. The system's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Send the key over plain HTTP to another machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_http: Option<bool>,
    /// Seconds to wait for a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<u64>,
    /// Seconds from the request to the first piece of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_timeout: Option<u64>,
    /// Seconds between two pieces of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout: Option<u64>,
    /// Further tries after the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// How much the model reasons before it answers; the service's own default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Effort>,
    /// Whether temperature and the like are sent. Newer models of some services refuse them; when absent, the protocol
    /// and the address decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<bool>,
}

/// How much a model reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    /// Not at all, where the model can do without.
    Off,
    /// A little.
    Low,
    /// As much as most requests need.
    Medium,
    /// As much as it can.
    High,
}

impl Effort {
    /// Every effort, as it is written.
    pub const NAMES: [&str; 4] = ["off", "low", "medium", "high"];

    /// The effort of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Off, Self::Low, Self::Medium, Self::High].into_iter().find(|effort| effort.name() == name)
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl Service {
    /// This one's keys, and those of `below` where this one says nothing. Headers and parts of the query are joined.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        let join = |own: Vec<String>, mut rest: Vec<String>, mark: char| {
            let name = |item: &String| item.split(mark).next().unwrap_or_default().trim().to_lowercase();
            rest.retain(|item| own.iter().all(|one| name(one) != name(item)));
            rest.extend(own);
            rest
        };
        Self {
            auth: self.auth.or(below.auth),
            headers: join(self.headers, below.headers, ':'),
            query: join(self.query, below.query, '='),
            ca_file: self.ca_file.or(below.ca_file),
            proxy: self.proxy.or(below.proxy),
            plain_http: self.plain_http.or(below.plain_http),
            connect_timeout: self.connect_timeout.or(below.connect_timeout),
            first_byte_timeout: self.first_byte_timeout.or(below.first_byte_timeout),
            idle_timeout: self.idle_timeout.or(below.idle_timeout),
            retries: self.retries.or(below.retries),
            reasoning: self.reasoning.or(below.reasoning),
            sampling: self.sampling.or(below.sampling),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_layer_wins_key_by_key() {
        let texts = |items: &[&str]| items.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let below = Service {
            auth: Some("api-key".into()),
            headers: texts(&["X-Title: a", "X-Other: b"]),
            query: texts(&["api-version=1"]),
            retries: Some(1),
            ..Service::default()
        };
        let own = Service {
            headers: texts(&["x-title: mine"]),
            query: texts(&["api-version=2"]),
            retries: Some(5),
            ..Service::default()
        };
        let merged = own.over(below);
        assert_eq!(merged.auth.as_deref(), Some("api-key"));
        assert_eq!(merged.headers, ["X-Other: b", "x-title: mine"]);
        assert_eq!(merged.query, ["api-version=2"]);
        assert_eq!(merged.retries, Some(5));
    }

    #[test]
    fn efforts_have_names() {
        for name in Effort::NAMES {
            assert_eq!(Effort::from_name(name).map(Effort::name), Some(name));
        }
        assert_eq!(Effort::from_name("much"), None);
    }
}
