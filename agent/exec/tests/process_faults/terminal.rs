//! Owns the tests of commands that have a terminal.
//! Uses programs that insist on one.
//! Never asserts a time.

use std::path::Path;
use std::time::Duration;

use loci_exec::{Command, Ended, Output, Size, run};
use tokio_util::sync::CancellationToken;

use super::world::{assert_gone, finish, shell, text, wait_for_pids};

fn with_terminal(cwd: &Path, line: &str) -> Command {
    Command { terminal: Some(Size::default()), ..shell(cwd, line) }
}

async fn read_in_terminal(line: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    finish(with_terminal(folder.path(), line)).await
}

#[tokio::test]
async fn programs_that_insist_on_a_terminal_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let line =
        "for fd in 0 1 2; do test -t $fd && echo yes || echo no; done; (: </dev/tty) 2>/dev/null && echo own";
    assert_eq!(text(&finish(shell(folder.path(), line)).await), "no\nno\nno\n");
    assert_eq!(text(&finish(with_terminal(folder.path(), line)).await), "yes\nyes\nyes\nown\n");

    let mut command = with_terminal(folder.path(), "stty size; stty size </dev/tty; echo $TERM");
    command.terminal = Some(Size { columns: 132, rows: 50 });
    assert_eq!(text(&finish(command.clone()).await), "50 132\n50 132\nxterm-256color\n");
    command.env = vec![("TERM".into(), "vt100".into())];
    assert!(text(&finish(command).await).ends_with("vt100\n"));
}

#[tokio::test]
async fn output_comes_through_as_it_was_written() {
    assert_eq!(read_in_terminal(r"printf 'a\nb\r\n\001\377'; exit 5").await.ended, Ended::Code(5));
    assert_eq!(read_in_terminal(r"printf 'a\nb\r\n\001\377'").await.head, b"a\nb\r\n\x01\xff");
    let output = read_in_terminal("printf BEGIN; head -c 20000000 /dev/zero | tr '\\0' x; printf END").await;
    assert_eq!((output.total, output.head.len(), output.tail.len()), (20_000_008, 4096, 4096));
    assert!(output.head.starts_with(b"BEGIN") && output.tail.ends_with(b"END"));
    assert_eq!(
        text(&read_in_terminal("echo out; echo err >&2; exec 0<&- 1>&- 2>&-; sleep 0.3").await),
        "out\nerr\n"
    );
}

#[tokio::test]
async fn every_read_comes_to_an_end() {
    // One after the other, each finds the end of the input; so does what flushes the input first, as a prompt for a
    // password does, and what reads key by key.
    assert_eq!(text(&read_in_terminal("cat; cat; cat; echo done").await), "done\n");
    assert_eq!(text(&read_in_terminal("read -r line; echo \"$? [$line]\"").await), "1 []\n");
    assert_eq!(text(&read_in_terminal("read -r line </dev/tty; echo \"$? [$line]\"").await), "1 []\n");
    assert_eq!(
        text(&read_in_terminal("for i in 1 2 3; do read -r -s line; echo $?; done").await),
        "1\n1\n1\n"
    );
    assert_eq!(text(&read_in_terminal("stty -icanon min 1; head -c 2 | wc -c").await).trim(), "2");
}

#[tokio::test]
async fn nothing_typed_is_echoed() {
    assert_eq!(text(&read_in_terminal("sleep 1; echo quiet").await), "quiet\n");
    // Also when the program never reads and so much was typed that no more fits.
    let line = "stty -icanon; sleep 0.5; head -c 100000 /dev/zero | tr '\\0' y; sleep 0.5; echo; echo end";
    let output = read_in_terminal(line).await;
    assert_eq!((output.total, output.ended), (100_005, Ended::Code(0)));
}

#[tokio::test]
async fn nothing_survives_in_a_terminal_either() {
    let daemon = "trap '' TERM HUP; echo $$ >>pids; \
                  setsid bash -c 'trap \"\" TERM HUP; (echo $BASHPID >>pids; while :; do sleep 9; done) & exit' >/dev/null 2>&1 & \
                  (trap '' HUP; echo $BASHPID >>pids; sleep 1000; true) & ";
    let folder = tempfile::tempdir().unwrap();
    let line = format!("{daemon} while [ $(wc -l <pids) -lt 3 ]; do sleep 0.01; done; echo up");
    let output = finish(with_terminal(folder.path(), &line)).await;
    assert_eq!((output.ended, text(&output).as_str()), (Ended::Code(0), "up\n"));
    assert_gone(folder.path(), 3);

    let folder = tempfile::tempdir().unwrap();
    let line = format!("{daemon} while :; do sleep 9; done");
    let command = Command { timeout: Duration::from_millis(700), ..with_terminal(folder.path(), &line) };
    assert_eq!(finish(command).await.ended, Ended::TimedOut);
    assert_gone(folder.path(), 3);

    let folder = tempfile::tempdir().unwrap();
    let cancel = CancellationToken::new();
    let running = tokio::spawn(run(with_terminal(folder.path(), &line), cancel.clone()));
    wait_for_pids(folder.path(), 3).await;
    cancel.cancel();
    assert_eq!(running.await.unwrap().unwrap().ended, Ended::Cancelled);
    assert_gone(folder.path(), 3);
}
