//! Owns addresses as they are shown and compared, and the words of failed requests.
//! Uses `Url`.
//! Never shows a user, a password or a query: keys stand there.

use reqwest::Url;

use crate::fetch::FetchError;

pub(in crate::fetch) fn unavailable(url: &Url, error: &dyn std::error::Error) -> FetchError {
    FetchError::Unavailable { address: plain(url), message: chain(error) }
}

/// An error and its causes in one line.
pub(in crate::fetch) fn chain(error: &dyn std::error::Error) -> String {
    let (mut line, mut cause) = (error.to_string(), error.source());
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = inner.source();
    }
    line
}

/// An address as it may be shown and written down: without user, password, query and fragment.
pub(in crate::fetch) fn plain(url: &Url) -> String {
    let mut url = url.clone();
    // Only addresses without a host cannot have a user.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The page of a repository, for somebody with a browser.
pub(super) fn page(address: &str) -> String {
    let end = address.find("/resolve/").unwrap_or(address.len());
    address[..end].replacen("/api/models/", "/", 1)
}

pub(super) fn same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

pub(in crate::fetch) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether nobody on the way can read what is sent.
pub(super) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// `%20` and its like as bytes; what is no UTF-8 then is left as it was.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
