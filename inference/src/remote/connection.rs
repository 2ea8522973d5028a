//! Owns addresses, headers, certificates and proxies: all that is settled before the first request.
//! Uses reqwest with rustls, which trusts what the system trusts.
//! Never lets a key travel unencrypted to another machine unless that was asked for, and never follows a redirect: a
//! key would follow along.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, NoProxy, Proxy, Url};

use super::{RemoteOptions, fault, wire};
use crate::provider::ProviderError;

fn rejected(message: String) -> ProviderError {
    ProviderError::Rejected { message }
}

/// Where requests go.
pub(super) fn address(options: &RemoteOptions) -> Result<Url, ProviderError> {
    let base = options.base_url.trim_end_matches('/');
    let no_address =
        |why: &str| rejected(format!("`{}` is no address of a service: {why}", options.base_url));
    let mut url = Url::parse(&format!("{base}{}", wire::path(options.protocol, &options.model)))
        .map_err(|error| no_address(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(no_address("it must start with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(no_address("keys do not belong in it, but in the variable that `api_key_env` names"));
    }
    for part in &options.service.query {
        let (name, value) = part
            .split_once('=')
            .ok_or_else(|| rejected(format!("`{part}` is no part of a query: write name=value")))?;
        url.query_pairs_mut().append_pair(name.trim(), value.trim());
    }
    let plain = options.service.plain_http.unwrap_or(false);
    if url.scheme() == "http" && options.key.is_some() && !plain && !is_loopback(&url) {
        let host = url.host_str().unwrap_or_default();
        return Err(rejected(format!(
            "the key would travel to {host} unencrypted; `plain_http = true` allows it"
        )));
    }
    Ok(url)
}

/// The client for these options, with the headers of every request.
pub(super) fn client(url: &Url, options: &RemoteOptions) -> Result<Client, ProviderError> {
    let mut builder = Client::builder()
        .connect_timeout(options.patience.connect)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("loci/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers(options)?);
    builder = match options.service.proxy.as_deref() {
        _ if is_loopback(url) => builder.no_proxy(),
        Some("none") => builder.no_proxy(),
        Some(proxy) => {
            let proxy = Proxy::all(proxy)
                .map_err(|error| rejected(format!("`{proxy}` is no proxy: {}", fault::chain(&error))))?;
            builder.proxy(proxy.no_proxy(NoProxy::from_env()))
        }
        // reqwest itself asks HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, or the system's settings.
        None => builder,
    };
    if is_loopback(url) && url.scheme() == "http" {
        // Nothing will be encrypted, and reading what the system trusts takes 10 to 50 ms.
        builder = builder.tls_certs_only([]);
    }
    for text in &options.certificates {
        let bad = |why: String| rejected(format!("the certificates in `ca_file` cannot be used: {why}"));
        let found = Certificate::from_pem_bundle(text).map_err(|error| bad(fault::chain(&error)))?;
        if found.is_empty() {
            return Err(bad("there is none in it (they begin with -----BEGIN CERTIFICATE-----)".to_owned()));
        }
        builder = builder.tls_certs_merge(found);
    }
    builder.build().map_err(|error| rejected(fault::chain(&error)))
}

/// The headers of every request.
fn headers(options: &RemoteOptions) -> Result<HeaderMap, ProviderError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in wire::headers(options.protocol) {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    for line in &options.service.headers {
        let bad = || rejected(format!("`{line}` is no header: write Name: value"));
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        let name = name.trim().parse::<HeaderName>().map_err(|_| bad())?;
        headers.insert(name, HeaderValue::from_str(value.trim()).map_err(|_| bad())?);
    }
    if let Some(key) = &options.key {
        let way = options.service.auth.as_deref().unwrap_or_else(|| wire::auth(options.protocol));
        if way.eq_ignore_ascii_case("bearer") {
            headers.insert(AUTHORIZATION, key.header("Bearer ")?);
        } else {
            let name = way.parse::<HeaderName>().map_err(|_| {
                rejected(format!("`auth = \"{way}\"` is neither `bearer` nor the name of a header"))
            })?;
            headers.insert(name, key.header("")?);
        }
    }
    Ok(headers)
}

/// Whether an address is this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
