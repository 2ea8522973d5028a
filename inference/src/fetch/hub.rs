//! Owns what the Hugging Face hub, or a mirror of it, says of a repository: its files, their hashes, its licence.
//! Uses hf-hub, with retries, redirects and the witness in our hands.
//! Never transfers a file.

use hf_hub::repository::ModelInfo;
use hf_hub::{HFClient, HFError};
use reqwest::Url;

use super::transfer::{Fault, chain, plain};
use super::{Downloads, FetchError, Item, Plan};
use crate::catalog::{nearest, stays_below};
use crate::gguf::part_names;
use crate::witness::Sending;

/// What is taken from a repository with many quantisations where none is named: it loses little and fits most machines.
const USUAL: &str = "q4_k_m";

/// The files of an embedder, the weights first, and whether it is one without them.
const EMBEDDER: [(&str, bool); 4] = [
    ("model.safetensors", true),
    ("config.json", true),
    ("tokenizer.json", true),
    ("sentence_bert_config.json", false),
];

/// Choices that an error names at most.
const MOST_CHOICES: usize = 12;

impl Downloads {
    pub(super) async fn look_up_on_hub(
        &self,
        repository: &str,
        revision: Option<&str>,
        file: Option<&str>,
    ) -> Result<Plan, FetchError> {
        let client = self.hub_client()?;
        let (owner, name) = hf_hub::split_id(repository);
        let model = client.model(owner, name);
        let revision = revision.unwrap_or("main");
        let info = format!("{}/api/models/{repository}/revision/{revision}", self.endpoint());
        let info: ModelInfo =
            self.asked("GET", &info, repository, revision, || model.info().revision(revision).send()).await?;
        let listed = info.siblings.iter().flatten().map(|one| one.rfilename.as_str());
        let names: Vec<&str> = listed.filter(|name| stays_below(name)).collect();
        let wanted = choose(repository, &self.endpoint(), &names, file)?;
        // Everything after this is of one commit, whatever happens to the branch meanwhile.
        let commit = info.sha.clone().unwrap_or_else(|| revision.to_owned());
        let folder = if wanted.iter().all(|name| name.to_ascii_lowercase().ends_with(".gguf")) {
            String::new()
        } else {
            format!("{}/", repository.replace('/', "--"))
        };
        let mut items = Vec::new();
        for path in &wanted {
            items.push(self.item(repository, &commit, path, &folder).await?);
        }
        let source = match (folder.is_empty(), wanted.first()) {
            (true, Some(first)) => format!("hf:{repository}/{first}"),
            _ => format!("hf:{repository}"),
        };
        Ok(Plan { source, revision: Some(commit), licence: licence(&info), gated: gated(&info), items })
    }

