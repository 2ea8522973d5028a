//! Owns the proof that broken files end in an error that names the field.
//! Uses sound small files, broken in one place each, and mutants of them.
//! Never accepts a panic, and never an error without the field.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

use proptest::prelude::*;

use super::testing::{Raw, Shape, list, model, text};
use super::*;
use crate::kv::Sequence;
use crate::model::config::Config;
use crate::model::decoder::Decoder;
use crate::model::pass::{Error, Outputs, Step};
use crate::tokenizer::{Tokenizer, TokenizerError};

/// All that looks at a file before a job runs.
fn open(bytes: Vec<u8>) -> Result<(Source, Header, Config, Tokenizer), GgufError> {
    let source = Source::owned(bytes);
    let header = Header::read(&source)?;
    let config = Config::read(&header)?;
    let tokenizer = Tokenizer::from_gguf(&header).map_err(|error| match error {
        TokenizerError::Field(error) => error,
        other => panic!("{other}"),
    })?;
    Ok((source, header, config, tokenizer))
}

fn sound() -> Raw {
    model(&Shape::default())
}

#[test]
fn a_sound_file_opens() {
    let (_, header, config, tokenizer) = open(sound().bytes()).unwrap();
    assert_eq!(header.string("general.name").unwrap(), Some("random"));
    assert_eq!((config.hidden, config.layers.len(), config.vocab), (32, 2, 300));
    assert_eq!(tokenizer.vocab_size(), 300);
    let info = header.tensor("blk.1.ffn_down.weight").unwrap();
    assert_eq!((info.shape.as_slice(), info.format), (&[32, 64][..], Format::Q8_0));
}

#[test]
fn every_scalar_type_and_nested_lists_are_read() {
    let mut raw = sound();
    raw.set("a.u8", 0, vec![200]);
    raw.set("a.i8", 1, vec![200]);
    raw.set("a.u16", 2, 60_000u16.to_le_bytes().to_vec());
    raw.set("a.i16", 3, (-2i16).to_le_bytes().to_vec());
    raw.set("a.i32", 5, (-3i32).to_le_bytes().to_vec());
    raw.set("a.u64", 10, u64::MAX.to_le_bytes().to_vec());
    raw.set("a.i64", 11, i64::MIN.to_le_bytes().to_vec());
    raw.set("a.f64", 12, 0.5f64.to_le_bytes().to_vec());
    raw.set("a.nested", 9, list(9, &[list(0, &[vec![1]]), list(8, &[text(b"x")])]));
    raw.set("a.long", 8, text(&vec![b'x'; 600 << 10]));
    raw.set("a.many", 9, list(0, &vec![vec![7]; 5000]));
    let (_, header, ..) = open(raw.bytes()).unwrap();
    let expect = [
        ("a.u8", Value::Unsigned(200)),
        ("a.i8", Value::Signed(-56)),
        ("a.u16", Value::Unsigned(60_000)),
        ("a.i16", Value::Signed(-2)),
        ("a.i32", Value::Signed(-3)),
        ("a.u64", Value::Unsigned(u64::MAX)),
        ("a.i64", Value::Signed(i64::MIN)),
        ("a.f64", Value::Float(0.5)),
        ("a.nested", Value::Array(Array::Nested(2))),
        ("a.long", Value::Omitted { length: 600 << 10, text: true }),
        ("a.many", Value::Omitted { length: 5000, text: false }),
    ];
    for (key, expect) in expect {
        assert_eq!(header.require(key), Ok(&expect), "{key}");
    }
}

/// Break a sound file and expect an error about `field`.
fn check(name: &str, field: &str, damage: impl FnOnce(&mut Raw)) {
    let mut raw = sound();
    damage(&mut raw);
    match open(raw.bytes()) {
        Ok(_) => panic!("{name}: was accepted"),
        Err(error) => {
            assert!(error.field().contains(field), "{name}: `{error}` does not name `{field}`");
            assert!(error.to_string().starts_with(error.field()), "{name}: `{error}` hides the field");
        }
    }
}

/// Change one tensor.
fn tensor(name: &str, field: &str, damage: impl FnOnce(&mut super::testing::RawTensor)) {
    check(name, field, |raw| damage(raw.find("blk.0.attn_q.weight")));
}

