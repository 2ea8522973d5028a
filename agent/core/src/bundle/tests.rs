//! Owns the attempts to get something through that is not what the manifest says, and the ways of an installation.
//! Uses small bundles, so that every byte of them can be tried.
//! Never tries a refusal without having seen the same bundle accepted.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;

fn bytes_item(role: Role, below: &str, bytes: &[u8]) -> Item {
    Item {
        below: below.to_owned(),
        role,
        origin: Origin::Bytes(bytes.to_vec()),
        licence: "MIT".to_owned(),
        source: "a test".to_owned(),
    }
}

/// One of each role, and sizes around those of a block.
fn items() -> Vec<Item> {
    vec![
        bytes_item(Role::Binary, "loci", &[7; 700]),
        bytes_item(Role::Model, "deep/er/model.gguf", &[3; 1024]),
        bytes_item(Role::Model, "empty.gguf", b""),
        bytes_item(Role::Configuration, "config.toml", b"offline = true\n"),
        bytes_item(Role::Policy, "10-site.toml", b"offline = true\n"),
        bytes_item(Role::Licence, "MIT.txt", b"Permission is hereby granted\n"),
    ]
}

struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn bundle(&self, name: &str, items: &[Item], base: Option<&Written>) -> Written {
        let base = base.map(|base| (&base.manifest, &base.id));
        create(&self.path(name), items, base, &mut |_, _| ()).expect("made")
    }

    fn destination(&self) -> Destination {
        Destination {
            programs: self.path("bin"),
            data: self.path("data/loci"),
            configuration: self.path("config/loci"),
        }
    }

    fn install(&self, name: &str) -> Result<Vec<(String, Fate)>, BundleError> {
        let reading = Reading::open(fs::File::open(self.path(name)).expect("there"))?;
        let plan = plan(&reading.manifest, &self.destination())?;
        install(reading, &plan, &self.destination(), &mut |_, _| ())?;
        Ok(plan.steps.into_iter().map(|(file, _, fate)| (file.path, fate)).collect())
    }

    /// Every file below, with its content.
    fn tree(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => walk(&path, found),
                    path => found.push((path.clone(), fs::read(&path).expect("read"))),
                }
            }
        }
        let mut found = Vec::new();
        for folder in ["bin", "data", "config"] {
            walk(&self.path(folder), &mut found);
        }
        found.sort();
        found
    }
}

fn check_whole(bytes: &[u8]) -> Result<Manifest, BundleError> {
    verify(bytes, &mut |_, _| ()).map(|(manifest, _)| manifest)
}

/// What an error says is wrong.
fn blamed(error: &BundleError) -> String {
    match error {
        BundleError::Damaged { path, .. } | BundleError::Truncated { path, .. } => path.clone(),
        BundleError::NotABundle { .. } => "the manifest".to_owned(),
        other => panic!("{other}"),
    }
}

/// Where each part of a bundle begins, and what it is called.
fn parts(written: &Written) -> Vec<(usize, String)> {
    let whole = |size: u64| size as usize + padding(size);
    let mut parts = vec![(0, "the manifest".to_owned())];
    let mut at = BLOCK + whole(written.bytes.len() as u64);
    for file in written.manifest.held() {
        parts.push((at, file.path.clone()));
        at += BLOCK + whole(file.size);
    }
    parts.push((at, "the end".to_owned()));
    assert_eq!(at + 2 * BLOCK, written.length as usize);
    parts
}

#[test]
fn one_changed_byte_anywhere_is_refused_and_its_file_named() {
    let world = World::new();
    let written = world.bundle("b", &items(), None);
    let good = fs::read(world.path("b")).expect("there");
    let manifest = check_whole(&good).expect("the control");
    assert_eq!(manifest, written.manifest);
    let parts = parts(&written);
    let mut bad = good.clone();
    let mut tried = 0;
    for at in 0..good.len() {
        let expect = &parts.iter().rev().find(|(begin, _)| *begin <= at).expect("the first begins at 0").1;
        for mask in [0x01, 0x20, 0x80, good[at]] {
            if mask == 0 {
                continue;
            }
            bad[at] = good[at] ^ mask;
            let error = check_whole(&bad).expect_err("refused");
            assert_eq!(&blamed(&error), expect, "byte {at}: {error}");
            tried += 1;
        }
        bad[at] = good[at];
    }
    assert!(tried > 3 * good.len());
    check_whole(&bad).expect("as it was");
}

