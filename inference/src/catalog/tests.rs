//! Owns the tests of the catalogue.
//! Uses the built-in file and texts of a few lines.
//! Never reads a file of the user's.

use super::*;

fn load(user: &str) -> Result<Catalog, CatalogError> {
    Catalog::load(&[Source { layer: Layer::User, origin: "user.toml", text: user }])
}

#[test]
fn every_built_in_entry_is_complete() {
    let catalog = Catalog::load(&[]).expect("the built-in catalogue parses");
    assert!(catalog.entries().len() > 20);
    for entry in catalog.entries() {
        let (name, fields) = (&entry.name, &entry.fields);
        assert!(fields.title.len() > 3 && fields.context >= 256 && !fields.licence.is_empty(), "{name}");
        assert!(!fields.dialect.is_empty(), "{name}");
        if let Some(sha256) = &fields.sha256 {
            assert!(sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
            assert!(!fields.approximate, "{name}: a hashed file has an exact size");
        }
        match fields.kind {
            Kind::Gguf => {
                assert!(fields.repository.as_ref().is_some_and(|text| text.contains('/')), "{name}");
                assert!(fields.file.as_ref().is_some_and(|text| text.ends_with(".gguf")), "{name}");
                assert!(fields.bytes.is_some_and(|bytes| bytes > 100_000_000), "{name}");
                assert!(fields.quantisation.is_some() && fields.architecture.is_some(), "{name}");
                assert!(fields.parameters.is_some(), "{name}");
                assert!(fields.context_max.is_some_and(|max| max >= fields.context), "{name}");
                assert!(entry.cache_bytes_per_token().is_some_and(|bytes| bytes > 0), "{name}");
            }
            Kind::Remote => {
                assert!(fields.base_url.as_ref().is_some_and(|url| url.starts_with("http")), "{name}");
                assert!(fields.model.is_some(), "{name}");
            }
            Kind::Embedder => {
                assert!(fields.wheel.is_some() || fields.repository.is_some(), "{name}");
                assert!(fields.bytes.is_some_and(|bytes| bytes > 1_000_000), "{name}");
            }
            Kind::BuiltIn => {
                assert!(fields.file.as_ref().is_some_and(|text| text.ends_with(".gguf")), "{name}");
            }
        }
    }
}

#[test]
fn the_built_in_entry_describes_the_embedded_file() {
    let catalog = Catalog::load(&[]).expect("parses");
    let fields = &catalog.get(crate::builtin::NAME).expect("known").fields;
    assert_eq!(fields.bytes, Some(crate::builtin::GGUF.len() as u64));
    assert_eq!(fields.sha256.as_deref(), Some(crate::builtin::SHA256));
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(fields.file.as_ref().expect("given"));
    assert_eq!(std::fs::read(file).expect("readable"), crate::builtin::GGUF);
    let engine = crate::engine::Engine::open(crate::builtin::source(), Default::default()).expect("opens");
    let model = engine.model();
    assert_eq!(fields.architecture.as_deref(), Some(model.architecture.as_str()));
    assert_eq!(fields.context, model.context_length);
    assert_eq!(fields.dialect, model.text("loci.dialect").expect("in the file"));
}

#[test]
fn memory_is_weights_cache_and_a_tenth() {
    let catalog = Catalog::load(&[]).expect("parses");
    let entry = catalog.get("qwen3-4b").expect("known");
    // 36 layers, 8 heads of 128, keys and values in two bytes each.
    assert_eq!(entry.cache_bytes_per_token(), Some(147_456));
    let weights = entry.fields.bytes.expect("given");
    assert_eq!(entry.memory_needed(1000), Some((weights + 147_456_000) * 11 / 10));
    assert_eq!(catalog.get("openai").expect("known").memory_needed(1000), None);
}

#[test]
fn what_has_no_forward_pass_is_said() {
    let catalog = Catalog::load(&[]).expect("parses");
    let supported = |name: &str| catalog.get(name).expect("known").supported();
    assert!(supported("qwen2.5-coder-7b") && supported("devstral-small") && supported("loci-builtin"));
    assert!(supported("qwen3-coder-30b-a3b") && supported("gpt-oss-20b") && supported("smollm3-3b"));
    let text = "[model.house]\nkind = \"gguf\"\npath = \"/x.gguf\"\narchitecture = \"rwkv7\"\n";
    assert!(!load(text).expect("parses").get("house").expect("known").supported());
}

#[test]
fn the_list_of_architectures_is_that_of_the_families() {
    assert_eq!(SUPPORTED_ARCHITECTURES.to_vec(), crate::model::families());
}

#[test]
fn later_layers_win_key_by_key() {
    let project =
        Source { layer: Layer::Project, origin: "project.toml", text: "[model.qwen3-4b]\ncontext = 4096\n" };
    let user = "[model.qwen3-4b]\ncontext = 8192\nnote = \"mine\"\n\n\
                [model.house]\nkind = \"gguf\"\npath = \"/models/house.gguf\"\n";
    let user = Source { layer: Layer::User, origin: "user.toml", text: user };
    let catalog = Catalog::load(&[user, project]).expect("parses");
    let entry = catalog.get("Qwen3-4B").expect("names do not mind case");
    assert_eq!(entry.fields.context, 4096);
    assert_eq!(entry.fields.note.as_deref(), Some("mine"));
    assert_eq!(entry.fields.licence, "Apache-2.0");
    assert_eq!(entry.layer, Layer::Project);
    let house = catalog.get("house").expect("added");
    assert_eq!((house.layer, house.fields.title.as_str()), (Layer::User, "house"));
    assert!(house.supported());
}

#[test]
fn errors_name_the_file_and_what_was_meant() {
    let check = |text: &str, message: &str, hint: Option<&str>| {
        let error = load(text).expect_err("wrong");
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.hint().as_deref(), hint, "{error}");
    };
    check(
        "[model.x]\nkind = \"gguf\"\nfil = \"x\"\n",
        "user.toml:3: unknown key `model.x.fil`",
        Some("did you mean `file`?"),
    );
    check("[modle.x]\nkind = \"gguf\"\n", "user.toml:1: unknown key `modle`", Some("did you mean `model`?"));
    check(
        "[model.x]\nkind = \"gguf\"\n",
        "user.toml:2: model `x`: a gguf model needs `path`, `url`, or `repository` and `file`",
        None,
    );
    check(
        "[model.x]\nkind = \"remote\"\nmodel = \"m\"\n",
        "user.toml:2: model `x`: a remote model needs `base_url`",
        None,
    );
    check(
        "[model.x]\nkind = \"remote\"\nbase_url = \"ftp://x\"\nmodel = \"m\"\n",
        "user.toml:3: model `x`: `base_url` must start with http",
        None,
    );
    check("[model.x]\npath = \"x.gguf\"\n", "user.toml:1: model `x`: `kind` is missing", None);
    check(
        "[model.x]\nkind = \"gguff\"\n",
        "user.toml:2: model `x`: `kind` is \"gguff\"",
        Some("did you mean `gguf`?"),
    );
    check(
        "[model.x]\nkind = \"remote\"\nbase_url = \"http://x\"\nmodel = \"m\"\nprotocol = \"antropic\"\n",
        "user.toml:5: model `x`: `protocol` is \"antropic\"",
        Some("did you mean `anthropic`?"),
    );
    check("[model.x]\nkind = \"embedder\"\n", "user.toml:2: model `x`: an embedder needs", None);
    check(
        "[model.qwen3-4b]\nrepository = \"qwen\"\nfile = \"x.gguf\"\n",
        "user.toml:2: model `qwen3-4b`: `repository` must be OWNER/NAME",
        None,
    );
    for file in ["/etc/passwd", "../x.gguf", "a/../../x.gguf", "a//x.gguf", ""] {
        check(
            &format!("[model.x]\nkind = \"gguf\"\nrepository = \"a/b\"\nfile = \"{file}\"\n"),
            "user.toml:4: model `x`: `file` must be a plain path",
            None,
        );
    }
    check("[model.qwen3-4b]\ncontext = \"long\"\n", "user.toml:2: model `qwen3-4b`: `context`: ", None);
    check(
        "[model.qwen3-4b]\ncontext = 3\n",
        "user.toml:2: model `qwen3-4b`: `context` must be at least 256",
        None,
    );
    check(
        "[model.qwen3-4b]\nsha256 = \"abc\"\n",
        "user.toml:2: model `qwen3-4b`: `sha256` must be 64 hexadecimal digits",
        None,
    );
    check("model = 3\n", "user.toml:1: `model` must hold one table for each name", None);
    check("[model]\nx = 3\n", "user.toml:2: model `x`: must be a table", None);
    check("[model", "user.toml: ", None);
}