#[test]
fn broken_frames_are_named() {
    check("wrong magic", "magic", |raw| raw.magic = *b"GGML");
    check("big-endian magic", "magic", |raw| raw.magic = *b"FUGG");
    check("empty file", "magic", |raw| raw.length = Some(0));
    check("three bytes", "magic", |raw| raw.length = Some(3));
    check("version 0", "version", |raw| raw.version = 0);
    check("version 1", "version", |raw| raw.version = 1);
    check("version 4", "version", |raw| raw.version = 4);
    check("big-endian file", "version", |raw| raw.version = 3u32.swap_bytes());
    check("ends after the version", "tensor_count", |raw| raw.length = Some(8));
    check("ends after one count", "metadata_count", |raw| raw.length = Some(16));
    check("ends in the first key", "tensor_count", |raw| raw.length = Some(30));
    check("ends in a later key", "key", |raw| {
        let key = b"tokenizer.ggml.merges";
        let at = raw.bytes().windows(key.len()).position(|bytes| bytes == key).unwrap();
        raw.length = Some(at + 5);
    });
    check("2^63 tensors", "tensor_count", |raw| raw.tensor_count = Some(1 << 63));
    check("2^64-1 tensors", "tensor_count", |raw| raw.tensor_count = Some(u64::MAX));
    check("more tensors than bytes", "tensor_count", |raw| raw.tensor_count = Some(60_000));
    check("one tensor too many", "tensor", |raw| raw.tensor_count = Some(raw.tensors.len() as u64 + 1));
    check("2^64-1 entries", "metadata_count", |raw| raw.entry_count = Some(u64::MAX));
    check("more entries than allowed", "metadata_count", |raw| raw.entry_count = Some(20_000));
    check("one entry too many", "tensor[0]", |raw| raw.entry_count = Some(raw.entries.len() as u64 + 1));
    check("one entry too few", "tensor", |raw| raw.entry_count = Some(raw.entries.len() as u64 - 1));
    check("data cut by a byte", "data", |raw| raw.length = Some(raw.bytes().len() - 1));
    check("data cut to nothing", "tensor", |raw| raw.length = Some(raw.bytes().len() / 3));
}

#[test]
fn broken_metadata_is_named() {
    let long = |length: u64| length.to_le_bytes().to_vec();
    check("empty key", "key", |raw| raw.set("", 4, vec![0; 4]));
    check("key of 2 KiB", "key", |raw| raw.set(&"k".repeat(2048), 4, vec![0; 4]));
    check("key that is not UTF-8", "key", |raw| {
        raw.entries.push(super::testing::Entry { key: vec![0xff, 0xfe], code: 4, value: vec![0; 4] });
    });
    check("duplicate key", "general.name", |raw| {
        let twin = raw.entries.iter().find(|entry| entry.key == b"general.name").unwrap().clone();
        raw.entries.push(twin);
    });
    check("unknown type", "x.y type", |raw| raw.set("x.y", 13, vec![0; 8]));
    check("type 2^32-1", "x.y type", |raw| raw.set("x.y", u32::MAX, vec![0; 8]));
    check("flag of 2", "x.y", |raw| raw.set("x.y", 7, vec![2]));
    check("string of 2^64-1 bytes", "x.y", |raw| raw.set("x.y", 8, long(u64::MAX)));
    check("string longer than the file", "x.y", |raw| raw.set("x.y", 8, long(1 << 40)));
    check("string that is not UTF-8", "x.y", |raw| raw.set("x.y", 8, text(&[0xc3, 0x28])));
    check("list of unknown type", "x.y element type", |raw| raw.set("x.y", 9, list(77, &[])));
    check("list of 2^64-1", "x.y length", |raw| {
        raw.set("x.y", 9, [&4u32.to_le_bytes()[..], &u64::MAX.to_le_bytes()].concat());
    });
    check("list of 2^61 strings", "x.y length", |raw| {
        raw.set("x.y", 9, [&8u32.to_le_bytes()[..], &(1u64 << 61).to_le_bytes()].concat());
    });
    check("many long lists", "length", |raw| {
        for index in 0..3 {
            let many = [&0u32.to_le_bytes()[..], &(1u64 << 21).to_le_bytes(), &[0; 1 << 21]].concat();
            raw.set(&format!("x.{index}"), 9, many);
        }
    });
    check("lists five deep", "x.y", |raw| {
        let mut value = list(0, &[vec![1]]);
        for _ in 0..4 {
            value = list(9, &[value]);
        }
        raw.set("x.y", 9, value);
    });
    check("lists a thousand deep", "x.y", |raw| {
        let mut value = list(0, &[vec![1]]);
        for _ in 0..1000 {
            value = list(9, &[value]);
        }
        raw.set("x.y", 9, value);
    });
    check("string in a list longer than the file", "x.y", |raw| raw.set("x.y", 9, list(8, &[long(1 << 50)])));
    check("flag of 3 in a list", "x.y", |raw| raw.set("x.y", 9, list(7, &[vec![3]])));
    check("template of 300 KiB", "tokenizer.chat_template", |raw| {
        raw.set_text("tokenizer.chat_template", &"x".repeat(300 << 10));
    });
    check("second template of 1 MiB", "tokenizer.chat_template.tools", |raw| {
        raw.set_text("tokenizer.chat_template.tools", &"x".repeat(1 << 20));
    });
    check("one part of a split model", "split.count", |raw| raw.set("split.count", 2, vec![3, 0]));
    for (name, value) in [("0", 0), ("1", 1), ("4", 4), ("3", 3), ("48", 48), ("8192", 8192)] {
        check(&format!("alignment {name}"), "general.alignment", |raw| {
            raw.set_u32("general.alignment", value)
        });
    }
    check("alignment as a string", "general.alignment", |raw| raw.set_text("general.alignment", "32"));
    check("negative alignment", "general.alignment", |raw| {
        raw.set("general.alignment", 5, (-32i32).to_le_bytes().to_vec());
    });
}