#[test]
fn a_bundle_that_is_cut_or_longer_is_refused() {
    let world = World::new();
    let written = world.bundle("b", &items(), None);
    let good = fs::read(world.path("b")).expect("there");
    let parts = parts(&written);
    for length in 0..good.len() {
        let error = check_whole(&good[..length]).expect_err("refused");
        let expect = &parts.iter().rev().find(|(begin, _)| *begin <= length).expect("the first").1;
        assert!(matches!(error, BundleError::Truncated { .. }), "{length}: {error}");
        assert_eq!(&blamed(&error), expect, "{length}");
    }
    for more in [&[0][..], &[1], &[0; 512], &[0; 8192]] {
        let error = check_whole(&[&good, more].concat()).expect_err("refused");
        assert_eq!(blamed(&error), "the end");
    }
}

/// Changes of every kind, many at once: none panics, and what is accepted is what was made.
#[test]
fn a_thousand_mutants_are_refused_or_equal() {
    let world = World::new();
    world.bundle("b", &items(), None);
    let good = fs::read(world.path("b")).expect("there");
    // A plain generator with a fixed seed (Knuth's MMIX), so that a failure can be repeated.
    let mut state = 7u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (mut equal, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let mut bad = good.clone();
        for _ in 0..=draw(3) {
            let (one, other) = (draw(bad.len()), draw(bad.len()));
            let (from, to) = (one.min(other), one.max(other));
            match draw(7) {
                0 => bad[from] = draw(256) as u8,
                1 => drop(bad.drain(from..to.min(from + 1 + draw(2000)))),
                2 => bad.insert(from, draw(256) as u8),
                // A whole block twice, or two of them exchanged.
                3 => {
                    let block = from / BLOCK * BLOCK;
                    let copy = bad[block..(block + BLOCK).min(bad.len())].to_vec();
                    bad.splice(block..block, copy);
                }
                4 => {
                    let blocks = bad.len() / BLOCK;
                    let (one, other) = (draw(blocks.max(1)), draw(blocks.max(1)));
                    for at in 0..BLOCK.min(bad.len()) {
                        let (one, other) = (one * BLOCK + at, other * BLOCK + at);
                        if one < bad.len() && other < bad.len() {
                            bad.swap(one, other);
                        }
                    }
                }
                5 => bad.truncate(to),
                _ => bad[from..to].reverse(),
            }
            if bad.is_empty() {
                break;
            }
        }
        match check_whole(&bad) {
            Ok(_) => {
                assert_eq!(bad, good, "only the same bytes are accepted");
                equal += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 900 && equal + refused == 1_000, "{refused} refused, {equal} equal");
}

/// A bundle whose first entry is this manifest, and whose others are these, well-formed as an archive.
fn forged(manifest: &[u8], entries: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
    let name = read::manifest_name(&Manifest::id(manifest));
    let mut bytes = header(&name, manifest.len() as u64, 0o644).expect("a name").to_vec();
    bytes.extend_from_slice(manifest);
    bytes.resize(bytes.len() + padding(manifest.len() as u64), 0);
    let mut builder = tar::Builder::new(bytes);
    entries(&mut builder);
    builder.into_inner().expect("ends")
}

#[test]
fn entries_that_are_not_plain_files_are_refused() {
    let world = World::new();
    let written = world.bundle("b", &[bytes_item(Role::Model, "m.gguf", b"abc")], None);
    let plain = |builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, content: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(kind);
        if kind.is_symlink() || kind.is_hard_link() {
            header.set_link_name("/etc/passwd").expect("short");
        }
        header.set_cksum();
        builder.append(&header, content).expect("appended");
    };
    use tar::EntryType as Kind;
    let good = forged(&written.bytes, |builder| plain(builder, "models/m.gguf", Kind::Regular, b"abc"));
    assert_eq!(good, fs::read(world.path("b")).expect("there"), "the control is the bundle itself");
    check_whole(&good).expect("the control");

    let check = |entries: &[(&str, Kind, &[u8])], blame: &str, says: &str| {
        let bad = forged(&written.bytes, |builder| {
            entries.iter().for_each(|(path, kind, content)| plain(builder, path, *kind, content));
        });
        let error = check_whole(&bad).expect_err("refused");
        assert_eq!(blamed(&error), blame, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    };
    check(&[("models/m.gguf", Kind::Symlink, b"")], "models/m.gguf", "a link");
    check(&[("models/m.gguf", Kind::Link, b"")], "models/m.gguf", "a link");
    check(&[("models/m.gguf", Kind::Char, b"")], "models/m.gguf", "a device");
    check(&[("models/m.gguf", Kind::Fifo, b"")], "models/m.gguf", "a device");
    check(&[("models", Kind::Directory, b"")], "models/m.gguf", "a folder `models`");
    check(&[("/models/m.gguf", Kind::Regular, b"abc")], "models/m.gguf", "`/models/m.gguf`");
    check(&[("../m.gguf", Kind::Regular, b"abc")], "models/m.gguf", "`../m.gguf`");
    check(&[("models/other", Kind::Regular, b"abc")], "models/m.gguf", "`models/other`");
    check(&[("models/m.gguf", Kind::Regular, b"abd")], "models/m.gguf", "not those of the manifest");
    check(&[("models/m.gguf", Kind::Regular, b"abcd")], "models/m.gguf", "not its header");
    check(&[], "models/m.gguf", "the end");
    let twice = ("models/m.gguf", Kind::Regular, &b"abc"[..]);
    check(&[twice, twice], "the end", "must be zero");
    check(&[twice, ("models/n", Kind::Regular, b"")], "the end", "must be zero");
}

#[test]
fn manifests_that_say_what_may_not_be_said_are_refused() {
    let world = World::new();
    let written = world.bundle("b", &items(), None);
    Manifest::decode(&written.bytes).expect("the control");
    let check = |change: &dyn Fn(&mut Manifest), says: &str| {
        let mut manifest = written.manifest.clone();
        change(&mut manifest);
        let error = Manifest::decode(&manifest.encode()).expect_err(says);
        assert!(error.to_string().contains(says), "{says}: {error}");
    };
    let path = |path: &'static str| move |manifest: &mut Manifest| manifest.files[0].path = path.to_owned();
    check(&path("/models/x"), "absolute");
    check(&path("models/../x"), "upwards");
    check(&path("models/.."), "upwards");
    check(&path("models//x"), "empty");
    check(&path("models/"), "empty");
    check(&path("models"), "not in the folder");
    check(&path("bin/x"), "not in the folder");
    check(&path("models/.hidden"), "hidden");
    check(&path("models/a\\b"), "letters");
    check(&path("models/c:x"), "letters");
    check(&path("models/\u{202e}x"), "letters");
    check(&path("models/x\n"), "letters");
    check(&path("models/x "), "letters");
    check(&|manifest| manifest.files[0].path = format!("models/{}", "x".repeat(300)), "too long");
    check(
        &|manifest| {
            manifest.files[1].path = manifest.files[0].path.to_uppercase().replace("MODELS", "models")
        },
        "twice",
    );
    check(&|manifest| manifest.files[0].sha256 = "abc".to_owned(), "SHA-256");
    check(&|manifest| manifest.files[0].sha256.make_ascii_uppercase(), "SHA-256");
    check(&|manifest| manifest.files[0].size = u64::MAX, "size");
    check(&|manifest| manifest.files[0].in_base = true, "none is named");
    check(&|manifest| manifest.base = Some(Id("x".to_owned())), "base is no SHA-256");
    check(&|manifest| manifest.target = None, "does not say for what");
    check(&|manifest| manifest.format = "zip".to_owned(), "something else");
    check(&|manifest| manifest.version = 2, "version 2");
    let unknown = String::from_utf8(written.bytes.clone()).expect("text").replace("\"loci\"", "\"loki\"");
    assert!(Manifest::decode(unknown.as_bytes()).is_err());
    for nothing in ["", "null", "[]", "{}", &"[".repeat(100_000), "<html></html>"] {
        assert!(matches!(Manifest::decode(nothing.as_bytes()), Err(BundleError::NotABundle { .. })));
    }
    // What may not be read is not made either.
    for (below, role) in [("../x", Role::Model), (".loci", Role::Binary), ("", Role::Licence)] {
        let made = create(&world.path("c"), &[bytes_item(role, below, b"x")], None, &mut |_, _| ());
        assert!(matches!(made, Err(BundleError::Path { .. })), "{below}");
    }
    assert!(!world.path("c").exists());
}

#[test]
fn an_installation_is_whole_and_can_be_repeated() {
    let world = World::new();
    world.bundle("b", &items(), None);
    assert!(world.install("b").expect("installed").iter().all(|(_, fate)| *fate == Fate::New));
    let first = world.tree();
    // Six files and the record.
    assert_eq!(first.len(), 7, "{first:?}");
    assert_eq!(fs::read(world.path("data/loci/models/deep/er/model.gguf")).expect("there"), [3; 1024]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(world.path("bin/loci")).expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }
    assert!(world.install("b").expect("again").iter().all(|(_, fate)| *fate == Fate::Same));
    assert_eq!(world.tree(), first);

    // The user's configuration stays; everything else is what the bundle says.
    fs::write(world.path("config/loci/config.toml"), "mine = true\n").expect("written");
    fs::write(world.path("bin/loci"), "old").expect("written");
    fs::remove_file(world.path("data/loci/licences/MIT.txt")).expect("removed");
    let fates = world.install("b").expect("once more");
    let fate = |path: &str| fates.iter().find(|(known, _)| known == path).expect("there").1;
    assert_eq!(fate("config/config.toml"), Fate::Kept);
    assert_eq!(fate("bin/loci"), Fate::Replaced);
    assert_eq!(fate("licences/MIT.txt"), Fate::New);
    assert_eq!(fate("models/empty.gguf"), Fate::Same);
    assert_eq!(fs::read(world.path("config/loci/config.toml")).expect("there"), b"mine = true\n");
    assert_eq!(fs::read(world.path("bin/loci")).expect("there"), [7; 700]);
}

#[test]
fn a_damaged_bundle_changes_nothing() {
    let world = World::new();
    let written = world.bundle("b", &items(), None);
    let good = fs::read(world.path("b")).expect("there");
    fs::create_dir_all(world.path("bin")).expect("made");
    fs::write(world.path("bin/loci"), "old").expect("written");
    let before = world.tree();
    for (begin, name) in parts(&written) {
        let mut bad = good.clone();
        bad[begin + 5] ^= 1;
        fs::write(world.path("bad"), &bad).expect("written");
        let error = world.install("bad").expect_err("refused");
        assert_eq!(blamed(&error), name);
        assert_eq!(world.tree(), before, "damage of {name}");
        fs::write(world.path("bad"), &good[..begin + 5]).expect("written");
        assert!(matches!(world.install("bad"), Err(BundleError::Truncated { .. })));
        assert_eq!(world.tree(), before, "cut in {name}");
    }
    world.install("b").expect("the control");
    assert_ne!(world.tree(), before);
}

#[test]
fn a_delta_holds_what_changed_and_wants_its_base() {
    let world = World::new();
    let base = world.bundle("old", &items(), None);
    let mut newer = items();
    newer[0].origin = Origin::Bytes(vec![8; 700]);
    newer.push(bytes_item(Role::Model, "new.gguf", b"new"));
    let delta = world.bundle("delta", &newer, Some(&base));
    let held: Vec<&str> = delta.manifest.held().map(|file| file.path.as_str()).collect();
    assert_eq!(held, ["models/new.gguf", "bin/loci"]);
    assert_eq!(delta.manifest.base, Some(base.id.clone()));
    assert_eq!(delta.manifest.files.len(), 7);
    check_whole(&fs::read(world.path("delta")).expect("there")).expect("whole by itself");

    let refused = world.install("delta").expect_err("there is no base");
    assert!(
        matches!(&refused, BundleError::WrongBase { base: id, why, .. } if *id == base.id.0 && why.contains("missing"))
    );
    assert_eq!(world.tree(), []);

    world.install("old").expect("the base");
    let fates = world.install("delta").expect("the delta");
    assert_eq!(fates.iter().filter(|(_, fate)| *fate == Fate::Same).count(), 5);
    let with_delta = world.tree();
    let other = World::new();
    other.bundle("whole", &newer, None);
    other.install("whole").expect("installed");
    let contents = |tree: Vec<(PathBuf, Vec<u8>)>| -> Vec<Vec<u8>> {
        tree.into_iter()
            .filter(|(path, _)| !path.ends_with("bundle.json"))
            .map(|(_, content)| content)
            .collect()
    };
    assert_eq!(contents(with_delta), contents(other.tree()), "the same as all of it at once");

    fs::write(world.path("data/loci/models/deep/er/model.gguf"), "changed").expect("written");
    let before = world.tree();
    let refused = world.install("delta").expect_err("the base is another one");
    assert!(
        matches!(&refused, BundleError::WrongBase { path, .. } if path == "models/deep/er/model.gguf"),
        "{refused}"
    );
    assert_eq!(world.tree(), before);
    // Of configuration the user may have made their own.
    fs::write(world.path("data/loci/models/deep/er/model.gguf"), [3; 1024]).expect("written");
    fs::write(world.path("config/loci/config.toml"), "mine = true\n").expect("written");
    world.install("delta").expect("installed");
}

#[test]
fn what_does_not_fit_is_refused_before_it_begins() {
    let world = World::new();
    let mut written = world.bundle("b", &items(), None);
    plan(&written.manifest, &world.destination()).expect("the control");
    written.manifest.files[0].size = 1 << 49;
    let refused = plan(&written.manifest, &world.destination());
    assert!(matches!(refused, Err(BundleError::NoSpace { needed, .. }) if needed > 1 << 49), "{refused:?}");
    written.manifest.files[0].size = 1024;
    written.manifest.target = Some("pdp11-dec-unix".to_owned());
    let refused = plan(&written.manifest, &world.destination());
    assert!(matches!(refused, Err(BundleError::OtherMachine { .. })), "{refused:?}");
    assert!(!world.path("bin").exists() && !world.path("data").exists());
}

#[test]
fn the_same_files_give_the_same_bundle_and_none_is_written_over() {
    let world = World::new();
    world.bundle("one", &items(), None);
    let mut turned = items();
    turned.reverse();
    world.bundle("two", &turned, None);
    assert_eq!(fs::read(world.path("one")).expect("there"), fs::read(world.path("two")).expect("there"));
    assert!(create(&world.path("one"), &items(), None, &mut |_, _| ()).is_err());
    // As plain tar, for a machine where there is no Loci yet.
    let file = fs::File::open(world.path("one")).expect("there");
    let mut archive = tar::Archive::new(file);
    let names: Vec<PathBuf> = archive
        .entries()
        .expect("an archive")
        .map(|entry| entry.expect("one").path().expect("named").into_owned())
        .collect();
    assert_eq!(names.len(), 7);
    assert_eq!(names.last(), Some(&PathBuf::from("bin/loci")));
}

#[test]
fn signatures_hold_for_one_key_and_one_manifest() {
    use minisign::KeyPair;
    let keys = || {
        let pair = KeyPair::generate_unencrypted_keypair().expect("keys");
        let secret = pair.sk.to_box(None).expect("boxed").into_string();
        (secret, pair.pk.to_box().expect("boxed").into_string(), pair.pk.to_base64())
    };
    let (secret, public, short) = keys();
    let manifest = b"{}\n";
    assert!(!signature::wants_password(&secret).expect("a key"));
    let signed = signature::sign(manifest, &secret, None, "made for a test").expect("signed");
    for key in [&public, &short, &format!("{short}\n")] {
        assert_eq!(signature::check(manifest, &signed, key).expect("the control"), "made for a test");
    }
    let refused = |manifest: &[u8], signed: &str, key: &str| {
        signature::check(manifest, signed, key).expect_err("refused")
    };
    assert!(matches!(refused(b"{ }\n", &signed, &public), SignatureError::Refused { .. }));
    assert!(matches!(refused(manifest, &signed, &keys().1), SignatureError::Refused { .. }));
    let forged = signed.replace("made for a test", "made for a toast");
    assert!(matches!(refused(manifest, &forged, &public), SignatureError::Refused { .. }));
    for nothing in ["", "x", "a\nb\nc\nd\n", "untrusted comment: x\n\n\n\n"] {
        assert!(
            matches!(refused(manifest, nothing, &public), SignatureError::Signature { .. }),
            "{nothing:?}"
        );
        assert!(
            matches!(refused(manifest, &signed, nothing), SignatureError::PublicKey { .. }),
            "{nothing:?}"
        );
        assert!(matches!(
            signature::sign(manifest, nothing, None, ""),
            Err(SignatureError::SecretKey { .. })
        ));
    }
    // Each byte of a signature that carries something.
    let end = signed.trim_end().len();
    let mut refused = 0;
    for at in 0..end {
        let mut bad = signed.clone().into_bytes();
        bad[at] ^= 1;
        let bad = String::from_utf8_lossy(&bad).into_owned();
        refused += usize::from(signature::check(manifest, &bad, &public).is_err());
    }
    // The first line is a comment that nothing vouches for, and base64 has bits to spare in its last letter.
    let comment = signed.lines().next().expect("a line").len();
    assert!(refused + comment >= end - 4, "{refused} of {end}");
}

#[test]
fn a_key_of_the_tool_is_taken() {
    // Made by `minisign -G -W` 0.11.
    const SECRET: &str = "untrusted comment: minisign encrypted secret key\n\
        RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGc+Zq8M/hPUoSDcfAbJonPQMeOGA\
        BU9mZVYDBcQY853dwvFLgsmf7F3I5gG7Qo5oGGfZfFRCe3+i7Q/+XH/g8DIs9S3Zb8nkAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    const PUBLIC: &str = "RWQZz5mrwz+E9V3I5gG7Qo5oGGfZfFRCe3+i7Q/+XH/g8DIs9S3Zb8nk";
    let signed = signature::sign(b"x", SECRET, None, "c").expect("signed");
    signature::check(b"x", &signed, PUBLIC).expect("holds");
    let damaged = SECRET.replace("SDcf", "SDcg");
    assert_ne!(damaged, SECRET);
    assert!(matches!(signature::sign(b"x", &damaged, None, "c"), Err(SignatureError::SecretKey { .. })));
}

#[test]
fn a_key_with_a_password_wants_it() {
    let pair = minisign::KeyPair::generate_encrypted_keypair(Some("let me in".into())).expect("keys");
    let secret = pair.sk.to_box(None).expect("boxed").into_string();
    let public = pair.pk.to_base64();
    assert!(signature::wants_password(&secret).expect("a key"));
    let sign = |password: &str| signature::sign(b"x", &secret, Some(password.into()), "c");
    assert!(matches!(sign("wrong"), Err(SignatureError::Password)));
    let signed = sign("let me in").expect("signed");
    signature::check(b"x", &signed, &public).expect("holds");
}
