//! Owns the tests of `--offline`: that no socket is opened, by Loci or by what it starts, and that this is shown as it is.
//! Uses listeners on this machine's own address, which are reached where it is not offline.
//! Never believes a refusal without seeing the same thing work.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{World, has_loopback, skipped};

/// A listener on loopback, and whether anybody ever came.
struct Listener(TcpListener);

impl Listener {
    /// Nothing where this machine has no loopback device, which is said.
    fn open(test: &str) -> Option<Self> {
        if !has_loopback() {
            skipped(test, "there is no loopback device here");
            return None;
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        listener.set_nonblocking(true).expect("set");
        Some(Self(listener))
    }

    fn port(&self) -> u16 {
        self.0.local_addr().expect("bound").port()
    }

    /// How many connections wait. One that was made before the program ended is there.
    fn visits(&self) -> usize {
        std::iter::from_fn(|| self.0.accept().ok()).count()
    }

    /// What a shell says to connect.
    fn connect(&self) -> String {
        format!("exec 3<>/dev/tcp/127.0.0.1/{} && echo connected", self.port())
    }
}

#[test]
fn doctor_shows_that_nothing_leads_out() {
    let world = World::with_crate();
    let online = world.loci(&["doctor", "--json"]).json()["offline"].clone();
    assert_eq!((&online["on"], &online["enforced"]), (&json!(false), &Value::Null), "{online}");
    assert!(online.get("attempts").is_none(), "{online}");

    let run = world.loci(&["doctor", "--offline", "--json"]);
    // Something else about the machine may be bad, and then it is 1.
    assert!(matches!(run.code, Some(0 | 1)), "{run:?}");
    let offline = run.json()["offline"].clone();
    assert_eq!(offline["on"], json!(true));
    if offline["enforced"] != json!(true) {
        skipped("the filter of --offline", "this system enforces nothing");
        return;
    }
    // A container may have brought a filter of its own; ours is one more.
    let count = |of: &Value| of["filters"].as_u64().expect("a number");
    assert_eq!(count(&offline), count(&online) + 1, "{offline}");
    assert_eq!(offline["no_new_privileges"], json!(true));
    assert_eq!(offline["control"]["connected"], json!(has_loopback()), "{offline}");
    let attempts = offline["attempts"].as_array().expect("a list");
    assert!(attempts.len() >= if has_loopback() { 9 } else { 8 }, "{offline}");
    for attempt in attempts {
        assert_eq!((&attempt["refused"], &attempt["errno"]), (&json!(true), &json!(1)), "{attempt}");
    }
    let run = world.loci(&["--offline", "doctor"]);
    assert_eq!(run.code, world.loci(&["doctor"]).code, "{run:?}");
    let shown = run.out;
    for words in ["offline", "io_uring_setup: refused, errno 1", "AF_INET6, SOCK_DGRAM): refused"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
}

#[test]
fn commands_reach_nothing_at_any_level() {
    let Some(listener) = Listener::open("commands reach nothing at any level") else { return };
    let world = World::with_crate();
    let connect = listener.connect();
    let held = |flags: &[&str], level: &str, script: &str| {
        let command = ["sandbox", "--level", level, "--", "bash", "-c", script];
        world.loci(&[flags, &command].concat())
    };
    let run = held(&[], "none", &connect).ended(0);
    assert_eq!((run.out.trim(), listener.visits()), ("connected", 1), "the control");
    let run = held(&["--offline"], "none", &connect).ended(1);
    assert!(run.out.contains("Operation not permitted"), "{}", run.out);
    assert_eq!(listener.visits(), 0);

    let machine = world.loci(&["doctor", "--json"]).json()["sandbox"]["level"].clone();
    for level in ["restricted", "full"] {
        if machine == json!("none") || (level == "full" && machine != json!("full")) {
            skipped("the sandbox while offline", "this machine does not give that level");
            continue;
        }
        held(&["--offline"], level, &connect).ended(1);
        assert_eq!(listener.visits(), 0);
        let run = held(&["--offline"], level, "echo inside >src/held.txt && cat src/held.txt").ended(0);
        assert_eq!(run.out, "inside\n", "what a sandbox is for works in it");
    }
    world.loci(&["--offline", "sandbox", "--network", "--", "true"]).ended(2).explains("Loci is offline");
    world.loci(&["sandbox", "--network", "--", "true"]).ended(0);
}

#[test]
fn every_layer_of_the_configuration_can_take_loci_offline() {
    let Some(listener) = Listener::open("every layer of the configuration") else { return };
    let check = |prepare: &dyn Fn(&World), variables: &[(&str, &str)], offline: bool| {
        let world = World::with_crate();
        prepare(&world);
        let mut command = world.command();
        command.args(["doctor", "--json"]).envs(variables.iter().copied());
        let run = command.output().expect("runs");
        let said: Value = serde_json::from_slice(&run.stdout).expect("JSON");
        assert_eq!(said["offline"]["on"], json!(offline), "{said}");
        let mut command = world.command();
        command.args(["sandbox", "--level", "none", "--", "bash", "-c", &listener.connect()]);
        let run = command.envs(variables.iter().copied()).output().expect("runs");
        assert_eq!(run.status.success(), !offline, "{}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(listener.visits(), usize::from(!offline));
    };
    let user = |world: &World, text: &str| {
        let folder = world.home().join(".config/loci");
        std::fs::create_dir_all(&folder).expect("created");
        std::fs::write(folder.join("config.toml"), text).expect("written");
    };
    check(&|_| {}, &[], false);
    check(&|world| user(world, "offline = true\n"), &[], true);
    check(&|world| user(world, "offline = false\n"), &[], false);
    check(&|_| {}, &[("LOCI_OFFLINE", "true")], true);
    check(&|world| world.write(".loci/config.toml", "offline = true\n"), &[], true);
    // Nothing of the user's undoes what the project asks for, and nothing of the project's what the user asks for.
    check(&|world| world.write(".loci/config.toml", "offline = true\n"), &[("LOCI_OFFLINE", "false")], true);
    check(
        &|world| {
            user(world, "offline = true\n");
            world.write(".loci/config.toml", "offline = false\n");
        },
        &[],
        true,
    );
}

#[test]
fn what_cannot_be_read_counts_as_offline() {
    let world = World::with_crate();
    world.write(".loci/config.toml", "offline = \n");
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    std::fs::write(folder.join("config.toml"), "offline = tru\n").expect("written");
    let said = world.loci(&["doctor", "--json"]).json();
    assert_eq!(said["offline"]["on"], json!(true), "{said}");
    world.loci(&["sandbox", "--", "true"]).ended(2).explains("config.toml");
}

#[test]
fn connections_that_were_open_before_are_closed_or_refused() {
    let Some(listener) = Listener::open("connections that were open before") else { return };
    let world = World::with_crate();
    let run = |script: &str| {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{}; {script}", listener.port());
        let mut command = std::process::Command::new("bash");
        let loci = world.command();
        command.args(["-c", &script, env!("CARGO_BIN_EXE_loci")]).current_dir(world.repo()).env_clear();
        command.envs(loci.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null()).output().expect("runs")
    };
    // The third descriptor of the process that runs the command is the connection, or is something else.
    let shown = "sandbox --level none -- bash -c 'readlink /proc/$PPID/fd/3'";
    let connection = |output: &std::process::Output| {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let inode = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        assert!(inode.starts_with("socket:["), "{inode}");
        said.contains(&inode)
    };
    assert!(connection(&run(&format!("readlink /proc/$$/fd/3 >&2; \"$0\" -q {shown}"))), "the control");
    assert!(!connection(&run(&format!("readlink /proc/$$/fd/3 >&2; \"$0\" -q --offline {shown}"))));

    for (redirection, name) in
        [("<&3", "standard input"), (">&3", "standard output"), ("2>&3", "standard error")]
    {
        let control = run(&format!("\"$0\" outline src/price.rs {redirection}"));
        assert!(control.status.success(), "{control:?}");
        let refused = run(&format!("\"$0\" --offline outline src/price.rs {redirection}"));
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        if name != "standard error" {
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(said.contains(&format!("{name} is a network connection")), "{said}");
        }
    }
}

#[test]
fn a_session_works_offline_and_says_that_it_is() {
    let world = World::with_crate();
    world.write("go.sh", "echo changed >>src/price.rs\n");
    let script = world.script(&json!([
        { "events": [{ "call": { "name": "bash", "arguments": { "command": "bash go.sh" } } }] },
        { "events": [{ "text": "done" }] },
    ]));
    let run = |flags: &[&str]| {
        let common = [
            "-p",
            "change it",
            "-m",
            &script,
            "--allow",
            "Bash(bash go.sh)",
            "--output-format",
            "stream-json",
        ];
        world.loci(&[flags, &common].concat()).ended(0)
    };
    let started = |lines: &[Value]| {
        let event = lines.iter().find(|line| line["type"] == "session_started").expect("an event").clone();
        event["offline"].as_bool().expect("said")
    };
    assert!(!started(&run(&[]).json_lines()), "the control");
    let lines = run(&["--offline"]).json_lines();
    assert!(started(&lines));
    assert!(
        world.read("src/price.rs").ends_with("}\nchanged\nchanged\n"),
        "both commands ran in their sandbox"
    );
    world.loci(&["--offline", "undo"]).ended(0);
    assert!(world.read("src/price.rs").ends_with("}\nchanged\n"));
}

#[test]
fn a_service_is_not_asked() {
    let Some(listener) = Listener::open("a service is not asked") else { return };
    let world = World::with_crate();
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    let service =
        format!("[providers.box]\nbase_url = \"http://127.0.0.1:{}/v1\"\nmodel = \"m\"\n", listener.port());
    std::fs::write(folder.join("config.toml"), &service).expect("written");
    let ask = ["-p", "hello", "-m", "box"];
    world.loci(&[&["--offline"], &ask[..]].concat()).ended(2).explains("Loci is offline");
    assert_eq!(listener.visits(), 0);
    // Nor one that the user says is on this machine: its socket would have an address all the same.
    std::fs::write(folder.join("config.toml"), format!("{service}on_this_machine = true\n"))
        .expect("written");
    world.loci(&[&["--offline"], &ask[..]].concat()).ended(2).explains("Loci is offline");
    assert_eq!(listener.visits(), 0);

    // The control: without the flag it is asked. Nobody answers it, so it is ended once it has come.
    let mut child =
        world.command().args(ask).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut visits = 0;
    while visits == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
        visits = listener.visits();
    }
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(visits, 1, "the control");
}

/// What the kernel was asked for, as `strace` writes it down: the calls that open sockets or rings, in all processes.
fn traced(world: &World, arguments: &[&str]) -> Vec<String> {
    let file = world.home().join("trace");
    let loci = world.command();
    let output = std::process::Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=socket,socketpair,connect,bind,sendto,sendmsg,io_uring_setup", "-o"])
        .arg(&file)
        .arg(env!("CARGO_BIN_EXE_loci"))
        .args(arguments)
        .current_dir(world.repo())
        .env_clear()
        .envs(loci.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .stdin(Stdio::null())
        .output()
        .expect("runs");
    let trace = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(output.status.code().is_some(), "{output:?}\n{trace}");
    trace.lines().map(Into::into).collect()
}

/// Calls that have to do with a network, or could open one.
fn leading_out(trace: &[String]) -> Vec<&String> {
    trace
        .iter()
        .filter(|line| {
            let opens = ["socket(", "socketpair(", "io_uring_setup("].iter().any(|call| line.contains(call));
            line.contains("AF_INET") || (opens && !line.contains("AF_UNIX"))
        })
        .collect()
}

#[test]
fn a_usual_run_opens_no_socket_but_those_of_this_machine() {
    if !std::process::Command::new("strace").arg("true").output().is_ok_and(|output| output.status.success())
    {
        return skipped("what the kernel was asked for", "there is no strace that may trace here");
    }
    let world = World::with_crate();
    world.write("go.sh", "echo changed >>src/price.rs\n");
    let script = world.script(&json!([
        { "events": [{ "call": { "name": "bash", "arguments": { "command": "bash go.sh" } } }] },
        { "events": [{ "text": "done" }] },
    ]));
    let runs: [&[&str]; 6] = [
        &["-p", "change it", "-m", &script, "--allow", "Bash(bash go.sh)"],
        &["-p", "where is Basket defined?", "-m", "builtin"],
        &["search", "discount"],
        &["models"],
        &["doctor"],
        &["undo"],
    ];
    let mut seen = 0;
    for arguments in runs {
        let trace = traced(&world, arguments);
        assert_eq!(leading_out(&trace), Vec::<&String>::new(), "{arguments:?}");
        seen += trace.len();
    }
    assert!(world.read("src/price.rs").ends_with("}\n"), "what was changed was taken back");
    assert!(seen > 0, "not even the sockets of this machine were seen");

    // The control: a service behind an address is seen. Nothing listens there.
    let folder = world.home().join(".config/loci");
    std::fs::create_dir_all(&folder).expect("created");
    let service = "[providers.box]\nbase_url = \"http://127.0.0.1:9/v1\"\nmodel = \"m\"\n";
    std::fs::write(folder.join("config.toml"), service).expect("written");
    let ask = ["-p", "hello", "-m", "box"];
    assert!(!leading_out(&traced(&world, &ask)).is_empty(), "the control");
    let offline = traced(&world, &[&["--offline"], &ask[..]].concat());
    assert_eq!(leading_out(&offline), Vec::<&String>::new(), "offline it is not even tried");
}

/// Programs of the 32-bit convention get no socket either: neither by `socket` nor by `socketcall`.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn programs_of_32_bits_open_no_socket() {
    use std::os::unix::fs::PermissionsExt;

    /// An ELF file of 32 bits at 0x08048000 that runs this code.
    fn program(code: &[u8]) -> Vec<u8> {
        const BASE: u32 = 0x0804_8000;
        const HEADERS: u32 = 52 + 32;
        let size = HEADERS + u32::try_from(code.len()).expect("short");
        let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for half in [2u16, 3] {
            file.extend(half.to_le_bytes());
        }
        for word in [1, BASE + HEADERS, 52, 0, 0] {
            file.extend(word.to_le_bytes());
        }
        for half in [52u16, 32, 1, 0, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        for word in [1, 0, BASE, BASE, size, size, 5, 0x1000] {
            file.extend(word.to_le_bytes());
        }
        file.extend(code);
        file
    }
    // Ends with 0 when the call gave a descriptor, else with the number of the error.
    const END: &[u8] = &[
        0xcd, 0x80, 0x31, 0xdb, 0x85, 0xc0, 0x79, 0x04, 0xf7, 0xd8, 0x89, 0xc3, 0xb8, 1, 0, 0, 0, 0xcd, 0x80,
    ];
    // socket(AF_INET, SOCK_STREAM, 0)
    let direct = [&[0xb8, 0x67, 1, 0, 0, 0xbb, 2, 0, 0, 0, 0xb9, 1, 0, 0, 0, 0x31, 0xd2][..], END].concat();
    // The same through socketcall(SYS_SOCKET, arguments), which stand on the stack.
    let through =
        [&[0x6a, 0, 0x6a, 1, 0x6a, 2, 0x89, 0xe1, 0xb8, 0x66, 0, 0, 0, 0xbb, 1, 0, 0, 0][..], END].concat();

    let world = World::with_crate();
    for (name, code) in [("direct", direct), ("through", through)] {
        let path = world.repo().join(name);
        std::fs::write(&path, program(&code)).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("set");
        let run = |flags: &[&str]| {
            let path = path.to_str().expect("UTF-8");
            world.loci(&[flags, &["sandbox", "--level", "none", "--", path]].concat())
        };
        let control = run(&[]);
        if control.code != Some(0) {
            skipped("programs of 32 bits", "this kernel does not run them");
            return;
        }
        run(&["--offline"]).ended(1);
    }
}