#[test]
fn broken_tensors_are_named() {
    tensor("empty name", "name", |tensor| tensor.name.clear());
    tensor("name of 300 bytes", "name", |tensor| tensor.name = vec![b'n'; 300]);
    tensor("name that is not UTF-8", "name", |tensor| tensor.name = vec![0xff]);
    tensor("rank 0", "rank", |tensor| tensor.rank = Some(0));
    tensor("rank 5", "rank", |tensor| tensor.rank = Some(5));
    tensor("rank 2^32-1", "rank", |tensor| tensor.rank = Some(u32::MAX));
    tensor("dimension 0", "dimension 0", |tensor| tensor.dimensions[0] = 0);
    tensor("dimension that is no block", "dimension 0", |tensor| tensor.dimensions[0] = 31);
    tensor("2^40 x 2^40", "dimension 1", |tensor| tensor.dimensions = vec![1 << 40, 1 << 40]);
    tensor("product that wraps to 0", "dimension 1", |tensor| tensor.dimensions = vec![1 << 32, 1 << 32]);
    tensor("2^64-32 elements", "dimension 0", |tensor| tensor.dimensions = vec![u64::MAX - 31]);
    tensor("size beyond 2^63", "tensor", |tensor| tensor.dimensions = vec![1 << 62, 1]);
    tensor("more data than the file", "data", |tensor| tensor.dimensions[1] = 1 << 30);
    tensor("unknown type", "type", |tensor| tensor.code = 99);
    tensor("removed type", "type", |tensor| tensor.code = 4);
    tensor("IQ type", "type", |tensor| tensor.code = 16);
    tensor("ternary type", "type", |tensor| tensor.code = 34);
    tensor("type of activations", "type", |tensor| tensor.code = 15);
    tensor("integer type", "type", |tensor| tensor.code = 24);
    tensor("offset not aligned", "offset", |tensor| tensor.offset = Some(8));
    tensor("offset behind the file", "data", |tensor| tensor.offset = Some(1 << 40));
    tensor("offset that wraps", "data", |tensor| tensor.offset = Some(u64::MAX - 31));
    tensor("overlapping data", "offset", |tensor| tensor.offset = Some(0));
    check("duplicate tensor", "blk.0.attn_q.weight", |raw| {
        let twin = raw.find("blk.0.attn_q.weight").clone();
        raw.tensors.push(twin);
    });
}

