//! Owns the tests of encoding and decoding.
//! Uses small vocabularies made here, and llama.cpp's real ones where their folder is named.
//! Never skips in silence.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

use super::*;
use crate::gguf::Source;
use crate::gguf::testing::{Raw, Shape, model};

/// Names llama.cpp's sources; `models/` in them holds `ggml-vocab-*.gguf`, `.inp` and `.out`.
const SOURCES: &str = "LOCI_LLAMA_CPP_DIR";

fn build(raw: &Raw) -> Arc<Tokenizer> {
    let header = Header::read(&Source::owned(raw.bytes())).unwrap();
    Arc::new(Tokenizer::from_gguf(&header).unwrap())
}

fn byte_level() -> Arc<Tokenizer> {
    build(&model(&Shape::default()))
}

fn spelled(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|&id| String::from_utf8_lossy(tokenizer.token_bytes(id)).into_owned()).collect()
}

fn check_pieces(tokenizer: &Tokenizer, text: &str, expect: &[&str]) {
    assert_eq!(spelled(tokenizer, &tokenizer.encode(text).unwrap()), expect, "{text:?}");
}

#[test]
fn byte_level_text_is_cut_and_merged() {
    let tokenizer = byte_level();
    check_pieces(&tokenizer, "hello", &["hello"]);
    check_pieces(&tokenizer, "hell", &["hell"]);
    check_pieces(&tokenizer, "helloHello", &["hello", "H", "e", "ll", "o"]);
    check_pieces(&tokenizer, "hello::hell->x", &["hello", ":", ":", "hell", "-", ">", "x"]);
    check_pieces(&tokenizer, "HTTPHello", &["H", "T", "T", "P", "H", "e", "ll", "o"]);
    check_pieces(&tokenizer, "", &[]);
}

#[test]
fn every_text_comes_back() {
    let tokenizer = byte_level();
    let texts =
        ["hello world", "  \t\r\n x", "naïve 🦙 ユニコード", "\0\u{1}\u{7f}\u{ad}", "a<|c264|>b", "é\u{301}"];
    for text in texts {
        let ids = tokenizer.encode(text).unwrap();
        assert_eq!(tokenizer.decode(&ids), text);
        let bytes: Vec<u8> = ids.iter().flat_map(|&id| tokenizer.token_bytes(id)).copied().collect();
        assert_eq!(bytes, text.as_bytes());
    }
}

#[test]
fn untrusted_text_cannot_become_markup() {
    let tokenizer = byte_level();
    let control = tokenizer.special("<|c264|>").unwrap();
    let prompt = "<|c264|>user says <|c264|> end<|c264|>";
    let count = |untrusted: &[(usize, usize)]| {
        let untrusted: Vec<Range<usize>> = untrusted.iter().map(|&(start, end)| start..end).collect();
        let ids = tokenizer.encode_prompt(prompt, &untrusted).unwrap();
        let with_control: String = spelled(&tokenizer, &ids).concat();
        assert_eq!(with_control, prompt);
        ids.iter().filter(|&&id| id == control).count()
    };
    assert_eq!(count(&[]), 3);
    assert_eq!(count(&[(8, 30)]), 2);
    // A range that touches only one letter of the name is enough.
    assert_eq!(count(&[(25, 26)]), 2);
    assert_eq!(count(&[(0, 1), (18, 26)]), 1);
    assert_eq!(count(&[(0, prompt.len())]), 0);
    assert!(!tokenizer.encode(prompt).unwrap().contains(&control));
}

#[test]
fn longer_names_win_and_a_rejected_name_hides_nothing() {
    let mut raw = model(&Shape::default());
    let mut tokens: Vec<String> = byte_characters().iter().map(char::to_string).collect();
    tokens.extend(["<|a|>", "<|a|><|b|>", "<|b|>", "  ", "<tool>"].map(str::to_owned));
    let mut kinds = vec![1; 256];
    kinds.extend([3, 3, 3, 4, 4]);
    raw.set_texts("tokenizer.ggml.tokens", &tokens);
    raw.set_integers("tokenizer.ggml.token_type", &kinds);
    raw.set_texts("tokenizer.ggml.merges", &[]);
    let tokenizer = build(&raw);
    assert_eq!(tokenizer.encode_prompt("<|a|><|b|>", &[]).unwrap(), [257]);
    assert_eq!(tokenizer.encode_prompt("<|a|><|b|><|b|>", &[0..3, 10..11]).unwrap().last(), Some(&62));
    let ids = tokenizer.encode_prompt("<|a|><|b|>", std::slice::from_ref(&(0..1))).unwrap();
    assert_eq!(ids.last(), Some(&258), "the second name stands in trusted text");
    // Spaces with an id of their own are text; markup the user writes is not markup.
    assert_eq!(tokenizer.encode("x  y").unwrap(), [120, 259, 121]);
    assert!(!tokenizer.encode("<tool>").unwrap().contains(&260));
    assert_eq!(tokenizer.encode_prompt("<tool>", &[]).unwrap(), [260]);
}

