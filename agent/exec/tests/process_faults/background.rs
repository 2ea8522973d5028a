//! Owns the tests of commands in the background.
//! Uses the registry as a session does.
//! Never asserts a time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loci_exec::Ended;
use loci_exec::background::{Background, BackgroundError, Listed, MOST_RUNNING, Part};

use super::world::{LONG, assert_gone, shell, wait_for_pids};

fn start(background: &Background, folder: &Path, line: &str) -> String {
    background.start(&shell(folder, line), line, Box::new(())).unwrap()
}

async fn until<T>(mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..12_000 {
        if let Some(found) = found() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never happened");
}

async fn ended(background: &Background, id: &str) -> Listed {
    until(|| background.list().into_iter().find(|job| job.id == id && job.ended.is_some())).await
}

fn unread(background: &Background, id: &str) -> String {
    let piece = background.output(id, Part::Unread).unwrap();
    assert_eq!(piece.omitted, 0);
    String::from_utf8([piece.head, piece.tail].concat()).unwrap()
}

#[tokio::test]
async fn output_is_read_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::default();
    let line = "echo one; while [ ! -e go ]; do sleep 0.01; done; echo two >&2; exit 3";
    let id = start(&background, folder.path(), line);
    assert_eq!(id, "b1");
    let first = until(|| Some(unread(&background, &id)).filter(|text| !text.is_empty())).await;
    assert_eq!(first, "one\n");
    assert_eq!(unread(&background, &id), "");
    assert_eq!(background.list()[0].ended, None);
    assert_eq!(background.running(), 1);
    assert_eq!(background.take_finished(), []);

    std::fs::write(folder.path().join("go"), "").unwrap();
    let job = ended(&background, &id).await;
    assert_eq!((job.ended, job.bytes, job.title.as_str()), (Some(Ended::Code(3)), 8, line));
    assert_eq!(background.running(), 0);
    // The end is told once.
    assert_eq!(background.take_finished(), [job]);
    assert_eq!(background.take_finished(), []);
    assert_eq!(unread(&background, &id), "two\n");
    let piece = background.output(&id, Part::Since(2)).unwrap();
    assert_eq!((piece.head.as_slice(), piece.next), (b"e\ntwo\n".as_slice(), 8));

    // Whoever has read the end needs not be told.
    let id = start(&background, folder.path(), "true");
    assert_eq!(id, "b2");
    ended(&background, &id).await;
    assert_eq!(unread(&background, &id), "");
    assert_eq!(background.take_finished(), []);
}

#[tokio::test]
async fn much_output_stays_bounded_and_what_is_missing_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::default();
    let spool = folder.path().join("spool");
    let line = "printf BEGIN; head -c 20000000 /dev/zero | tr '\\0' x; printf END";
    let mut command = shell(folder.path(), line);
    command.spool = Some(spool.clone());
    command.spool_bytes = 1000;
    let id = background.start(&command, line, Box::new(())).unwrap();
    let job = ended(&background, &id).await;
    assert_eq!((job.bytes, job.spooled, job.spool.as_ref()), (20_000_008, 1000, Some(&spool)));
    let piece = background.output(&id, Part::Unread).unwrap();
    assert_eq!((piece.head.len(), piece.tail.len(), piece.next), (4096, 4096, 20_000_008));
    assert_eq!(piece.omitted, 20_000_008 - 8192);
    assert!(piece.head.starts_with(b"BEGIN") && piece.tail.ends_with(b"END"));
}

#[tokio::test]
async fn killing_one_spares_the_others() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let background = Background::default();
    // With a daemon of its own, which ignores TERM.
    let line = "trap '' TERM; echo $$ >>pids; \
                setsid bash -c 'trap \"\" TERM; (echo $BASHPID >>pids; while :; do sleep 9; done) & exit' & \
                while :; do sleep 9; done";
    let first = start(&background, one.path(), line);
    let second =
        start(&background, two.path(), "echo $$ >>pids; while [ ! -e go ]; do sleep 0.01; done; echo fine");
    wait_for_pids(one.path(), 2).await;
    wait_for_pids(two.path(), 1).await;
    let job = tokio::time::timeout(LONG, background.kill(&first)).await.expect("it ends").unwrap();
    assert_eq!(job.ended, Some(Ended::Cancelled));
    assert_gone(one.path(), 2);
    // Once more changes nothing, and nobody is told of what they did themselves.
    assert_eq!(background.kill(&first).await.unwrap().ended, Some(Ended::Cancelled));
    assert_eq!(background.take_finished(), []);

    std::fs::write(two.path().join("go"), "").unwrap();
    assert_eq!(ended(&background, &second).await.ended, Some(Ended::Code(0)));
    assert_eq!(unread(&background, &second), "fine\n");
}

