//! Owns the layout of Ollama's folder of models: manifests by name, blobs by hash.
//! Uses the layer that its manifests call the model.
//! Never takes a blob that is not there in the size that the manifest says.

use std::fs;
use std::path::{Component, Path};

use serde::Deserialize;

use super::{Program, Search, Skipped, add, is_sha256, walk};

/// The layer of the weights.
const MODEL: &str = "application/vnd.ollama.image.model";
/// The registry and the part of it that names leave out.
const USUAL: [&str; 2] = ["registry.ollama.ai", "library"];
/// Larger files are no manifests.
const LARGEST: u64 = 1 << 20;

#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

/// `manifests/HOST/NAMESPACE/NAME/TAG` and `blobs/sha256-HASH`.
pub(super) fn search(folder: &Path, search: &mut Search) {
    for path in walk(&folder.join("manifests")) {
        let skip = |why: &str| Skipped { path: path.clone(), why: why.to_owned() };
        let Some(name) = path.strip_prefix(folder.join("manifests")).ok().and_then(name_of) else {
            search.skipped.push(skip("it is not where a manifest of Ollama is"));
            continue;
        };
        let small = fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= LARGEST);
        let text = if small { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        let Ok(manifest) = serde_json::from_str::<Manifest>(&text) else {
            search.skipped.push(skip("it is no manifest"));
            continue;
        };
        let Some(layer) = manifest.layers.iter().find(|layer| layer.media_type == MODEL) else {
            search.skipped.push(skip("its manifest has no weights"));
            continue;
        };
        let Some(hash) = layer.digest.strip_prefix("sha256:").filter(|hash| is_sha256(hash)) else {
            search.skipped.push(skip("its manifest has no hash of the weights"));
            continue;
        };
        let blob = folder.join("blobs").join(format!("sha256-{hash}"));
        match fs::metadata(&blob) {
            Err(_) => search.skipped.push(skip("its weights are not there; `ollama pull` gets them")),
            Ok(there) if there.len() != layer.size => {
                search.skipped.push(skip("its weights are not all there; `ollama pull` gets them"));
            }
            Ok(_) => {
                let hash = Some(hash.to_ascii_lowercase());
                add(search, Program::Ollama, format!("ollama:{name}"), blob, hash);
            }
        }
    }
}

/// `qwen3:4b` for what is in the usual registry and library, more in front for the rest.
fn name_of(below: &Path) -> Option<String> {
    let parts: Option<Vec<&str>> = below
        .components()
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    let parts = parts?;
    let [host, namespace, name, tag] = parts.as_slice() else { return None };
    Some(match (*host == USUAL[0], *namespace == USUAL[1]) {
        (true, true) => format!("{name}:{tag}"),
        (true, false) => format!("{namespace}/{name}:{tag}"),
        (false, _) => format!("{host}/{namespace}/{name}:{tag}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Caches;
    use super::*;
    use crate::builtin;

    #[test]
    fn manifests_lead_to_blobs() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |path: &str, bytes: &[u8]| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("created");
            fs::write(path, bytes).expect("written");
        };
        let (hash, size) = (builtin::SHA256, builtin::GGUF.len());
        let manifest = |hash: &str, size: usize| {
            format!(
                r#"{{"schemaVersion":2,"layers":[{{"mediaType":"application/vnd.ollama.image.template","digest":"sha256:0","size":1}},
                {{"mediaType":"{MODEL}","digest":"sha256:{hash}","size":{size}}}]}}"#
            )
        };
        write(&format!("blobs/sha256-{hash}"), builtin::GGUF);
        let library = "manifests/registry.ollama.ai/library";
        write(&format!("{library}/tiny/latest"), manifest(hash, size).as_bytes());
        write(&format!("{library}/tiny/q8"), manifest(hash, size).as_bytes());
        write("manifests/registry.ollama.ai/house/own/v1", manifest(hash, size).as_bytes());
        write("manifests/hf.co/a/b/q4", manifest(hash, size).as_bytes());
        write(&format!("{library}/half/latest"), manifest(hash, size + 1).as_bytes());
        write(&format!("{library}/gone/latest"), manifest(&"0".repeat(64), 9).as_bytes());
        write(&format!("{library}/evil/latest"), manifest("../../etc/passwd", 9).as_bytes());
        write(&format!("{library}/noise/latest"), b"{");
        write(&format!("{library}/empty/latest"), b"{\"layers\":[]}");
        write("manifests/stray", b"{}");
        let search = Caches { ollama: vec![folder.path().to_owned()], ..Caches::default() }.search();
        let names: Vec<&str> = search.found.iter().map(|found| found.name.as_str()).collect();
        assert_eq!(
            names,
            ["ollama:hf.co/a/b:q4", "ollama:house/own:v1", "ollama:tiny:latest", "ollama:tiny:q8"]
        );
        assert_eq!(search.skipped.len(), 6, "{:?}", search.skipped);
        assert_eq!(search.get("ollama:tiny").map(|found| found.name.as_str()), Some("ollama:tiny:latest"));
        assert_eq!(search.get("ollama:tiny:q8").and_then(|found| found.sha256.as_deref()), Some(hash));
        assert!(search.get("ollama:evil").is_none());
    }
}