#[test]
fn unknown_names_find_the_nearest() {
    let catalog = Catalog::load(&[]).expect("parses");
    let check = |name: &str, similar: Option<&str>| match catalog.get(name) {
        Err(CatalogError::UnknownModel { similar: found, .. }) => assert_eq!(found.as_deref(), similar),
        other => panic!("{other:?}"),
    };
    check("qwen3-4", Some("qwen3-4b"));
    check("quen2.5-coder-7b", Some("qwen2.5-coder-7b"));
    check("gpt-7-ultra", None);
    check("", None);
}

#[test]
fn roles_name_models_in_order_and_later_files_win() {
    let user = "[role]\nmain = [\"qwen3-8b\", \"openai\"]\nfast = \"qwen3-0.6b\"\n\
                plan = [\"house/big\", \"./a.gguf\", \"builtin\", \"ollama:qwen3:4b\"]\n";
    let user = Source { layer: Layer::User, origin: "user.toml", text: user };
    let project = Source {
        layer: Layer::Project,
        origin: "project.toml",
        text: "[role]\nmain = [\"tiny\"]\n[model.tiny]\nkind = \"gguf\"\npath = \"x.gguf\"\n",
    };
    let catalog = Catalog::load(&[user]).expect("parses");
    assert_eq!(catalog.role(Role::Main), ["qwen3-8b", "openai"]);
    assert_eq!(catalog.role(Role::Fast), ["qwen3-0.6b"]);
    assert_eq!(catalog.role(Role::Plan).len(), 4);
    assert!(catalog.role(Role::Review).is_empty());
    assert_eq!(catalog.roles_of("Qwen3-8B").collect::<Vec<_>>(), [Role::Main]);
    // A list is replaced, not joined, and a file can name what it defines further down.
    let catalog = Catalog::load(&[user, project]).expect("parses");
    assert_eq!(catalog.role(Role::Main), ["tiny"]);
    assert_eq!(catalog.role(Role::Fast), ["qwen3-0.6b"]);
}