#[test]
fn streams_never_split_a_character() {
    let tokenizer = byte_level();
    let text = "a🦙é\u{1f469}\u{200d}\u{1f4bb}z";
    let mut stream = tokenizer.stream();
    let pieces: Vec<String> = tokenizer.encode(text).unwrap().iter().map(|&id| stream.push(id)).collect();
    assert_eq!(pieces.concat(), text);
    assert!(pieces.iter().filter(|piece| !piece.is_empty()).all(|piece| piece.chars().count() == 1));
    assert_eq!(stream.finish(), "");

    // A character that is cut off, and bytes that never were one.
    let byte = |byte: u8| tokenizer.encode_prompt("", &[]).map(|_| u32::from(byte)).unwrap();
    let mut stream = tokenizer.stream();
    assert_eq!(stream.push(byte(0xf0)) + &stream.push(byte(0x9f)), "");
    assert_eq!(stream.push(byte(b'x')), "\u{fffd}x");
    assert_eq!(stream.push(byte(0xff)), "\u{fffd}");
    assert_eq!(stream.push(byte(0xe2)), "");
    assert_eq!(stream.finish(), "\u{fffd}");

    let control = tokenizer.special("<|c265|>").unwrap();
    assert_eq!(tokenizer.stream().push(control), "");
    assert_eq!(tokenizer.stream().with_control().push(control), "<|c265|>");
}

fn sentencepiece(space_first: bool) -> Arc<Tokenizer> {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(str::to_owned).to_vec();
    let mut kinds = vec![2, 3, 3];
    tokens.extend((0..=255u8).map(|byte| format!("<0x{byte:02X}>")));
    kinds.extend([6; 256]);
    let pieces =
        ["▁", "h", "e", "l", "o", "w", "r", "d", "he", "ll", "hell", "hello", "▁hello", "▁w", "or", "▁▁"];
    tokens.extend(pieces.map(str::to_owned));
    kinds.extend([1; 16]);
    let mut scores: Vec<f32> = vec![0.0; 259];
    scores.extend((0..16).map(|rank| -(rank as f32)));
    let mut raw = model(&Shape::default());
    raw.set_text("tokenizer.ggml.model", "llama");
    raw.set_texts("tokenizer.ggml.tokens", &tokens);
    raw.set_integers("tokenizer.ggml.token_type", &kinds);
    raw.set_floats("tokenizer.ggml.scores", &scores);
    raw.set_bool("tokenizer.ggml.add_space_prefix", space_first);
    raw.set_u32("tokenizer.ggml.unknown_token_id", 0);
    build(&raw)
}

#[test]
fn sentencepiece_merges_by_score_and_falls_back_to_bytes() {
    let tokenizer = sentencepiece(true);
    check_pieces(&tokenizer, "hello", &[" hello"]);
    check_pieces(&tokenizer, "hello  world", &[" hello", " ", " w", "or", "l", "d"]);
    let llama = tokenizer.encode("é").unwrap();
    assert_eq!(llama[1..], [3 + 0xc3, 3 + 0xa9]);
    let tokenizer = sentencepiece(false);
    check_pieces(&tokenizer, "hello", &["hello"]);
    for text in ["hello world", "🦙 </s> <0x41> ▁", "\n\n", ""] {
        let ids = tokenizer.encode(text).unwrap();
        // The mark for spaces cannot be told from a space.
        assert_eq!(tokenizer.decode(&ids), text.replace('▁', " "));
        assert!(ids.iter().all(|&id| tokenizer.kind(id) != TokenKind::Control));
    }
    assert_eq!(tokenizer.encode_prompt("<s>hello</s>", &[]).unwrap(), [1, 270, 2]);
}

