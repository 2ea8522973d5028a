//! Owns the building of a tokenizer from the metadata of a GGUF file.
//! Uses the validated header.
//! Never accepts a vocabulary that would drop or mistake text in silence.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use super::sentencepiece::{SPACE, SentencePiece, byte_of};
use super::special::{Special, Specials, looks_like_markup};
use super::{Model, TokenKind, Tokenizer, TokenizerError, Vocabulary, pre};
use crate::gguf::{Array, GgufError, Header, Strings};

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
const KIND: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";

/// The most tokens a vocabulary may have. The largest known has 262,208.
const MAX_TOKENS: usize = 1 << 20;

pub(super) fn build(header: &Header) -> Result<Tokenizer, TokenizerError> {
    let kind = header.string(KIND)?.ok_or_else(|| GgufError::Missing { field: KIND.into() })?;
    let tokens = strings(header, TOKENS)?.ok_or_else(|| GgufError::Missing { field: TOKENS.into() })?;
    if tokens.is_empty() || tokens.len() > MAX_TOKENS {
        return Err(GgufError::invalid(TOKENS, format!("there are {} tokens", tokens.len())).into());
    }
    let kinds = token_kinds(header, tokens.len())?;
    match kind {
        "gpt2" => byte_level(header, tokens, &kinds),
        "llama" => sentencepiece(header, tokens, &kinds),
        other => Err(GgufError::unsupported(
            KIND,
            format!("`{other}` is not supported, `gpt2` (byte-level merges) and `llama` (SentencePiece) are"),
        )
        .into()),
    }
}

fn strings<'a>(header: &'a Header, key: &str) -> Result<Option<&'a Strings>, GgufError> {
    match header.array(key)? {
        None => Ok(None),
        Some(Array::Strings(strings)) => Ok(Some(strings)),
        Some(_) => Err(GgufError::invalid(key, "is not a list of strings")),
    }
}

fn token_kinds(header: &Header, count: usize) -> Result<Vec<TokenKind>, GgufError> {
    let Some(types) = header.array(TYPES)? else { return Ok(vec![TokenKind::Normal; count]) };
    let Array::Integers(types) = types else {
        return Err(GgufError::invalid(TYPES, "is not a list of whole numbers"));
    };
    check_length(TYPES, types.len(), count)?;
    types
        .iter()
        .map(|code| {
            Ok(match code {
                0 | 1 => TokenKind::Normal,
                3 => TokenKind::Control,
                4 => TokenKind::UserDefined,
                2 | 5 => TokenKind::Unused,
                6 => TokenKind::Byte,
                other => return Err(GgufError::invalid(TYPES, format!("{other} is not a kind of token"))),
            })
        })
        .collect()
}

fn check_length(field: &str, found: usize, expected: usize) -> Result<(), GgufError> {
    if found == expected {
        return Ok(());
    }
    Err(GgufError::invalid(field, format!("has {found} entries for {expected} tokens")))
}

fn token_text(tokens: &Strings, id: usize) -> String {
    String::from_utf8_lossy(tokens.get(id).unwrap_or_default()).into_owned()
}

fn ids(count: usize) -> impl Iterator<Item = (usize, u32)> {
    (0..count).zip(0u32..)
}

/// The byte behind each character of a byte-level token: printable bytes stand for themselves, the
/// others for the characters from U+0100 on (the scheme that GPT-2 introduced).
pub(super) fn byte_alphabet() -> HashMap<char, u8> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..=255u8).filter(|&byte| !printable(byte));
    let shifted = others.zip(0x100u32..).filter_map(|(byte, code)| Some((char::from_u32(code)?, byte)));
    (0..=255u8).filter(|&byte| printable(byte)).map(|byte| (char::from(byte), byte)).chain(shifted).collect()
}

