//! Owns the variables of other programs about models: where the hub, its token, its cache and other caches are.
//! Uses the snapshot of the environment, and the file that holds the hub's token.
//! Never writes a token anywhere.

use std::path::PathBuf;

use loci_inference::on_disk::Caches;

use super::{Environment, Places};

/// How the Hugging Face hub is reached. Names and meanings are those of `huggingface_hub`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hub {
    /// `HF_ENDPOINT`: a mirror.
    pub endpoint: Option<String>,
    /// `HF_TOKEN`, or what the file at `HF_TOKEN_PATH` or in `HF_HOME` holds, unless `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set.
    pub token: Option<String>,
    /// `HF_HUB_OFFLINE`: the hub is not asked.
    pub offline: bool,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let token = self.token.as_ref().map(|_| "[token]");
        let Self { endpoint, offline, .. } = self;
        write!(formatter, "Hub {{ endpoint: {endpoint:?}, token: {token:?}, offline: {offline} }}")
    }
}

impl Environment {
    /// How the hub is reached.
    #[must_use]
    pub fn hub(&self, places: &Places) -> Hub {
        let on = |name: &str| {
            self.get(name).is_some_and(|value| {
                matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "yes" | "true")
            })
        };
        let file =
            self.get("HF_TOKEN_PATH").map_or_else(|| self.hub_home(places).join("token"), PathBuf::from);
        let kept = || std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned());
        let token = if on("HF_HUB_DISABLE_IMPLICIT_TOKEN") {
            None
        } else {
            self.get("HF_TOKEN").map(str::to_owned).or_else(kept).filter(|token| !token.is_empty())
        };
        Hub { endpoint: self.get("HF_ENDPOINT").map(str::to_owned), token, offline: on("HF_HUB_OFFLINE") }
    }

    /// `PIP_INDEX_URL`: another Python package index.
    #[must_use]
    pub fn python_index(&self) -> Option<&str> {
        self.get("PIP_INDEX_URL")
    }

    /// Where other programs keep models: their own variables, then their usual folders.
    #[must_use]
    pub fn caches(&self, places: &Places) -> Caches {
        let home = &places.home;
        let set = |name: &str| self.get(name).map(PathBuf::from);
        let hub = set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE"));
        Caches {
            hub: Some(hub.unwrap_or_else(|| self.hub_home(places).join("hub"))),
            // The service of a Linux installation has a home of its own.
            ollama: match set("OLLAMA_MODELS") {
                Some(folder) => vec![folder],
                None => vec![
                    home.join(".ollama/models"),
                    "/usr/share/ollama/.ollama/models".into(),
                    "/var/lib/ollama/.ollama/models".into(),
                ],
            },
            lm_studio: vec![home.join(".lmstudio/models"), home.join(".cache/lm-studio/models")],
            llama_cpp: Some(set("LLAMA_CACHE").unwrap_or_else(|| self.cache_home(places).join("llama.cpp"))),
        }
    }

    fn hub_home(&self, places: &Places) -> PathBuf {
        self.get("HF_HOME").map_or_else(|| self.cache_home(places).join("huggingface"), PathBuf::from)
    }

    fn cache_home(&self, places: &Places) -> PathBuf {
        self.get("XDG_CACHE_HOME").map_or_else(|| places.home.join(".cache"), PathBuf::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_programs_variables_are_heeded() {
        let folder = tempfile::tempdir().expect("a folder");
        let places = Places::below(folder.path());
        let none = Environment::default();
        assert_eq!(none.hub(&places), Hub::default());
        let caches = none.caches(&places);
        assert_eq!(caches.hub, Some(places.home.join(".cache/huggingface/hub")));
        assert_eq!(caches.ollama[0], places.home.join(".ollama/models"));
        let set = Environment::of([
            ("HF_ENDPOINT", "https://mirror"),
            ("HF_TOKEN", "t"),
            ("HF_HUB_OFFLINE", "1"),
            ("HF_HOME", "/hf"),
            ("OLLAMA_MODELS", "/ollama"),
            ("LLAMA_CACHE", "/llama"),
        ]);
        let hub = set.hub(&places);
        assert_eq!(
            (hub.endpoint.as_deref(), hub.token.as_deref(), hub.offline),
            (Some("https://mirror"), Some("t"), true)
        );
        assert!(!format!("{hub:?}").contains("\"t\""));
        let caches = set.caches(&places);
        assert_eq!(caches.hub, Some("/hf/hub".into()));
        assert_eq!((caches.ollama, caches.llama_cpp), (vec!["/ollama".into()], Some("/llama".into())));
        // The file that the hub's own login writes.
        let file = folder.path().join("token");
        crate::atomic::write(&file, b"from file\n").expect("written");
        let path = file.to_string_lossy().into_owned();
        let named = Environment::of([("HF_TOKEN_PATH", path.as_str())]);
        assert_eq!(named.hub(&places).token.as_deref(), Some("from file"));
        let switched =
            Environment::of([("HF_TOKEN_PATH", path.as_str()), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]);
        assert_eq!(switched.hub(&places).token, None);
    }
}