    /// A file with its size and hash, which the hub says before it points to its store. hf-hub 1.0 does not hand them on:
    /// it follows to the store.
    async fn item(
        &self,
        repository: &str,
        commit: &str,
        path: &str,
        folder: &str,
    ) -> Result<Item, FetchError> {
        let mut url = self.hub.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(repository.split('/')).extend(["resolve", commit]);
            parts.extend(path.split('/'));
        }
        let (bytes, sha256) = self.announced(url.clone()).await.map_err(|error| match error {
            FetchError::NotFound { address, .. } => {
                FetchError::NotFound { what: format!("{path} of {repository}"), address, similar: None }
            }
            other => other,
        })?;
        Ok(Item { address: url.into(), file: format!("{folder}{path}"), bytes, sha256 })
    }

    fn endpoint(&self) -> String {
        self.hub.as_str().trim_end_matches('/').to_owned()
    }

    /// A client that tries once and follows no redirect that leads away.
    fn hub_client(&self) -> Result<HFClient, FetchError> {
        let (witness, hub) = (self.witness.clone(), self.hub.clone());
        let policy = reqwest::redirect::Policy::custom(move |attempt| {
            // A repository that was renamed points to its new name at the same place.
            let inside = attempt.url().origin() == hub.origin() && attempt.previous().len() < 5;
            if !inside {
                return attempt.stop();
            }
            let address = plain(attempt.url());
            let sending = Sending { method: "GET", address: &address, bytes: 0, sha256: EMPTY, attempt: 1 };
            match witness.as_ref().map_or(Ok(()), |witness| witness.sending(&sending)) {
                Ok(()) => attempt.follow(),
                Err(message) => attempt.error(message),
            }
        });
        let http = super::transfer::client(&self.hub, &self.certificates, policy)?;
        let mut builder = HFClient::builder()
            .endpoint(self.endpoint())
            .client(http)
            .cache_enabled(false)
            .retry_max_attempts(0);
        if let Some(token) = &self.token {
            builder = builder.token(token);
        }
        builder
            .build()
            .map_err(|error| FetchError::Unavailable { address: self.endpoint(), message: error.to_string() })
    }

    /// Ask as often as the patience allows, each time with the witness's leave.
    async fn asked<T, F>(
        &self,
        method: &str,
        address: &str,
        repository: &str,
        revision: &str,
        ask: impl Fn() -> F,
    ) -> Result<T, FetchError>
    where
        F: Future<Output = Result<T, HFError>>,
    {
        let url = Url::parse(address)
            .map_err(|_| FetchError::Written { written: address.to_owned(), form: "hf:OWNER/NAME" })?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.witnessed(method, &url, &[], attempt)?;
            let fault = match tokio::time::timeout(self.tries.answer, ask()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => self.meaning(&url, repository, revision, &error),
                Err(_) => {
                    let message = "no answer came in time".to_owned();
                    let error = FetchError::Unavailable { address: plain(&url), message };
                    Fault { error, again: true, wait: None }
                }
            };
            let long = fault.wait.is_some_and(|asked| asked > self.tries.longest_wait);
            if !fault.again || long || attempt >= self.tries.failures {
                return Err(fault.error);
            }
            tokio::time::sleep(self.tries.wait(attempt, fault.wait)).await;
        }
    }

    /// What an error of hf-hub means.
    fn meaning(&self, url: &Url, repository: &str, revision: &str, error: &HFError) -> Fault {
        let address = plain(url);
        let missing = |what: String| {
            Fault::from(FetchError::NotFound { what, address: self.endpoint(), similar: None })
        };
        match error {
            HFError::RepoNotFound { .. } => missing(format!("the repository {repository}")),
            HFError::RevisionNotFound { context, .. } => {
                let code = context.as_ref().and_then(|context| context.error_code.as_deref());
                match code {
                    Some("RevisionNotFound") => missing(format!("the revision {revision} of {repository}")),
                    _ => missing(format!("the repository {repository}")),
                }
            }
            HFError::EntryNotFound { path, .. } => missing(format!("{path} of {repository}")),
            HFError::RateLimited { retry_after, .. } => {
                let error = FetchError::RateLimited { address, retry_after: *retry_after };
                Fault { error, again: true, wait: *retry_after }
            }
            HFError::AuthRequired { context }
            | HFError::Forbidden { context }
            | HFError::Http { context } => {
                let code = context.error_code.clone().unwrap_or_default();
                if context.status.is_redirection() {
                    let message = "it points to another place".to_owned();
                    return FetchError::Unavailable { address, message }.into();
                }
                if matches!(context.status.as_u16(), 404 | 405 | 410 | 501) {
                    return missing(format!("the repository {repository}"));
                }
                self.status(url, context.status, &code, context.server_message.clone(), None)
            }
            HFError::Request { source, .. } if source.is_decode() => Fault::from(FetchError::NotTheService {
                address,
                found: "something else".to_owned(),
                expected: "JSON of a model hub",
            }),
            HFError::Json(_) => Fault::from(FetchError::NotTheService {
                address,
                found: "other JSON".to_owned(),
                expected: "JSON of a model hub",
            }),
            HFError::Request { source, .. } => Fault {
                error: FetchError::Unavailable { address, message: chain(source) },
                again: !source.is_builder() && !source.is_redirect(),
                wait: None,
            },
            other => FetchError::Unavailable { address, message: other.to_string() }.into(),
        }
    }
}

