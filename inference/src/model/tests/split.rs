//! Owns the tests of models that are split over several files.
//! Uses a writer of parts beside the one of whole files.
//! Never reads a file that is not made here.
#![expect(clippy::unwrap_used, reason = "a failure here is the test's result")]

use super::*;

/// The same model in `count` files, as gguf-split writes them: the first has all metadata, the others only their number.
fn split(raw: &Raw, count: usize, folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let each = raw.tensors.len().div_ceil(count);
    let parts = raw.tensors.chunks(each).enumerate().map(|(index, tensors)| {
        let mut part = if index == 0 { raw.clone() } else { Raw::new() };
        part.tensors = tensors.to_vec();
        part.set("split.no", 2, (index as u16).to_le_bytes().to_vec());
        part.set("split.count", 2, (count as u16).to_le_bytes().to_vec());
        part.set("split.tensors.count", 5, (raw.tensors.len() as i32).to_le_bytes().to_vec());
        let path = folder.join(format!("m-{:05}-of-{count:05}.gguf", index + 1));
        std::fs::write(&path, part.bytes()).unwrap();
        path
    });
    parts.collect()
}

fn logits_of(source: &Source, tokens: &[u32]) -> Result<Vec<f32>, crate::gguf::GgufError> {
    let header = Header::read(source)?;
    let config = Config::read(&header)?;
    let decoder = Decoder::load(source, &header, config, CONTEXT, 2).unwrap();
    let sequence = Sequence::new(decoder.geometry());
    Ok(Runner { decoder, sequence }.run(tokens, 8))
}

#[test]
fn a_split_model_computes_what_the_whole_one_does() {
    let raw = model(&Shape { format: Format::Q8_0, ..Shape::default() });
    let tokens = [1, 7, 42, 9, 100, 3];
    let whole = logits_of(&Source::owned(raw.bytes()), &tokens).unwrap();
    assert!(deviation(&whole) > 0.0);
    let folder = tempfile::tempdir().unwrap();
    let paths = split(&raw, 3, folder.path());
    assert_eq!(paths.len(), 3);
    let source = Source::open(&paths[0]).unwrap();
    assert_eq!(logits_of(&source, &tokens).unwrap(), whole);
    // Bytes are read across files as they lie behind each other, too.
    let mut bytes = vec![0; usize::try_from(source.length()).unwrap()];
    source.read_at(0, &mut bytes, "all").unwrap();
    let joined: Vec<u8> = paths.iter().flat_map(|path| std::fs::read(path).unwrap()).collect();
    assert_eq!(bytes, joined);
}

#[test]
fn a_part_that_is_missing_or_foreign_is_named() {
    let raw = model(&Shape { format: Format::Q8_0, ..Shape::default() });
    let other = model(&Shape { format: Format::Q8_0, layers: 1, ..Shape::default() });
    let folder = tempfile::tempdir().unwrap();
    let (mine, foreign) = (folder.path().join("mine"), folder.path().join("foreign"));
    std::fs::create_dir_all(&mine).unwrap();
    std::fs::create_dir_all(&foreign).unwrap();
    let paths = split(&raw, 3, &mine);
    let others = split(&other, 3, &foreign);
    let check = |expect: &str| {
        let error = Source::open(&paths[0]).and_then(|source| Header::read(&source).map(drop)).unwrap_err();
        assert!(error.to_string().contains(expect), "{error}");
    };
    let kept = std::fs::read(&paths[1]).unwrap();
    std::fs::remove_file(&paths[1]).unwrap();
    check("m-00002-of-00003.gguf, a part of m-00001-of-00003.gguf,: is missing");
    std::fs::copy(&others[1], &paths[1]).unwrap();
    check("m-00002-of-00003.gguf: split.tensors.count: is");
    std::fs::copy(&paths[2], &paths[1]).unwrap();
    check("m-00002-of-00003.gguf: split.no: is 2 and must be 1");
    std::fs::write(&paths[1], &kept[..kept.len() - 40]).unwrap();
    check("m-00002-of-00003.gguf: tensor `");
    std::fs::write(&paths[1], &kept).unwrap();
    assert!(Source::open(&paths[0]).and_then(|source| Header::read(&source)).is_ok(), "the control");
    let second = Source::open(&paths[1]).unwrap_err();
    assert!(second.to_string().contains("name the first one"), "{second}");
    // Under another name a part is no model.
    let alone = folder.path().join("alone.gguf");
    std::fs::copy(&paths[0], &alone).unwrap();
    let error = Source::open(&alone).and_then(|source| Header::read(&source)).unwrap_err();
    assert_eq!(error.field(), "split.count");
}