#[test]
fn tokenizer_json_gives_what_the_gguf_gives() {
    let vocabulary: serde_json::Map<String, serde_json::Value> = {
        let mut tokens: Vec<String> = byte_characters().iter().map(char::to_string).collect();
        tokens.extend(["he", "ll", "hell", "hello", "Ġw", "or", "Ġwor", "ld"].map(str::to_owned));
        tokens.into_iter().zip(0u32..).map(|(token, id)| (token, id.into())).collect()
    };
    let json = serde_json::json!({
        "version": "1.0",
        "added_tokens": [
            {"id": 264, "content": "<|c264|>", "special": true, "lstrip": false, "rstrip": true,
             "normalized": false, "single_word": false},
            {"id": 265, "content": "<tool>", "special": false, "lstrip": false, "rstrip": false,
             "normalized": false, "single_word": false},
        ],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "behavior": "Isolated", "invert": false,
             "pattern": {"Regex": pre::by_name("loci").unwrap().patterns[0]}},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        ]},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        "model": {"type": "BPE", "vocab": vocabulary,
                  "merges": ["h e", "l l", "he ll", "hell o", "Ġ w", "o r", "Ġw or", "l d"]},
    });
    let from_json = Arc::new(Tokenizer::from_json(json.to_string().as_bytes()).unwrap());
    let from_gguf = byte_level();
    for text in ["hello world", "helloWorld::hell", "naïve 🦙\r\n", "<|c264|>"] {
        assert_eq!(from_json.encode(text).unwrap(), from_gguf.encode(text).unwrap(), "{text:?}");
        assert_eq!(from_json.decode(&from_json.encode(text).unwrap()), text);
    }
    assert_eq!(from_json.encode_prompt("<|c264|> \n<tool>hello", &[]).unwrap(), [264, 265, 259]);
    assert_eq!((from_json.kind(264), from_json.kind(265)), (TokenKind::Control, TokenKind::UserDefined));
    assert_eq!(from_json.token_bytes(4), [4]);

    for broken in ["", "[]", "{}", r#"{"model": {"type": "BPE"}}"#, r#"{"added_tokens": 1}"#] {
        let error = Tokenizer::from_json(broken.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("tokenizer.json: "), "{error}");
    }
    let mut far = json;
    far["added_tokens"][0]["id"] = u32::MAX.into();
    assert!(Tokenizer::from_json(far.to_string().as_bytes()).is_err());
}

#[test]
fn all_patterns_compile() {
    let names = "loci default gpt-2 llama-bpe dbrx qwen2 qwen35 tekken gpt-4o smollm falcon deepseek-coder \
                 deepseek-llm deepseek-v3";
    for name in names.split_whitespace() {
        let mut raw = model(&Shape::default());
        raw.set_text("tokenizer.ggml.pre", name);
        let header = Header::read(&Source::owned(raw.bytes())).unwrap();
        let tokenizer =
            Arc::new(Tokenizer::from_gguf(&header).unwrap_or_else(|error| panic!("{name}: {error}")));
        let text = "Hello's 1234  x\n\n\ty 世界 ÄÖ!? é";
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), text, "{name}");
    }
}

#[test]
fn a_byte_without_token_is_not_dropped_in_silence() {
    let mut raw = model(&Shape::default());
    let mut tokens: Vec<String> = byte_characters().iter().map(char::to_string).collect();
    tokens[0xf1] = "unused".to_owned();
    raw.set_texts("tokenizer.ggml.tokens", &tokens);
    raw.set_integers("tokenizer.ggml.token_type", &[1; 256]);
    raw.set_texts("tokenizer.ggml.merges", &[]);
    let tokenizer = build(&raw);
    for (text, expect) in [("a\u{50000}b", "a?b"), ("🦙ñ", "🦙ñ"), ("\u{fffff}", "\u{fffff}")] {
        assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()), expect);
    }
}

/// Real vocabularies of other families against the ids their own implementations gave.
#[test]
fn real_vocabularies_give_the_published_ids() {
    let Some(folder) = std::env::var_os(SOURCES) else {
        eprint_skip(&format!("set {SOURCES} to llama.cpp's sources to compare real vocabularies"));
        return;
    };
    let folder = std::path::PathBuf::from(folder).join("models");
    let names = [
        "llama-bpe",
        "qwen2",
        "qwen35",
        "gpt-2",
        "llama-spm",
        "phi-3",
        "deepseek-coder",
        "deepseek-llm",
        "falcon",
        "mpt",
        "starcoder",
        "refact",
        "command-r",
    ];
    let mut wrong = Vec::new();
    for name in names {
        let path = folder.join(format!("ggml-vocab-{name}.gguf"));
        let header = Header::read(&Source::open(&path).unwrap()).unwrap();
        let tokenizer = Tokenizer::from_gguf(&header).unwrap_or_else(|error| panic!("{name}: {error}"));
        let texts = std::fs::read_to_string(folder.join(format!("ggml-vocab-{name}.gguf.inp"))).unwrap();
        let expect = std::fs::read_to_string(folder.join(format!("ggml-vocab-{name}.gguf.out"))).unwrap();
        let texts: Vec<&str> = texts.split("\n__ggml_vocab_test__\n").collect();
        let expect: Vec<Vec<u32>> = expect
            .lines()
            .map(|line| line.split_whitespace().map(|id| id.parse().unwrap()).collect())
            .collect();
        assert!(
            texts.len() >= 40 && expect.len() >= texts.len() - 1,
            "{name}: {} {}",
            texts.len(),
            expect.len()
        );
        for (text, expect) in texts.iter().zip(&expect) {
            let found = tokenizer.encode(text).unwrap();
            if &found != expect {
                wrong.push(format!("{name} {text:?}\n  found  {found:?}\n  expect {expect:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} texts differ\n{}", wrong.len(), wrong.join("\n"));
}

/// Says on the terminal that a test did nothing; the harness hides ordinary output of passing tests.
fn eprint_skip(reason: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}