#[test]
fn broken_models_are_named() {
    let number = |name: &str, key: &str, value: u32| {
        check(name, key, |raw| raw.set_u32(key, value));
    };
    let missing = |key: &str| check(&format!("without {key}"), key, |raw| raw.remove(key));
    for key in [
        "general.architecture",
        "qwen3.context_length",
        "qwen3.embedding_length",
        "qwen3.block_count",
        "qwen3.feed_forward_length",
        "qwen3.attention.head_count",
        "qwen3.attention.layer_norm_rms_epsilon",
        "tokenizer.ggml.model",
        "tokenizer.ggml.tokens",
        "tokenizer.ggml.merges",
    ] {
        missing(key);
    }
    check("unknown architecture", "general.architecture", |raw| raw.set_text("general.architecture", "rwkv"));
    check("architecture as a number", "general.architecture", |raw| raw.set_u32("general.architecture", 1));
    check("mixture of experts", "qwen3.expert_count", |raw| raw.set_u32("qwen3.expert_count", 8));
    number("no context", "qwen3.context_length", 0);
    number("no layers", "qwen3.block_count", 0);
    number("2^32-1 layers", "qwen3.block_count", u32::MAX);
    number("no heads", "qwen3.attention.head_count", 0);
    number("no key heads", "qwen3.attention.head_count_kv", 0);
    number("key heads that do not divide", "qwen3.attention.head_count_kv", 3);
    number("values wider than keys", "qwen3.attention.value_length", 8);
    number("rotation wider than a head", "qwen3.rope.dimension_count", 64);
    number("odd rotation", "qwen3.rope.dimension_count", 7);
    check("layers as a string", "qwen3.block_count", |raw| raw.set_text("qwen3.block_count", "2"));
    check("layers as a list", "qwen3.block_count", |raw| raw.set_integers("qwen3.block_count", &[2, 2]));
    check("epsilon not a number", "layer_norm_rms_epsilon", |raw| {
        raw.set_f32("qwen3.attention.layer_norm_rms_epsilon", f32::NAN);
    });
    check("infinite base", "rope.freq_base", |raw| raw.set_f32("qwen3.rope.freq_base", f32::INFINITY));
    check("unknown scaling", "rope.scaling.type", |raw| {
        raw.set_text("qwen3.rope.scaling.type", "dynamic");
        raw.set_f32("qwen3.rope.scaling.factor", 4.0);
    });
    check("scaling without factor", "rope.scaling.factor", |raw| {
        raw.set_text("qwen3.rope.scaling.type", "linear");
    });
    check("one layer more than tensors", "blk.2.attn_norm.weight", |raw| raw.set_u32("qwen3.block_count", 3));
    check("embedding wider than said", "shape", |raw| raw.set_u32("qwen3.embedding_length", 64));
    check("a tensor with its axes swapped", "blk.0.ffn_up.weight", |raw| {
        raw.find("blk.0.ffn_up.weight").dimensions.reverse();
    });
    check("no embedding", "token_embd.weight", |raw| raw.find("token_embd.weight").name = b"other".to_vec());
    check("no final norm", "output_norm.weight", |raw| {
        raw.find("output_norm.weight").name = b"other".to_vec();
    });
}

