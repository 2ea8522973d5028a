//! Owns the way from a configured service to its provider.
//! Uses the settings, the catalogue and `inference::remote`.
//! Never talks to a service.

use std::sync::Arc;

use loci_core::config::{RemoteProvider, Settings};
use loci_core::route::Target;
use loci_inference::catalog::{Catalog, Kind};
use loci_inference::provider::Provider;

use crate::project::Project;

/// The services of the catalogue below those of the configuration, which win key by key.
pub(crate) fn with_services(settings: &Settings, catalog: &Catalog) -> Settings {
    let mut settings = settings.clone();
    for entry in catalog.entries().iter().filter(|entry| entry.fields.kind == Kind::Remote) {
        let fields = &entry.fields;
        let Some(base_url) = &fields.base_url else { continue };
        let preset = RemoteProvider {
            base_url: base_url.clone(),
            protocol: fields.protocol,
            api_key_env: fields.api_key_env.clone(),
            model: fields.model.clone(),
            context_length: Some(fields.context),
            images: Some(fields.images),
            price: fields.price,
            service: fields.service.clone(),
            on_this_machine: false,
        };
        let own = settings.providers.remove(&entry.name).unwrap_or_default();
        settings.providers.insert(entry.name.clone(), own.over(preset));
    }
    settings
}

/// The provider of a service.
///
/// # Errors
/// When its address, a header or a certificate of it cannot be used.
#[cfg(feature = "network")]
pub(super) fn open(
    project: &Project,
    settings: &Settings,
    target: Target,
) -> anyhow::Result<Arc<dyn Provider>> {
    use loci_inference::remote::{ApiKey, Patience, RemoteOptions};

    let Target::Remote { name, base_url, api_key, model, context_length } = target else {
        anyhow::bail!("{target:?} is no service");
    };
    let further = settings.providers.get(&name).cloned().unwrap_or_default();
    if let Some(gap) = base_url.split_once('{').and_then(|(_, rest)| rest.split('}').next()) {
        return Err(crate::errors::Usage::error(
            format!("the address of `{name}` lacks your {gap}: {base_url}"),
            format!("set providers.{name}.base_url in config.toml, with your {gap} in it"),
        ));
    }
    // A price is that of one model, and the preset's is that of its own.
    let price = further.price.filter(|_| further.model.as_ref() == Some(&model));
    let options = RemoteOptions {
        protocol: further.protocol.unwrap_or_default(),
        key: api_key.map(ApiKey::new),
        context_length: context_length.unwrap_or(super::DEFAULT_CONTEXT),
        images: further.images.unwrap_or(false),
        price,
        certificates: certificates(project, &name, further.service.ca_file.as_deref())?,
        patience: Patience::of(&further.service),
        service: further.service,
        ..RemoteOptions::new(name, further.protocol.unwrap_or_default(), base_url, model)
    };
    Ok(Arc::new(loci_inference::remote::RemoteProvider::new(options)?))
}

/// The certificates that are trusted beside those of the system.
///
/// # Errors
/// When a file of them cannot be read.
#[cfg(feature = "network")]
pub(crate) fn certificates(
    project: &Project,
    name: &str,
    ca_file: Option<&str>,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let named = ca_file.map(|path| (path, format!("providers.{name}.ca_file")));
    let of_variable = project.environment.get(CERTIFICATES).map(|path| (path, CERTIFICATES.to_owned()));
    let mut texts = Vec::new();
    for (path, key) in named.into_iter().chain(of_variable) {
        let path = super::resolve(project, std::path::Path::new(path));
        texts.push(std::fs::read(&path).map_err(|error| {
            crate::errors::Usage::error(
                format!("{}: {error}", path.display()),
                format!("{key} names a file of certificates (PEM)"),
            )
        })?);
    }
    Ok(texts)
}

#[cfg(feature = "network")]
use loci_core::config::env::CERTIFICATES;

/// This program was built without anything that speaks HTTP.
///
/// # Errors
/// Always.
#[cfg(not(feature = "network"))]
pub(super) fn open(_: &Project, _: &Settings, target: Target) -> anyhow::Result<Arc<dyn Provider>> {
    let Target::Remote { name, .. } = target else { anyhow::bail!("{target:?} is no service") };
    Err(crate::errors::Usage::error(
        format!("`{name}` is reached over the network, and this program was built without any"),
        "choose a model of this machine; `loci models` lists them",
    ))
}
