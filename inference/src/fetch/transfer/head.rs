//! Owns what the headers of an answer say of a file: its name for the content, its length, where a part of it begins.
//! Uses RFC 9110, and the headers that the hub adds.
//! Never believes a weak name: content behind it may differ.

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap};
use reqwest::{Response, StatusCode};

/// What the headers of an answer say of a file.
pub(super) struct Head {
    /// Names just this content.
    pub(super) etag: Option<String>,
    /// Bytes of the whole file.
    pub(super) total: Option<u64>,
    /// Where a part of it begins.
    pub(super) start: Option<u64>,
    /// What the hub says of the file before it points to its store.
    pub(super) linked_bytes: Option<u64>,
    pub(super) linked_sha256: Option<String>,
    pub(super) html: bool,
}

impl Head {
    pub(super) fn read(response: &Response, linked: &HeaderMap) -> Self {
        let text = |headers: &HeaderMap, name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let own = response.headers();
        let etag = text(own, ETAG.as_str());
        // A weak one may stand for content that differs.
        let etag = etag.filter(|etag| etag.starts_with('"') && etag.len() > 2);
        let range = text(own, CONTENT_RANGE.as_str());
        let (mut start, mut total) = (None, None);
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let range = range.as_deref().and_then(|range| range.strip_prefix("bytes "));
            if let Some((span, whole)) = range.and_then(|range| range.split_once('/')) {
                start = span.split_once('-').and_then(|(start, _)| start.parse().ok());
                total = whole.parse().ok();
            }
        } else if response.status() == StatusCode::OK {
            total = text(own, CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        }
        let hash = text(linked, "x-linked-etag").map(|etag| etag.trim_matches('"').to_owned());
        let hex = |hash: &String| hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        Self {
            etag,
            total,
            start,
            linked_bytes: text(linked, "x-linked-size").and_then(|size| size.parse().ok()),
            linked_sha256: hash.filter(hex),
            html: text(own, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html")),
        }
    }
}
