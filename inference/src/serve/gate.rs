//! Owns who may ask: the token, and the name by which this machine was asked.
//! Uses the headers of the request, before its body is read.
//! Never tells by its timing how much of a token was right.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::Fault;

/// Decides about requests.
#[derive(Debug)]
pub(super) struct Gate {
    /// blake3 of the token: hashes are of one length, and their comparison says nothing about the token.
    token: blake3::Hash,
    /// Where requests come in; `None` for a socket of the file system, which no browser reaches.
    address: Option<SocketAddr>,
    names: Vec<String>,
}

impl Gate {
    pub(super) fn new(token: &str, address: Option<SocketAddr>, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { token: blake3::hash(token.as_bytes()), address, names }
    }

    /// A page that a browser was led to asks under the page's own name, wherever that name leads: only names that are
    /// this machine's are answered.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let Some(address) = self.address else { return Ok(()) };
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
            (Some(Ok(host)), None) => host.to_ascii_lowercase(),
            _ => return Err(Fault::bad("the request needs one Host header")),
        };
        let (name, port) = split_port(&host);
        let right_port = port.is_none_or(|port| port.parse() == Ok(address.port()));
        let plain = name.trim_start_matches('[').trim_end_matches(']');
        let right_name = match plain.parse::<IpAddr>() {
            // No name stands behind an address: nobody can lead it elsewhere.
            Ok(ip) => ip == address.ip() || ip.is_loopback() || address.ip().is_unspecified(),
            Err(_) => name == "localhost" || self.names.iter().any(|known| known == name),
        };
        if right_name && right_port {
            return Ok(());
        }
        Err(Fault::new(
            StatusCode::FORBIDDEN,
            "this is not a name of this service: ask it by its address, or start it with --allow-host NAME",
        ))
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let shown = shown.and_then(|shown| {
            let (scheme, token) = shown.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
        });
        // blake3's comparison of hashes takes the same time wherever they differ.
        match shown {
            Some(shown) if blake3::hash(shown) == self.token => Ok(()),
            shown => Err(Fault {
                code: Some("invalid_api_key"),
                ..Fault::new(
                    StatusCode::UNAUTHORIZED,
                    match shown {
                        Some(_) => "the token is not the one of this service",
                        None => "a token is needed: Authorization: Bearer TOKEN",
                    },
                )
            }),
        }
    }
}

fn split_port(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        // Colons within brackets are those of an address.
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    }
}

/// Let a request pass, or answer it.
pub(super) async fn pass(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let open = request.uri().path() == "/health";
    let checked = gate
        .check_host(request.headers())
        .and_then(|()| if open { Ok(()) } else { gate.check_token(request.headers()) });
    match checked {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_others_are_refused() {
        let check = |address: &str, host: &[&str], expect: bool| {
            let names = ["Workstation".to_owned()];
            let gate = Gate::new("t", Some(address.parse().expect("an address")), &names);
            let mut headers = HeaderMap::new();
            for host in host {
                headers.append(header::HOST, HeaderValue::from_str(host).expect("a value"));
            }
            assert_eq!(gate.check_host(&headers).is_ok(), expect, "{address} {host:?}");
        };
        let here = "127.0.0.1:8113";
        for host in [
            "127.0.0.1:8113",
            "localhost:8113",
            "LOCALHOST:8113",
            "localhost",
            "[::1]:8113",
            "workstation:8113",
        ] {
            check(here, &[host], true);
        }
        for host in [
            "evil.example:8113",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8113",
            "127.0.0.1:80",
            "192.0.2.7:8113",
            "",
            "localhost:",
            "localhost:x",
        ] {
            check(here, &[host], false);
        }
        check(here, &[], false);
        check(here, &["localhost", "evil.example"], false);
        check("0.0.0.0:8113", &["192.0.2.7:8113"], true);
        check("0.0.0.0:8113", &["evil.example:8113"], false);
        check("[::1]:8113", &["[::1]:8113"], true);
    }

    #[test]
    fn only_the_token_opens() {
        let check = |shown: Option<&str>, expect: bool| {
            let gate = Gate::new("s3cret", None, &[]);
            let mut headers = HeaderMap::new();
            if let Some(shown) = shown {
                headers.insert(header::AUTHORIZATION, HeaderValue::from_str(shown).expect("a value"));
            }
            let checked = gate.check_token(&headers);
            assert_eq!(checked.is_ok(), expect, "{shown:?}");
            assert!(checked.is_ok() || checked.is_err_and(|fault| !fault.message.contains("s3cret")));
        };
        check(Some("Bearer s3cret"), true);
        check(Some("bearer  s3cret "), true);
        for wrong in [
            "",
            "s3cret",
            "Bearer",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3cretX",
            "Basic s3cret",
            "Bearers3cret",
        ] {
            check(Some(wrong), false);
        }
        check(None, false);
    }
}
