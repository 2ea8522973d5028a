//! The sandbox from inside a process of ours: what ends how, and that nothing outlives anything. A test binary with a `main`
//! of its own, as it is its own helper. What gets out of a sandbox is tried through the real binary, in the suite of `cli`.
#![cfg_attr(not(target_os = "linux"), expect(unused, reason = "there is a helper on Linux only"))]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files directly")]
#![expect(clippy::print_stdout, reason = "it is its own test runner")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use loci_exec::sandbox::{Level, Network, Overlay, Profile, Sandbox};
use loci_exec::{Command, Ended, ExecError, Output, Program, Size, run};
use tokio_util::sync::CancellationToken;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("skipped: there is a helper on Linux only");
}

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    loci_exec::sandbox::enter_if_asked();
    for (name, value) in [("SANDBOX_TEST_TOKEN", "hunter2"), ("SANDBOX_TEST_PLAIN", "plain")] {
        #[expect(unsafe_code, reason = "what children would inherit")]
        // SAFETY: nothing has started a second thread yet.
        unsafe {
            std::env::set_var(name, value);
        }
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let tests: &[Test] = &[
        ("the_ways_to_end_are_told_apart", the_ways_to_end_are_told_apart),
        ("what_cannot_start_is_a_typed_error", what_cannot_start_is_a_typed_error),
        ("only_what_is_allowed_is_written", only_what_is_allowed_is_written),
        ("scratch_places_are_private", scratch_places_are_private),
        ("a_project_in_a_hidden_place_is_not_hidden", a_project_in_a_hidden_place_is_not_hidden),
        (
            "a_protected_link_stays_and_so_does_what_it_leads_to",
            a_protected_link_stays_and_so_does_what_it_leads_to,
        ),
        ("an_overlay_takes_all_writes", an_overlay_takes_all_writes),
        ("nothing_outlives_its_command", nothing_outlives_its_command),
        ("a_terminal_is_taken_by_the_command", a_terminal_is_taken_by_the_command),
        ("a_proxy_is_the_only_way_out", a_proxy_is_the_only_way_out),
        ("secrets_of_the_environment_stay_outside", secrets_of_the_environment_stay_outside),
    ];
    let probe = loci_exec::sandbox::probe("/proc/self/exe".as_ref());
    println!("this machine gives: {probe:?}");
    let mut failed = 0;
    for (name, test) in tests {
        for level in [Level::Full, Level::Restricted] {
            let name = format!("{name}::{}", level.name());
            if !wanted.is_empty() && !wanted.iter().any(|word| name.contains(word.as_str())) {
                continue;
            }
            if level > probe.level {
                println!("test {name} ... skipped: this machine does not give that level");
                continue;
            }
            let ok = std::panic::catch_unwind(|| test(level)).is_ok();
            println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
            failed += usize::from(!ok);
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

type Test = (&'static str, fn(Level));

const LONG: Duration = Duration::from_secs(60);

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["repo/.git", "repo/src", "outside"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn profile(&self) -> Profile {
        Profile {
            root: self.path("repo"),
            writable: Vec::new(),
            read_only: vec![self.path("repo/.git"), self.path("repo/.loci")],
            hidden: vec![self.path("secret")],
            overlay: None,
            network: Network::Off,
        }
    }

    fn shell(&self, level: Level, line: &str) -> Command {
        self.with(self.profile(), level, line)
    }

    fn with(&self, profile: Profile, level: Level, line: &str) -> Command {
        Command {
            program: Program::Shell(line.into()),
            cwd: self.path("repo"),
            timeout: LONG,
            keep_bytes: 65536,
            spool: None,
            spool_bytes: 0,
            env: Vec::new(),
            keep_env: Vec::new(),
            terminal: None,
            sandbox: Some(Sandbox { helper: "/proc/self/exe".into(), level, profile }),
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn start(command: Command) -> Result<Output, ExecError> {
    block_on(async {
        tokio::time::timeout(LONG, run(command, CancellationToken::new())).await.expect("it ends")
    })
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.head), String::from_utf8_lossy(&output.tail))
}

fn the_ways_to_end_are_told_apart(level: Level) {
    let world = World::new();
    let check = |line: &str, ended: Ended, expect: &str| {
        let output = start(world.shell(level, line)).unwrap();
        assert_eq!((output.ended, text(&output).as_str()), (ended, expect), "{line}");
    };
    check("true", Ended::Code(0), "");
    check("exit 7", Ended::Code(7), "");
    check("kill -9 $$", Ended::Signal(9), "");
    check("kill -SEGV $$", Ended::Signal(11), "");
    check("kill $$", Ended::Signal(15), "");
    check("echo hello; echo there >&2", Ended::Code(0), "hello\nthere\n");
    check("cat; read -r line; echo \"$? [$line]\"", Ended::Code(0), "1 []\n");
    check("yes | head -n 1", Ended::Code(0), "y\n");
    check("pwd", Ended::Code(0), &format!("{}\n", world.path("repo").display()));
    check("echo x > \"$TMPDIR/x\" && cat \"$TMPDIR/x\"", Ended::Code(0), "x\n");
}

fn what_cannot_start_is_a_typed_error(level: Level) {
    let world = World::new();
    let argv = |words: &[&str]| Program::Argv(words.iter().map(Into::into).collect());
    std::fs::write(world.path("repo/plain"), "x").unwrap();
    for words in [&["loci-no-such-program"][..], &["./plain"], &[]] {
        let error =
            start(Command { program: argv(words), ..world.shell(level, "") }).expect_err("it cannot start");
        assert!(matches!(&error, ExecError::Start { .. }), "{words:?}: {error}");
    }
    let mut command = world.shell(level, "echo ran");
    command.sandbox.as_mut().unwrap().profile.root = world.path("missing");
    let error = start(command).expect_err("there is no root");
    assert!(matches!(&error, ExecError::Sandbox { .. }), "{error}");
    // A helper that is none: what it does is not taken for a command that ran.
    let mut command = world.shell(level, "echo ran");
    command.sandbox.as_mut().unwrap().helper = "/bin/true".into();
    let error = start(command).expect_err("it is no helper");
    assert!(matches!(&error, ExecError::Sandbox { .. }), "{error}");
}

fn only_what_is_allowed_is_written(level: Level) {
    let world = World::new();
    std::fs::write(world.path("secret"), "hunter2").unwrap();
    std::fs::write(world.path("repo/src/a"), "old").unwrap();
    let attempts: &[(&str, &str, bool)] = &[
        ("src/a", "echo new > src/a", true),
        ("src/b", "echo new > src/b", true),
        ("src/d/e", "mkdir src/d; echo new > src/d/e", true),
        ("../outside/x", "echo new > ../outside/x", false),
        (".git/x", "echo new > .git/x", false),
        (".loci/x", "mkdir .loci; echo new > .loci/x", false),
    ];
    for (path, line, allowed) in attempts {
        let output = start(world.shell(level, line)).unwrap();
        let written = std::fs::read_to_string(world.path("repo").join(path)).ok();
        assert_eq!(written.as_deref() == Some("new\n"), *allowed, "{line}: {}", text(&output));
    }
    assert!(!world.path("repo/.loci").exists(), "nothing is left of what covered it");
    let output = start(world.shell(level, "cat ../secret; echo \"[$(ls ..)]\"")).unwrap();
    assert!(!text(&output).contains("hunter2"), "{}", text(&output));
}

fn an_overlay_takes_all_writes(level: Level) {
    let world = World::new();
    for name in ["upper", "work"] {
        std::fs::create_dir(world.path(name)).unwrap();
    }
    for (path, text) in
        [("src/a", "old"), ("src/gone", "x"), ("keep", "k"), (".git/config", "c"), ("sub/.loci/c", "c")]
    {
        let path = world.path("repo").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let mut profile = world.profile();
    profile.overlay = Some(Overlay { upper: world.path("upper"), work: world.path("work") });
    profile.read_only.push(world.path("repo/sub/.loci"));
    let line = "echo new > src/a; rm src/gone; mkdir made; echo m > made/f; mv keep kept; \
                echo x > .git/config; echo x > .loci/y; echo x > sub/.loci/c; mv sub bus; echo s > sub/s; \
                cat src/a made/f kept .git/config sub/.loci/c; ls src";
    let command = world.with(profile, level, line);
    if level == Level::Restricted {
        let error = start(command).expect_err("an overlay needs mounts");
        assert!(matches!(error, ExecError::Sandbox { .. }), "{error}");
        return;
    }
    let output = start(command).unwrap();
    let told = text(&output);
    for word in ["new", "m\n", "k", "cca\n"] {
        assert!(told.contains(word), "{word:?} in {told}");
    }
    // The tree is as it was, and the upper folder holds the difference and nothing else.
    let listed = |folder: &str| {
        let mut found = Vec::new();
        let mut open = vec![world.path(folder)];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                }
                found.push(entry.path());
            }
        }
        let top = world.path(folder);
        let mut found: Vec<String> =
            found.iter().map(|path| path.strip_prefix(&top).unwrap().display().to_string()).collect();
        found.sort();
        found
    };
    assert_eq!(
        listed("repo"),
        [".git", ".git/config", "keep", "src", "src/a", "src/gone", "sub", "sub/.loci", "sub/.loci/c"]
    );
    assert_eq!(std::fs::read_to_string(world.path("repo/src/a")).unwrap(), "old");
    assert_eq!(
        listed("upper"),
        ["keep", "kept", "made", "made/f", "src", "src/a", "src/gone", "sub", "sub/s"],
        "{told}"
    );
    use std::os::unix::fs::FileTypeExt;
    for path in ["upper/keep", "upper/src/gone"] {
        assert!(world.path(path).symlink_metadata().unwrap().file_type().is_char_device(), "{path}");
    }
}

/// Processes whose command line holds this word.
fn alive(word: &str) -> usize {
    let mut count = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let dead = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X']));
        let line = String::from_utf8_lossy(&line).into_owned();
        count += usize::from(line.starts_with("sleep") && line.contains(word) && !dead);
    }
    count
}

fn nothing_outlives_its_command(level: Level) {
    let world = World::new();
    // A number of seconds that no other test sleeps.
    let seconds = 100_000 + u64::from(std::process::id()) * 2 + u64::from(level == Level::Full);
    let word = seconds.to_string();
    let daemons = format!(
        "trap '' TERM HUP INT; sleep {word} & (setsid sleep {word} &) ; \
         (setsid bash -c \"trap '' TERM; (exec -a sleep sleep {word} & exec -a sleep sleep {word})\" &) ; \
         for i in $(seq 500); do [ $(cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -o 'sleep {word}' | wc -l) -ge 4 ] && break; sleep 0.01; done"
    );
    let seen = |output: &Output| assert_eq!(output.total, 0, "{}", text(output));
    let output = start(world.shell(level, &daemons)).unwrap();
    seen(&output);
    assert_eq!((output.ended, alive(&word)), (Ended::Code(0), 0), "after its end");

    let line = format!("{daemons}; while :; do sleep 1; done");
    let command = Command { timeout: Duration::from_secs(1), ..world.shell(level, &line) };
    assert_eq!((start(command).unwrap().ended, alive(&word)), (Ended::TimedOut, 0), "after its time");

    block_on(async {
        let cancel = CancellationToken::new();
        let running = tokio::spawn(run(world.shell(level, &line), cancel.clone()));
        for _ in 0..2000 {
            if alive(&word) >= 4 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(alive(&word), 4, "the control: they do come up");
        cancel.cancel();
        assert_eq!(running.await.unwrap().unwrap().ended, Ended::Cancelled);
        assert_eq!(alive(&word), 0, "after a cancel");

        let running = tokio::spawn(run(world.shell(level, &line), CancellationToken::new()));
        for _ in 0..2000 {
            if alive(&word) >= 4 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(alive(&word), 4, "the control: they do come up");
        running.abort();
        let _ = running.await;
        assert_eq!(alive(&word), 0, "after the future was dropped");
    });
}

fn a_terminal_is_taken_by_the_command(level: Level) {
    let world = World::new();
    let line = "tty >/dev/null || [ -t 0 ] && [ -t 1 ] && echo terminal; echo over >/dev/tty; echo err >/dev/stderr; \
                sleep 0.1 & wait $!; echo $?; [ \"$(ps -o tpgid= -p $$ 2>/dev/null | tr -d ' ')\" != -1 ] && echo controls";
    let terminal = Some(Size { rows: 24, columns: 80 });
    let output = start(Command { terminal, ..world.shell(level, line) }).unwrap();
    let told = text(&output).replace('\r', "");
    assert_eq!(told, "terminal\nover\nerr\n0\ncontrols\n");
}

fn secrets_of_the_environment_stay_outside(level: Level) {
    let world = World::new();
    let line = "echo \"${SANDBOX_TEST_TOKEN-none} ${SANDBOX_TEST_PLAIN-none} ${OWN_TOKEN-none}\"; \
                cat /proc/self/environ | tr '\\0' '\\n' | grep -c hunter2";
    let env = vec![("OWN_TOKEN".into(), "given".into())];
    let output = start(Command { env, ..world.shell(level, line) }).unwrap();
    assert_eq!(text(&output), "none plain given\n0\n");
    // The control: it was there to be had.
    let keep_env = vec!["SANDBOX_TEST_TOKEN".to_owned()];
    let output = start(Command { keep_env, ..world.shell(level, line) }).unwrap();
    assert_eq!(text(&output), "hunter2 plain none\n1\n");
}

fn a_proxy_is_the_only_way_out(level: Level) {
    if level == Level::Restricted {
        return;
    }
    let world = World::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::{Read, Write};
        for stream in server.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nserved");
        }
    });
    let socket = world.path("proxy");
    // Bash alone: a machine without curl shows the same.
    let line = format!(
        "exec 3<>/dev/tcp/127.0.0.1/3128; \
         printf 'GET http://allowed.test:{port}/ HTTP/1.1\\r\\nHost: allowed.test:{port}\\r\\nConnection: close\\r\\n\\r\\n' >&3; \
         head -n 1 <&3 | tr -d '\\r'; (exec 4<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo direct; \
         (exec 5<>/dev/udp/127.0.0.1/53) 2>/dev/null && echo datagram; echo $http_proxy"
    );
    let told = block_on(async {
        let may_reach = |_: &str, _: u16| Err("not in this test".to_owned());
        let _proxy = loci_exec::proxy::Proxy::start(&socket, std::sync::Arc::new(may_reach)).unwrap();
        let mut profile = world.profile();
        profile.hidden.push(socket.clone());
        profile.network = Network::Proxy(socket.clone());
        let begun = std::time::Instant::now();
        let output = run(world.with(profile, level, &line), CancellationToken::new()).await.unwrap();
        assert!(begun.elapsed() < LONG);
        text(&output)
    });
    assert_eq!(told, "HTTP/1.1 403 Forbidden by Loci\nhttp://127.0.0.1:3128\n");
    // The control: the server was there to be reached.
    let direct = format!("(exec 4<>/dev/tcp/127.0.0.1/{port}) && echo direct");
    let mut command = world.shell(level, &direct);
    command.sandbox = None;
    assert_eq!(text(&start(command).unwrap()), "direct\n");
}

fn scratch_places_are_private(level: Level) {
    let world = World::new();
    let places: &[&str] =
        if level == Level::Full { &["/tmp", "/var/tmp", "/dev/shm", "$TMPDIR"] } else { &["$TMPDIR"] };
    for place in places {
        let line = format!("echo mine >{place}/loci-scratch && cat {place}/loci-scratch");
        let output = start(world.shell(level, &line)).unwrap();
        assert_eq!(text(&output), "mine\n", "{place}");
        assert!(!Path::new(place).join("loci-scratch").exists(), "{place}");
    }
}

fn a_project_in_a_hidden_place_is_not_hidden(level: Level) {
    let world = World::new();
    std::fs::write(world.path("secret"), "hunter2").unwrap();
    let mut profile = world.profile();
    profile.hidden = vec![world.path("")];
    let line =
        "echo new >src/a && cat src/a; cat ../secret 2>/dev/null; echo x >../outside/x; ls .. 2>/dev/null";
    let output = start(world.with(profile, level, line)).unwrap();
    assert!(text(&output).starts_with("new\n") && !text(&output).contains("hunter2"), "{}", text(&output));
    assert_eq!(std::fs::read_to_string(world.path("repo/src/a")).unwrap(), "new\n");
    assert!(!world.path("outside/x").exists());
}

fn a_protected_link_stays_and_so_does_what_it_leads_to(level: Level) {
    let world = World::new();
    std::fs::create_dir(world.path("repo/src/conf")).unwrap();
    std::fs::write(world.path("repo/src/conf/c"), "old").unwrap();
    let link = world.path("repo/.loci");
    std::os::unix::fs::symlink("src/conf", &link).unwrap();
    for line in [
        "echo new >.loci/c",
        "echo new >src/conf/c",
        "rm .loci && mkdir .loci && echo new >.loci/c",
        "ln -sfn src .loci && echo new >src/c",
        "mv src/conf src/away && mkdir src/conf && echo new >src/conf/c",
        "mv src away && mkdir -p src/conf && echo new >src/conf/c",
    ] {
        let output = start(world.shell(level, line)).unwrap();
        assert_ne!(output.ended, Ended::Code(0), "{line}: {}", text(&output));
        assert_eq!(std::fs::read_link(&link).unwrap(), Path::new("src/conf"), "{line}");
        assert_eq!(std::fs::read_to_string(link.join("c")).unwrap(), "old", "{line}");
        // The control.
        let mut command = world.shell(level, line);
        command.sandbox = None;
        let fresh = World::new();
        std::fs::create_dir(fresh.path("repo/src/conf")).unwrap();
        std::os::unix::fs::symlink("src/conf", fresh.path("repo/.loci")).unwrap();
        command.cwd = fresh.path("repo");
        assert_eq!(start(command).unwrap().ended, Ended::Code(0), "{line}");
    }
}