#[test]
fn broken_vocabularies_are_named() {
    let tokens = |damage: fn(&mut Vec<String>)| {
        move |raw: &mut Raw| {
            let (_, header, ..) = open(raw.bytes()).unwrap();
            let Some(Array::Strings(strings)) = header.array("tokenizer.ggml.tokens").unwrap() else {
                panic!()
            };
            let mut tokens: Vec<String> =
                strings.iter().map(|token| String::from_utf8(token.to_vec()).unwrap()).collect();
            damage(&mut tokens);
            raw.set_texts("tokenizer.ggml.tokens", &tokens);
        }
    };
    check("no tokens", "tokenizer.ggml.tokens", |raw| raw.set_texts("tokenizer.ggml.tokens", &[]));
    check("tokens as numbers", "tokenizer.ggml.tokens", |raw| {
        raw.set_integers("tokenizer.ggml.tokens", &[1])
    });
    check("fewer types than tokens", "token_type", |raw| {
        raw.set_integers("tokenizer.ggml.token_type", &[1, 1]);
    });
    check("type 9", "token_type", |raw| raw.set_integers("tokenizer.ggml.token_type", &[9; 300]));
    check("a byte without token", "tokenizer.ggml.tokens", tokens(|tokens| tokens[65] = "AAA".into()));
    check("unknown kind of tokenizer", "tokenizer.ggml.model", |raw| {
        raw.set_text("tokenizer.ggml.model", "t5");
    });
    check("unknown cutting", "tokenizer.ggml.pre", |raw| raw.set_text("tokenizer.ggml.pre", "nobody"));
    let merge = |name: &str, merge: &'static str| {
        check(name, "tokenizer.ggml.merges", |raw| {
            raw.set_texts("tokenizer.ggml.merges", &[merge.to_owned()]);
        });
    };
    merge("merge without a space", "hello");
    merge("merge of unknown tokens", "zz zz");
    merge("merge to an unknown token", "q q");
    merge("merge longer than any token", "hello hello");
    merge("empty merge", "");
    check("SentencePiece without scores", "tokenizer.ggml.scores", |raw| {
        raw.set_text("tokenizer.ggml.model", "llama");
    });
    check("fewer scores than tokens", "tokenizer.ggml.scores", |raw| {
        raw.set_text("tokenizer.ggml.model", "llama");
        raw.set_floats("tokenizer.ggml.scores", &[0.0]);
    });
    check("SentencePiece without bytes", "tokenizer.ggml.tokens", |raw| {
        raw.set_text("tokenizer.ggml.model", "llama");
        raw.set_floats("tokenizer.ggml.scores", &[0.0; 300]);
    });
}

#[test]
fn a_file_that_shrinks_while_it_is_open_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bytes = sound().bytes();
    std::fs::write(file.path(), &bytes).unwrap();
    let source = Source::open(file.path()).unwrap();
    let header = Header::read(&source).unwrap();
    let config = Config::read(&header).unwrap();
    file.as_file().set_len(bytes.len() as u64 / 2).unwrap();
    let Err(error) = Decoder::load(&source, &header, config, 64, 1) else { panic!("was loaded") };
    assert!(error.to_string().contains("data: the file ends at byte"), "{error}");
}

#[test]
fn what_is_not_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Source::open(folder.path()).is_err());
    assert!(Source::open(&folder.path().join("absent.gguf")).is_err());
}

/// Open a mutant; what is accepted must also run.
fn survive(bytes: Vec<u8>, run: bool) {
    if let Ok((source, header, config, tokenizer)) = open(bytes) {
        assert!(config.vocab <= 1 << 20 && tokenizer.vocab_size() > 0);
        if run && let Ok(mut decoder) = Decoder::load(&source, &header, config, 64, 1) {
            let mut sequence = Sequence::new(decoder.geometry());
            let step = Step { sequence: &mut sequence, tokens: &[1, 2, 3], outputs: Outputs::All };
            match decoder.forward(&mut [step], &mut Vec::new(), &|| false) {
                Ok(()) | Err(Error::Memory(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Where the mutants differ: everything in front of the tensors' bytes, and a little behind.
fn header_length(bytes: &[u8]) -> usize {
    let source = Source::owned(bytes.to_vec());
    let header = Header::read(&source).unwrap();
    header.tensors().values().map(|info| info.position).min().unwrap() as usize + 64
}

#[test]
fn ten_thousand_mutants_do_no_harm() {
    let bytes = sound().bytes();
    let end = header_length(&bytes);
    let mut state = 42u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for index in 0..10_000 {
        let mut mutant = bytes.clone();
        for _ in 0..1 + random(3) {
            let at = random(end);
            mutant[at] = match random(4) {
                0 => mutant[at] ^ (1 << random(8)),
                1 => 0xff,
                2 => 0,
                _ => random(256) as u8,
            };
        }
        if index % 10 == 0 {
            mutant.truncate(random(bytes.len()));
        }
        survive(mutant, index % 100 == 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        survive([b"GGUF\x03\0\0\0".to_vec(), bytes].concat(), true);
    }

    #[test]
    fn any_eight_bytes_anywhere_do_no_harm(at in 0usize..100_000, value: u64) {
        let mut bytes = sound().bytes();
        let at = at % (header_length(&bytes) - 8);
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        survive(bytes, true);
    }
}