#[test]
fn wrong_roles_are_named() {
    let check = |text: &str, message: &str, hint: Option<&str>| {
        let error = load(text).expect_err("wrong");
        assert!(error.to_string().starts_with(message), "{error}");
        assert_eq!(error.hint().as_deref(), hint, "{error}");
    };
    check(
        "[role]\nmian = [\"qwen3-8b\"]\n",
        "user.toml:2: unknown key `role.mian`",
        Some("did you mean `main`?"),
    );
    check(
        "[role]\nchef = [\"qwen3-8b\"]\n",
        "user.toml:2: unknown key `role.chef`",
        Some("the roles are main, fast, plan, embed, rerank, review"),
    );
    check(
        "[role]\nmain = [\n  \"qwen3-8b\",\n  \"qwen3-8bb\",\n]\n",
        "user.toml:4: the role `main` names the unknown model `qwen3-8bb`",
        Some("did you mean `qwen3-8b`? `loci models` lists them all"),
    );
    check("[role]\nmain = 3\n", "user.toml:2: `role.main` must be a list of models", None);
    check("[role]\nmain = [\"\"]\n", "user.toml:2: `role.main` must be a list of models", None);
    check("role = 3\n", "user.toml:1: `role` must hold a list", None);
}

#[test]
fn roles_may_name_what_is_known_beside_the_catalogue() {
    let text = "[role]\nmain = [\"house\", \"builtin\"]\n";
    let source = Source { layer: Layer::User, origin: "user.toml", text };
    let known = || vec!["House".to_owned()];
    let catalog = Catalog::load_beside(&[source], known).expect("known");
    assert_eq!(catalog.role(Role::Main), ["house", "builtin"]);
    let error = Catalog::load_beside(&[source], || vec!["houses".to_owned()]).expect_err("unknown");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("did you mean `houses`?")), "{error}");
    // Nobody is asked where every name is an entry.
    let text = "[role]\nmain = [\"openai\"]\n";
    let asked = || -> Vec<String> { panic!("asked") };
    assert!(Catalog::load_beside(&[Source { text, ..source }], asked).is_ok());
}
