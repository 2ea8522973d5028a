//! Owns what the name of a model stands for: the built-in one, a file, an entry of the catalogue, a service, a script.
//! Uses the settings only.
//! Never opens a model; that is the front end's wiring.

use std::path::PathBuf;

use crate::config::{Environment, Settings};

/// What a name stands for, and why it was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What to open.
    pub target: Target,
    /// One sentence for `/why` and for people.
    pub why: String,
}

/// A kind of model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The one inside the binary.
    BuiltIn,
    /// A file.
    File(PathBuf),
    /// A name of the catalogue.
    Catalogue(String),
    /// An OpenAI-compatible server.
    Remote {
        /// The provider's name in the configuration.
        name: String,
        /// Up to and including `/v1`.
        base_url: String,
        /// Its key, where it wants one.
        api_key: Option<String>,
        /// The model to ask it for.
        model: String,
        /// Tokens that the model holds, where that is configured.
        context_length: Option<usize>,
    },
    /// A script, for tests.
    Script(PathBuf),
}

/// Why no model can be chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RouteError {
    /// Leave offline mode, or choose a local model.
    #[error("{model} is reached over the network, and Loci is offline")]
    Offline {
        /// The model.
        model: String,
    },
    /// Choose one that the policy of the machine names.
    #[error("the policy of this machine does not allow {what}")]
    NotAllowed {
        /// The model or the service, and its address.
        what: String,
    },
    /// Change what stands against them all, or name another one.
    #[error("{why}")]
    Nothing {
        /// What stands against the last of them.
        why: String,
    },
    /// Complete the configuration.
    #[error("the provider {name} is not complete: {missing}")]
    Incomplete {
        /// The provider.
        name: String,
        /// What is missing.
        missing: String,
    },
}

/// The name of the model inside the binary.
pub const BUILT_IN: &str = "loci-builtin";

/// Choose the model for a session.
///
/// # Errors
/// See [`RouteError`].
pub fn choose(settings: &Settings, environment: &Environment) -> Result<Named, RouteError> {
    let route = named(settings, environment)?;
    let managed = &settings.managed;
    let refused = match &route.target {
        Target::BuiltIn if !managed.allows_model_named("builtin") => Some("the built-in model".to_owned()),
        Target::Script(_) if !managed.allows_model_named("scripted") => Some("scripts as models".to_owned()),
        Target::Remote { name, base_url, .. } if !managed.allows_provider(base_url) => {
            Some(format!("the service {name} at {base_url}"))
        }
        Target::Remote { name, model, .. } if !managed.allows_model_named(&format!("{name}/{model}")) => {
            Some(format!("the model {name}/{model}"))
        }
        // Whether a file is allowed its hash says, once it is about to be opened.
        _ => None,
    };
    match refused {
        Some(what) => Err(RouteError::NotAllowed { what }),
        None => Ok(route),
    }
}

/// The model that the settings name.
fn named(settings: &Settings, environment: &Environment) -> Result<Named, RouteError> {
    let Some(written) = settings.model.as_deref().filter(|model| !model.is_empty()) else {
        return Ok(Named { target: Target::BuiltIn, why: "no other model is configured".into() });
    };
    if let Some(path) = written.strip_prefix("scripted:") {
        return Ok(Named { target: Target::Script(path.into()), why: "a script was named".into() });
    }
    if matches!(written, "builtin" | "built-in" | BUILT_IN) {
        return Ok(Named { target: Target::BuiltIn, why: "it was named".into() });
    }
    let (provider, model) = match written.split_once('/') {
        Some((provider, model)) => (provider, Some(model)),
        None => (written, None),
    };
    if let Some(remote) = settings.providers.get(provider) {
        return self::remote(settings, environment, provider, model, remote);
    }
    if written.to_ascii_lowercase().ends_with(".gguf") || written.contains(std::path::MAIN_SEPARATOR) {
        return Ok(Named { target: Target::File(written.into()), why: "a file was named".into() });
    }
    Ok(Named { target: Target::Catalogue(written.into()), why: "it was named".into() })
}

