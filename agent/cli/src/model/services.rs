//! Owns the way from a configured service to its provider.
//! Uses the settings, the catalogue and `inference::remote`.
//! Never talks to a service.

use std::sync::Arc;

use loci_core::config::{RemoteProvider, Settings};
use loci_core::route::Target;
use loci_inference::catalog::{Catalog, Kind};
use loci_inference::provider::Provider;
#[cfg(feature = "network")]
use loci_inference::remote::openai::{OpenAiOptions, OpenAiProvider};
#[cfg(feature = "network")]
use loci_inference::remote::{ApiKey, Patience};

/// The services of the catalogue beside those of the configuration, which win.
pub(super) fn with_services(settings: &Settings, catalog: &Catalog) -> Settings {
    let mut settings = settings.clone();
    for entry in catalog.entries().iter().filter(|entry| entry.fields.kind == Kind::Remote) {
        let fields = &entry.fields;
        let Some(base_url) = &fields.base_url else { continue };
        settings.providers.entry(entry.name.clone()).or_insert_with(|| RemoteProvider {
            base_url: base_url.clone(),
            api_key_env: fields.api_key_env.clone(),
            model: fields.model.clone(),
            context_length: Some(fields.context),
        });
    }
    settings
}

/// The provider of a service.
///
/// # Errors
/// When its address cannot be used.
#[cfg(feature = "network")]
pub(super) fn open(target: Target) -> anyhow::Result<Arc<dyn Provider>> {
    let Target::Remote { name, base_url, api_key, model, context_length } = target else {
        anyhow::bail!("{target:?} is no service");
    };
    let reasoning_model = name == "openai" && !model.starts_with("gpt-4");
    let options = OpenAiOptions {
        base_url,
        model,
        key: api_key.map(ApiKey::new),
        plain_http: false,
        context_length: context_length.unwrap_or(super::DEFAULT_CONTEXT),
        reasoning_model,
        patience: Patience::default(),
    };
    Ok(Arc::new(OpenAiProvider::new(options)?))
}

/// This program was built without anything that speaks HTTP.
///
/// # Errors
/// Always.
#[cfg(not(feature = "network"))]
pub(super) fn open(target: Target) -> anyhow::Result<Arc<dyn Provider>> {
    let Target::Remote { name, .. } = target else { anyhow::bail!("{target:?} is no service") };
    Err(crate::errors::Usage::error(
        format!("`{name}` is reached over the network, and this program was built without any"),
        "choose a model of this machine; `loci models` lists them",
    ))
}
