//! Owns the building of a tokenizer from `tokenizer.json`.
//! Uses the `tokenizers` crate for everything but special tokens, which are recognised here.
//! Never lets the library find special tokens in text.

use serde::Deserialize;
use serde_json::Value;

use super::from_gguf::{byte_alphabet, unmap};
use super::sentencepiece::{SPACE, byte_of};
use super::special::{Special, Specials, looks_like_markup};
use super::{Model, TokenKind, Tokenizer, TokenizerError, Vocabulary};

/// Bytes of a tokenizer.json. The largest known are below 40 MiB.
const MAX_BYTES: usize = 64 << 20;
/// The largest id, so that a hostile file cannot ask for a table of 2^32 rows.
const MAX_ID: u32 = 1 << 20;

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    content: String,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    special: bool,
}

pub(super) fn build(bytes: &[u8]) -> Result<Tokenizer, TokenizerError> {
    let wrong = |message: String| TokenizerError::Json { message };
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("{} bytes are more than {MAX_BYTES}", bytes.len())));
    }
    let mut json: Value = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    let Some(object) = json.as_object_mut() else {
        return Err(wrong("is not an object".to_owned()));
    };
    let added = object.insert("added_tokens".to_owned(), Value::Array(Vec::new()));
    let added: Vec<AddedToken> = match added {
        None | Some(Value::Null) => Vec::new(),
        Some(added) => {
            serde_json::from_value(added).map_err(|error| wrong(format!("added_tokens: {error}")))?
        }
    };
    // A template writes the tokens around a text, not the tokenizer.
    object.insert("post_processor".to_owned(), Value::Null);
    object.insert("truncation".to_owned(), Value::Null);
    object.insert("padding".to_owned(), Value::Null);
    let byte_level = ["pre_tokenizer", "decoder"]
        .iter()
        .filter_map(|key| object.get(*key))
        .any(|part| part.to_string().contains("\"ByteLevel\""));
    let byte_fallback = object
        .get("model")
        .and_then(|model| model.get("byte_fallback"))
        .and_then(Value::as_bool)
        .unwrap_or(false);
    if let Some(Value::Object(model)) = object.get_mut("model")
        && model.get("ignore_merges").and_then(Value::as_bool) == Some(true)
        && let Some(Value::Object(vocab)) = model.get_mut("vocab")
    {
        // Whole words are looked up there, and a word may be spelled like a special token.
        for token in &added {
            vocab.remove(&token.content);
        }
    }

    let text = json.to_string();
    drop(json);
    let tokenizer: tokenizers::Tokenizer =
        text.parse().map_err(|error: tokenizers::Error| wrong(error.to_string()))?;
    let mut tokens: Vec<(u32, String)> =
        tokenizer.get_vocab(false).into_iter().map(|(token, id)| (id, token)).collect();
    tokens.sort();
    let last = tokens.last().map(|(id, _)| *id).into_iter().chain(added.iter().map(|token| token.id)).max();
    let Some(last) = last.filter(|&last| last <= MAX_ID) else {
        return Err(wrong("model.vocab: is empty or has an id that is too large".to_owned()));
    };

    let alphabet = byte_alphabet();
    let mut rows = vec![(Vec::new(), TokenKind::Unused); last as usize + 1];
    for (id, token) in tokens {
        let byte = byte_of(&token).filter(|_| byte_fallback);
        rows[id as usize] = match byte {
            Some(byte) => (vec![byte], TokenKind::Byte),
            None if byte_level => (unmap(&token, &alphabet), TokenKind::Normal),
            None => (token.replace(SPACE, " ").into_bytes(), TokenKind::Normal),
        };
    }
    let mut specials = Specials::default();
    for token in added {
        let kind = if token.special { TokenKind::Control } else { TokenKind::UserDefined };
        let special = Special {
            id: token.id,
            strip_left: token.lstrip,
            strip_right: token.rstrip,
            markup: token.special || looks_like_markup(&token.content),
        };
        specials.add(&token.content, special);
        rows[token.id as usize] = (token.content.into_bytes(), kind);
    }
    let mut vocabulary = Vocabulary::default();
    for (bytes, kind) in rows {
        vocabulary.push(&bytes, kind);
    }
    Ok(Tokenizer { vocabulary, specials, model: Model::Merges(Box::new(tokenizer), Vec::new()) })
}