fn remote(
    settings: &Settings,
    environment: &Environment,
    name: &str,
    model: Option<&str>,
    remote: &crate::config::RemoteProvider,
) -> Result<Named, RouteError> {
    // A service on this machine has an address as well, and offline there are no such sockets.
    if settings.offline {
        return Err(RouteError::Offline { model: name.into() });
    }
    let incomplete = |missing: String| RouteError::Incomplete { name: name.into(), missing };
    if remote.base_url.is_empty() {
        return Err(incomplete(format!("set providers.{name}.base_url")));
    }
    let model = model.map(ToOwned::to_owned).or_else(|| remote.model.clone());
    let model = model.ok_or_else(|| {
        incomplete(format!("set providers.{name}.model, or name the model as {name}/MODEL"))
    })?;
    let api_key = match &remote.api_key_env {
        None => None,
        Some(variable) => Some(
            environment
                .get(variable)
                .ok_or_else(|| incomplete(format!("the variable {variable} is not set")))?
                .to_owned(),
        ),
    };
    Ok(Named {
        target: Target::Remote {
            name: name.into(),
            base_url: remote.base_url.clone(),
            api_key,
            model,
            context_length: remote.context_length,
        },
        why: format!("providers.{name} is configured"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RemoteProvider;

    fn settings(model: &str) -> Settings {
        let remote = RemoteProvider {
            base_url: "http://127.0.0.1:1/v1".into(),
            api_key_env: Some("KEY".into()),
            model: Some("m".into()),
            ..RemoteProvider::default()
        };
        Settings {
            model: Some(model.into()),
            providers: [("box".to_owned(), remote), ("empty".to_owned(), RemoteProvider::default())].into(),
            ..Settings::default()
        }
    }

    #[test]
    fn names_lead_to_targets() {
        let environment = Environment::of([("KEY", "k")]);
        let check = |model: &str, expect: &str| {
            let shown = match choose(&settings(model), &environment) {
                Ok(Named { target: Target::Remote { name, model, api_key, .. }, .. }) => {
                    format!("{name} {model} {}", api_key.unwrap_or_default())
                }
                Ok(route) => format!("{:?}", route.target),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown, expect, "{model}");
        };
        check("", "BuiltIn");
        check("builtin", "BuiltIn");
        check("scripted:a/b.json", "Script(\"a/b.json\")");
        check("models/x.GGUF", "File(\"models/x.GGUF\")");
        check("qwen3-4b", "Catalogue(\"qwen3-4b\")");
        check("box", "box m k");
        check("box/other/x", "box other/x k");
        check("empty", "the provider empty is not complete: set providers.empty.base_url");
        let without = choose(&settings("box"), &Environment::default());
        assert!(without.is_err_and(|error| error.to_string().contains("KEY is not set")));
        let managed = |text: &str| {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().canonicalize().expect("resolves").join("policy.d");
            std::fs::create_dir(&path).expect("created");
            std::fs::write(path.join("10.toml"), text).expect("written");
            std::sync::Arc::new(
                crate::managed::Managed::load(&path, crate::managed::this_user()).expect("read"),
            )
        };
        let check = |model: &str, policy: &str, expect: Option<&str>| {
            let settings = Settings { managed: managed(policy), ..settings(model) };
            let refused = choose(&settings, &environment).err().map(|error| error.to_string());
            assert_eq!(
                refused,
                expect.map(|what| format!("the policy of this machine does not allow {what}")),
                "{model} under {policy}"
            );
        };
        let elsewhere = "[providers]\nallow = [\"http://10.0.0.1/v1\"]\n";
        check("box", elsewhere, Some("the service box at http://127.0.0.1:1/v1"));
        check("box", "[providers]\nallow = [\"http://127.0.0.1:1/v1\"]\n", None);
        check("", elsewhere, None);
        let models = "[models]\nallow = [{ name = \"box/m\" }]\n";
        check("box", models, None);
        check("box/other", models, Some("the model box/other"));
        check("", models, Some("the built-in model"));
        check("scripted:x", models, Some("scripts as models"));
        check("builtin", "[models]\nallow = [{ name = \"builtin\" }]\n", None);
        let offline = Settings { offline: true, ..settings("box") };
        assert!(matches!(choose(&offline, &environment), Err(RouteError::Offline { .. })));
    }
}
