//! Owns `/v1/embeddings`: texts in, vectors out.
//! Uses the embedders that the registry knows.
//! Never shortens a vector: what the model gives is what is sent.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::error::Fault;
use super::fields::Fields;
use super::{Served, answer};

/// Texts of one request; OpenAI takes as many.
const MOST_TEXTS: usize = 2_048;

pub(super) async fn embed(State(shared): State<Served>, request: Request) -> Result<Response, Fault> {
    let body = super::body(request).await?;
    let fields = Fields::new(&body, "");
    let model = fields.needed_text("model")?.to_owned();
    let texts = texts(&fields)?;
    let encoded = match fields.text("encoding_format")? {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(Fault::field("encoding_format", format!("`{other}` is none of float, base64")));
        }
    };
    let dimensions = fields.count("dimensions", 1)?;
    let _slot = shared.slots.take().await?;
    let lease = shared.registry.embedder(&model).await?;
    let embedder = lease.model.clone();
    if let Some(wanted) = dimensions.filter(|wanted| *wanted != embedder.dimensions()) {
        let message = format!("`{model}` gives {} and cannot give {wanted}", embedder.dimensions());
        return Err(Fault::field("dimensions", message));
    }
    // Whoever left needs no vectors: the flag is set when this future is dropped.
    let gone = shared.stop.child_token();
    let _left = gone.clone().drop_guard();
    let work = tokio::task::spawn_blocking(move || {
        let mut vectors = Vec::with_capacity(texts.len());
        let mut tokens = 0;
        for text in &texts {
            if gone.is_cancelled() {
                break;
            }
            tokens += embedder.count(text);
            vectors.push(embedder.embed(text)?);
        }
        Ok::<_, crate::embed::EmbedError>((vectors, tokens))
    });
    let failed = |message: String| Fault::new(StatusCode::INTERNAL_SERVER_ERROR, message);
    let (vectors, tokens) =
        work.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    let data: Vec<Value> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            let vector = if encoded { STANDARD.encode(bytes(vector)).into() } else { json!(vector) };
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    let object = json!({ "object": "list", "data": data, "model": model, "usage": usage });
    Ok(answer(StatusCode::OK, &object))
}

/// Numbers as OpenAI's clients read them: 32 bits each, the lowest byte first.
fn bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|number| number.to_le_bytes()).collect()
}

fn texts(fields: &Fields<'_>) -> Result<Vec<String>, Fault> {
    let wrong = |message: &str| Fault::field("input", message);
    let texts = match fields.get("input") {
        None => return Err(wrong("is missing")),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| wrong("must be texts: tokens of others mean nothing here"))?
        }
        Some(_) => return Err(wrong("must be a text or a list of texts")),
    };
    if texts.is_empty() || texts.len() > MOST_TEXTS {
        return Err(wrong(&format!("must be 1 to {MOST_TEXTS} texts")));
    }
    if texts.iter().any(String::is_empty) {
        return Err(wrong("a text is empty"));
    }
    Ok(texts)
}