#[tokio::test]
async fn closing_ends_all_and_starts_none() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::after(6, Arc::new(|_| panic!("killed, not ended by itself")));
    let kept = Arc::new(());
    let line = "trap '' TERM; echo $$ >>pids; while :; do sleep 9; done";
    for number in 7..10 {
        let id = background.start(&shell(folder.path(), line), line, Box::new(kept.clone())).unwrap();
        assert_eq!(id, format!("b{number}"));
    }
    wait_for_pids(folder.path(), 3).await;
    assert_eq!(Arc::strong_count(&kept), 4);
    let ended = tokio::time::timeout(LONG, background.close()).await.expect("they end");
    assert_eq!(ended.iter().map(|job| job.id.as_str()).collect::<Vec<_>>(), ["b7", "b8", "b9"]);
    assert_gone(folder.path(), 3);
    assert_eq!(Arc::strong_count(&kept), 1, "what a command needs goes with it");
    let refused = background.start(&shell(folder.path(), "true"), "true", Box::new(())).unwrap_err();
    assert!(matches!(refused, BackgroundError::Closed), "{refused}");
}

#[tokio::test]
async fn dropping_the_registry_kills_all() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::default();
    start(&background, folder.path(), "trap '' TERM; echo $$ >>pids; while :; do sleep 9; done");
    start(&background, folder.path(), "setsid bash -c 'echo $$ >>pids; sleep 1000; true'");
    wait_for_pids(folder.path(), 2).await;
    drop(background);
    until(|| super::world::pids(folder.path()).iter().all(|&pid| !super::world::lives(pid)).then_some(()))
        .await;
}

#[test]
fn the_end_of_the_runtime_kills_all() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        start(&background, folder.path(), "trap '' TERM; echo $$ >>pids; while :; do sleep 9; done");
        wait_for_pids(folder.path(), 1).await;
    });
    drop(runtime);
    assert_gone(folder.path(), 1);
}

#[tokio::test]
async fn what_cannot_be_done_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::default();
    let missing = background.start(&shell(&folder.path().join("no"), "true"), "", Box::new(())).unwrap_err();
    assert!(matches!(missing, BackgroundError::Exec(_)), "{missing}");
    let unknown = background.output("b1", Part::Unread).unwrap_err();
    assert_eq!(unknown.to_string(), "there is no background command b1; there are none");
    for _ in 0..MOST_RUNNING {
        start(&background, folder.path(), "echo $$ >>pids; sleep 1000; true");
    }
    let refused = background.start(&shell(folder.path(), "true"), "", Box::new(())).unwrap_err();
    assert!(matches!(refused, BackgroundError::TooMany), "{refused}");
    wait_for_pids(folder.path(), MOST_RUNNING).await;
    background.kill("b3").await.unwrap();
    let id = start(&background, folder.path(), "true");
    assert_eq!(id, "b17");
    background.close().await;
    assert_gone(folder.path(), MOST_RUNNING);
}

#[tokio::test]
async fn those_that_ended_long_ago_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::default();
    for _ in 0..40 {
        let id = start(&background, folder.path(), "true");
        ended(&background, &id).await;
    }
    let known = background.list();
    assert!(known.len() < 40, "{}", known.len());
    assert_eq!(known.last().map(|job| job.id.as_str()), Some("b40"));
    assert!(background.output("b1", Part::Unread).is_err());
}

#[tokio::test]
async fn its_end_is_announced() {
    let folder = tempfile::tempdir().unwrap();
    let (sender, mut announced) = tokio::sync::mpsc::unbounded_channel();
    let background = Background::after(0, Arc::new(move |job| sender.send(job.clone()).unwrap()));
    let id = start(&background, folder.path(), "echo so; exit 4");
    let job = tokio::time::timeout(LONG, announced.recv()).await.expect("it ends").unwrap();
    assert_eq!((job.id.as_str(), job.ended, job.bytes), ("b1", Some(Ended::Code(4)), 3));
    background.wait(&id).await.unwrap();
    assert_eq!(background.take_finished().len(), 1, "whoever is shown it is not the one who is told");
    let id = start(&background, folder.path(), "sleep 1000");
    background.kill(&id).await.unwrap();
    assert!(background.wait("b9").await.is_err());
    assert!(announced.try_recv().is_err(), "one that was killed is no news");
}

#[tokio::test]
async fn its_time_ends_it() {
    let folder = tempfile::tempdir().unwrap();
    let background = Background::default();
    let mut command = shell(folder.path(), "echo $$ >>pids; sleep 1000; true");
    command.timeout = Duration::from_millis(400);
    let id = background.start(&command, "sleep", Box::new(())).unwrap();
    assert_eq!(ended(&background, &id).await.ended, Some(Ended::TimedOut));
    assert_gone(folder.path(), 1);
    // No time at all is one that never ends by itself.
    command.timeout = Duration::MAX;
    let id = background.start(&command, "sleep", Box::new(())).unwrap();
    wait_for_pids(folder.path(), 2).await;
    assert_eq!(background.kill(&id).await.unwrap().ended, Some(Ended::Cancelled));
    assert_gone(folder.path(), 2);
}