/// The bytes of a byte-level token; a token spelled outside the alphabet stands for its own spelling.
pub(super) fn unmap(token: &str, alphabet: &HashMap<char, u8>) -> Vec<u8> {
    let bytes: Option<Vec<u8>> = token.chars().map(|character| alphabet.get(&character).copied()).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

fn byte_level(header: &Header, tokens: &Strings, kinds: &[TokenKind]) -> Result<Tokenizer, TokenizerError> {
    let name = header.string(PRE)?.unwrap_or("default");
    let pre = pre::by_name(name)
        .ok_or_else(|| GgufError::unsupported(PRE, format!("the pre-tokenizer `{name}` is not known")))?;
    let merges = strings(header, MERGES)?.ok_or_else(|| GgufError::Missing { field: MERGES.into() })?;

    let alphabet = byte_alphabet();
    let mut vocabulary = Vocabulary::default();
    let mut specials = Specials::default();
    let mut vocab: Vocab = Vocab::with_capacity(tokens.len());
    let mut longest = 0;
    for ((at, id), &kind) in ids(tokens.len()).zip(kinds) {
        let text = token_text(tokens, at);
        match kind {
            TokenKind::Control | TokenKind::UserDefined => {
                add_special(&mut specials, &text, id, kind);
                vocabulary.push(text.as_bytes(), kind);
            }
            TokenKind::Unused => vocabulary.push(&[], kind),
            TokenKind::Normal | TokenKind::Byte => {
                vocabulary.push(&unmap(&text, &alphabet), kind);
                longest = longest.max(text.len());
                vocab.entry(text).or_insert(id);
            }
        }
    }
    // Some vocabularies leave out bytes that their training text did not contain.
    let absent = |character: &char| !vocab.contains_key(&character.to_string());
    let absent: Vec<u8> =
        alphabet.iter().filter(|(character, _)| absent(character)).map(|(_, &byte)| byte).collect();
    if let Some(byte) = absent.iter().find(|byte| matches!(byte, b'\t' | b'\n' | b' '..=b'~')) {
        let reason = format!("no token stands for the byte 0x{byte:02x}");
        return Err(GgufError::invalid(TOKENS, reason).into());
    }
    let mut pairs = Vec::with_capacity(merges.len());
    for (index, merge) in merges.iter().enumerate() {
        let wrong = |reason: &str| GgufError::invalid(format!("{MERGES}[{index}]"), reason);
        let merge = std::str::from_utf8(merge).map_err(|_| wrong("is not UTF-8"))?;
        // The separator is the first space that is not the first character.
        let cut = merge.char_indices().skip(1).find(|(_, character)| *character == ' ');
        let (left, right) = cut
            .map(|(at, _)| (&merge[..at], &merge[at + 1..]))
            .ok_or_else(|| wrong("is not two tokens with a space between them"))?;
        // The library behind it indexes by this length before it looks the union up.
        if left.len() + right.len() > longest {
            return Err(wrong("joins to something that is no token").into());
        }
        pairs.push((left.to_owned(), right.to_owned()));
    }
    let merged = |error: tokenizers::Error| GgufError::invalid(MERGES, error.to_string());
    let model = BPE::builder()
        .vocab_and_merges(vocab, pairs)
        .ignore_merges(pre.ignore_merges)
        .build()
        .map_err(merged)?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for pattern in pre.patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)
            .map_err(|error| GgufError::unsupported(PRE, error.to_string()))?;
        steps.push(split.into());
    }
    steps.push(ByteLevel::new(false, false, false).into());
    tokenizer.with_pre_tokenizer(Some(Sequence::new(steps)));
    Ok(Tokenizer { vocabulary, specials, model: Model::Merges(Box::new(tokenizer), absent) })
}

fn add_special(specials: &mut Specials, name: &str, id: u32, kind: TokenKind) {
    let markup = kind == TokenKind::Control || looks_like_markup(name);
    specials.add(name, Special { id, strip_left: false, strip_right: false, markup });
}

fn sentencepiece(
    header: &Header,
    tokens: &Strings,
    kinds: &[TokenKind],
) -> Result<Tokenizer, TokenizerError> {
    let scores = match header.array(SCORES)? {
        Some(Array::Floats(scores)) => scores,
        Some(_) => return Err(GgufError::invalid(SCORES, "is not a list of floats").into()),
        None => return Err(GgufError::Missing { field: SCORES.into() }.into()),
    };
    check_length(SCORES, scores.len(), tokens.len())?;
    let mut vocabulary = Vocabulary::default();
    let mut specials = Specials::default();
    let mut ids_by_text = HashMap::with_capacity(tokens.len());
    let mut bytes = Box::new([None; 256]);
    for (((at, id), &kind), &score) in ids(tokens.len()).zip(kinds).zip(scores) {
        let text = token_text(tokens, at);
        match kind {
            TokenKind::Control => {
                add_special(&mut specials, &text, id, kind);
                vocabulary.push(text.as_bytes(), kind);
            }
            TokenKind::UserDefined => {
                let plain = text.replace(SPACE, " ");
                add_special(&mut specials, &plain, id, kind);
                vocabulary.push(plain.as_bytes(), kind);
            }
            TokenKind::Byte => match byte_of(&text) {
                Some(byte) => {
                    bytes[byte as usize] = Some(id);
                    vocabulary.push(&[byte], kind);
                }
                None => {
                    let reason = format!("token {id} is a byte and spelled `{text}`");
                    return Err(GgufError::invalid(TOKENS, reason).into());
                }
            },
            TokenKind::Unused => vocabulary.push(&[], kind),
            TokenKind::Normal => {
                vocabulary.push(text.replace(SPACE, " ").as_bytes(), kind);
                ids_by_text.entry(text.into_boxed_str()).or_insert((id, score));
            }
        }
    }
    let unknown = header.integer("tokenizer.ggml.unknown_token_id")?;
    let unknown = unknown.and_then(|id| u32::try_from(id).ok()).filter(|&id| (id as usize) < tokens.len());
    if unknown.is_none() && bytes.iter().any(Option::is_none) {
        let reason = "neither all byte tokens nor an unknown token are there";
        return Err(GgufError::invalid(TOKENS, reason).into());
    }
    let space_first = header.flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let model = SentencePiece { ids: ids_by_text, bytes, unknown, space_first };
    Ok(Tokenizer { vocabulary, specials, model: Model::SentencePiece(model) })
}