/// SHA-256 of nothing.
const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The files of a repository that are wanted: all parts of a split model, all files of an embedder.
fn choose(
    repository: &str,
    hub: &str,
    names: &[&str],
    file: Option<&str>,
) -> Result<Vec<String>, FetchError> {
    let there = |name: &str| names.contains(&name);
    if let Some(file) = file {
        let parts = part_names(file);
        // A mirror may not list files; then the one that was named is believed in.
        if let Some(missing) = parts.iter().find(|part| !names.is_empty() && !there(part)) {
            return Err(FetchError::NotFound {
                what: format!("{missing} of {repository}"),
                address: hub.to_owned(),
                similar: nearest(missing, names.iter().copied()),
            });
        }
        return Ok(parts);
    }
    let first = |name: &&&str| {
        let lower = name.to_ascii_lowercase();
        // Projections for pictures are no models of their own.
        lower.ends_with(".gguf")
            && !lower.contains("mmproj")
            && part_names(name).first().is_some_and(|one| one == **name)
    };
    let models: Vec<&str> = names.iter().filter(first).copied().collect();
    let usual: Vec<&str> =
        models.iter().filter(|name| name.to_ascii_lowercase().contains(USUAL)).copied().collect();
    match (models.as_slice(), usual.as_slice()) {
        ([one], _) | (_, [one]) => Ok(part_names(one)),
        ([], _) => {
            if EMBEDDER.iter().all(|(name, needed)| !needed || there(name)) {
                let wanted = EMBEDDER.iter().filter(|(name, _)| there(name));
                return Ok(wanted.map(|(name, _)| (*name).to_owned()).collect());
            }
            let what = format!("a GGUF file in the repository {repository}");
            Err(FetchError::NotFound { what, address: hub.to_owned(), similar: None })
        }
        (many, _) => Err(FetchError::Ambiguous {
            what: format!("hf:{repository}"),
            choices: many.iter().take(MOST_CHOICES).map(|name| (*name).to_owned()).collect(),
        }),
    }
}

/// The licence as the card says it; the hub's tags where it has none.
fn licence(info: &ModelInfo) -> Option<String> {
    let card = info.card_data.as_ref();
    let text =
        |key: &str| card.and_then(|card| card.get(key)).and_then(|value| value.as_str()).map(str::to_owned);
    let tag = || info.tags.iter().flatten().find_map(|tag| tag.strip_prefix("license:")).map(str::to_owned);
    // `other` has its name beside it.
    match text("license").or_else(tag) {
        Some(other) if other == "other" => text("license_name").or(Some(other)),
        licence => licence,
    }
}

fn gated(info: &ModelInfo) -> bool {
    info.gated.as_ref().is_some_and(|gated| gated.is_string() || gated.as_bool() == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_are_meant_are_found() {
        let check = |names: &[&str], file: Option<&str>, expect: &str| {
            let found = match choose("a/b", "hub", names, file) {
                Ok(files) => files.join(" "),
                Err(error) => format!("{error}; {}", error.hint()),
            };
            assert_eq!(found, expect, "{names:?} {file:?}");
        };
        check(&["README.md", "x.gguf"], None, "x.gguf");
        check(&["x-Q8_0.gguf", "x-Q4_K_M.gguf", "mmproj-x.gguf"], None, "x-Q4_K_M.gguf");
        check(
            &["x-00001-of-00002.gguf", "x-00002-of-00002.gguf"],
            None,
            "x-00001-of-00002.gguf x-00002-of-00002.gguf",
        );
        check(
            &["x-q8.gguf", "x-q6.gguf"],
            None,
            "hf:a/b has several models: x-q8.gguf, x-q6.gguf; name one: loci models pull hf:a/b/FILE",
        );
        check(&["x.gguf"], Some("y.gguf"), "y.gguf of a/b was not found at hub; did you mean `x.gguf`?");
        check(
            &["x-00001-of-00002.gguf"],
            Some("x-00001-of-00002.gguf"),
            "x-00002-of-00002.gguf of a/b was not found at hub; did you mean `x-00001-of-00002.gguf`?",
        );
        check(&[], Some("y.gguf"), "y.gguf");
        check(
            &["model.safetensors", "config.json", "tokenizer.json", "README.md"],
            None,
            "model.safetensors config.json tokenizer.json",
        );
        check(
            &["model.safetensors", "config.json"],
            None,
            "a GGUF file in the repository a/b was not found at hub; check how it is written, and the revision",
        );
    }
}
