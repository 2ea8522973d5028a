//! Owns the attempts to get out of a sandbox: what each does, from which level on it must fail, and how its success is seen.
//! Uses bash, and Python for system calls that no program makes.
//! Never does harm when it succeeds: outside it is tried in a throw-away world, or only as far as the first refusal.

/// The least level at which it must fail. What only the full level stops is said by `loci doctor` at the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Restricted,
    Full,
}

/// How success is seen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    /// Its own exit code is 0.
    Inside,
    /// This file exists outside, afterwards. `$NAME` stands for a name that no other run uses.
    Outside(&'static str),
}

use self::From::{Full, Restricted};
use Seen::{Inside, Outside};

/// Name, level, how success is seen, what is done. `$OUT` is a folder beside the project, `$VICTIM` a process of the same
/// user, `$OUTER` the process that started the sandbox.
pub(crate) const SHELL: &[(&str, From, Seen, &str)] = &[
    // Files outside.
    ("write by an absolute path", Restricted, Outside("outside/absolute"), r#"echo x >"$OUT/absolute""#),
    ("write by dots", Restricted, Outside("outside/dots"), "echo x >../outside/dots"),
    ("write through a link that was there", Restricted, Outside("outside/old"), "echo x >link-out/old"),
    ("write through a link to a file", Restricted, Inside, "echo x >>link-file"),
    (
        "write through a new link",
        Restricted,
        Outside("outside/new"),
        r#"ln -s "$OUT" src/new && echo x >src/new/new"#,
    ),
    (
        "write through a link that comes and goes",
        Restricted,
        Outside("outside/raced"),
        r#"mkdir -p src/a; ln -sfn "$OUT" src/b
           for i in $(seq 40); do mv -T src/a src/r; (echo x >src/r/raced) & mv -T src/r src/a; mv -T src/b src/r; echo x >src/r/raced; mv -T src/r src/b; wait; done"#,
    ),
    (
        "write through the process's own folder",
        Restricted,
        Outside("outside/cwd"),
        "echo x >/proc/self/cwd/../outside/cwd",
    ),
    (
        "write through the process's own root",
        Restricted,
        Outside("outside/root"),
        r#"echo x >"/proc/self/root$OUT/root""#,
    ),
    (
        "write through the first process",
        Restricted,
        Outside("outside/first"),
        r#"echo x >"/proc/1/root$OUT/first""#,
    ),
    (
        "write through another process",
        Restricted,
        Outside("outside/other"),
        r#"echo x >"/proc/$VICTIM/root$OUT/other""#,
    ),
    ("append to a file", Restricted, Inside, r#"echo x >>"$OUT/victim""#),
    ("cut a file off", Restricted, Inside, r#"truncate -s 1 "$OUT/cut""#),
    ("remove a file", Restricted, Inside, r#"rm "$OUT/removed""#),
    ("make a folder", Restricted, Outside("outside/folder"), r#"mkdir "$OUT/folder""#),
    ("link a file in and write it", Restricted, Inside, r#"ln "$OUT/victim" src/hard && echo x >>src/hard"#),
    (
        "link a file out",
        Restricted,
        Outside("outside/linked"),
        r#"echo x >src/own; ln src/own "$OUT/linked""#,
    ),
    (
        "move a file out",
        Restricted,
        Outside("outside/moved"),
        r#"echo x >src/mine; mv src/mine "$OUT/moved""#,
    ),
    ("move a file in", Restricted, Inside, r#"mv "$OUT/taken" src/taken && [ ! -e "$OUT/taken" ]"#),
    ("make a link outside", Restricted, Inside, r#"ln -s / "$OUT/sym" && [ -L "$OUT/sym" ]"#),
    ("make a pipe outside", Restricted, Outside("outside/pipe"), r#"mkfifo "$OUT/pipe""#),
    ("change a mode", Full, Inside, r#"chmod 777 "$OUT/victim""#),
    ("change an owner", Restricted, Inside, r#"chown 1:1 "$OUT/owned""#),
    ("change a time", Full, Inside, r#"touch -d 2001-01-01 "$OUT/victim""#),
    ("make a device", Restricted, Inside, "mknod src/device c 1 3"),
    // What runs later.
    ("write a start-up file", Restricted, Inside, r#"echo x >>"$HOME/.bashrc""#),
    ("make a start-up file", Restricted, Outside("home/.profile"), r#"echo x >"$HOME/.profile""#),
    (
        "let a key in",
        Restricted,
        Outside("home/.ssh/authorized_keys"),
        r#"echo x >"$HOME/.ssh/authorized_keys""#,
    ),
    (
        "write where programs start by themselves",
        Restricted,
        Outside("home/.config/autostart"),
        r#"mkdir -p "$HOME/.config/autostart""#,
    ),
    ("open the list of users for writing", Restricted, Inside, ": >>/etc/passwd"),
    (
        "open a folder of the system for writing",
        Restricted,
        Inside,
        "f=/usr/local/loci-$NAME; : >$f && rm $f",
    ),
    // The repository and the configuration.
    ("make a hook", Restricted, Outside("repo/.git/hooks/pre-commit"), "echo x >.git/hooks/pre-commit"),
    ("write the repository's configuration", Restricted, Inside, "echo x >>.git/config"),
    ("have git write it", Restricted, Inside, "git config core.fsmonitor x"),
    ("write the index", Restricted, Outside("repo/.git/index"), "echo x >.git/index"),
    ("move the repository away", Restricted, Inside, "mv .git away && mv away .git"),
    (
        "exchange it for a folder of ours",
        Restricted,
        Inside,
        "mkdir src/mine2; mv .git src/mine2/away && mv src/mine2/away .git",
    ),
    ("remove the repository", Restricted, Inside, "rm -r .git/info"),
    (
        "make the configuration a link",
        Restricted,
        Inside,
        "rm -rf .loci; ln -s src .loci && [ -L .loci ] && rm .loci",
    ),
    (
        "rename a folder to the configuration",
        Restricted,
        Inside,
        "mkdir -p src/conf; mv -T src/conf .loci && rmdir .loci",
    ),
    (
        "make the configuration",
        Restricted,
        Outside("repo/.loci/config.toml"),
        "mkdir .loci; echo x >.loci/config.toml",
    ),
    // Places that everybody shares.
    ("leave a file in /tmp", Restricted, Outside("/tmp/$NAME"), "echo x >/tmp/$NAME"),
    ("leave a file in /var/tmp", Restricted, Outside("/var/tmp/$NAME"), "echo x >/var/tmp/$NAME"),
    ("leave a file in shared memory", Restricted, Outside("/dev/shm/$NAME"), "echo x >/dev/shm/$NAME"),
    ("read a file in /tmp", Restricted, Inside, "grep -q left /tmp/$NAME-left"),
    // Secrets.
    ("read a private key", Restricted, Inside, r#"grep -q hunter2 "$HOME/.ssh/id_ed25519""#),
    ("list the private keys", Restricted, Inside, r#"ls "$HOME/.ssh" | grep -q id_ed25519"#),
    ("read cloud credentials", Restricted, Inside, r#"grep -q hunter2 "$HOME/.aws/credentials""#),
    ("read passwords for hosts", Restricted, Inside, r#"grep -q hunter2 "$HOME/.netrc""#),
    ("read registry tokens", Restricted, Inside, r#"grep -q hunter2 "$HOME/.cargo/credentials.toml""#),
    ("read a forge's token", Restricted, Inside, r#"grep -rq hunter2 "$HOME/.config/gh""#),
    ("read sessions", Restricted, Inside, r#"grep -rq hunter2 "$HOME/.local/share/loci""#),
    (
        "read the container service's login",
        Restricted,
        Inside,
        r#"grep -q hunter2 "$HOME/.docker/config.json""#,
    ),
    (
        "read a secret through a link",
        Restricted,
        Inside,
        r#"ln -s "$HOME/.netrc" src/netrc; grep -q hunter2 src/netrc"#,
    ),
    (
        "link a secret in",
        Restricted,
        Inside,
        r#"ln "$HOME/.netrc" src/hardnetrc && grep -q hunter2 src/hardnetrc"#,
    ),
    ("read password hashes", Restricted, Inside, "head -c 1 /etc/shadow | grep -q ."),
    ("see a token in the environment", Restricted, Inside, r#"[ -n "$SECRET_TOKEN" ]"#),
    ("see a password in an address", Restricted, Inside, r#"[ -n "$DATABASE_URL" ]"#),
    ("see the agent's socket", Restricted, Inside, r#"[ -n "$SSH_AUTH_SOCK" ]"#),
    ("keep a preloaded library", Restricted, Inside, r#"[ -n "$LD_PRELOAD" ]"#),
    ("keep a function", Restricted, Inside, "type -t planted"),
    ("read a descriptor that was left open", Restricted, Inside, "grep -q hunter2 <&9"),
    (
        "read the environment of another process",
        Restricted,
        Inside,
        r"tr '\0' '\n' </proc/$VICTIM/environ | grep -q VICTIM_SECRET",
    ),
    (
        "read the environment of the outer process",
        Restricted,
        Inside,
        r"tr '\0' '\n' </proc/$OUTER/environ | grep -q SECRET_TOKEN",
    ),
    // Processes.
    ("signal a process", Restricted, Inside, "kill -0 $VICTIM"),
    ("end a process", Restricted, Inside, "kill -9 $VICTIM2"),
    ("signal the outer process", Restricted, Inside, "kill -0 $OUTER"),
    ("slow a process down", Restricted, Inside, "renice -n 19 -p $VICTIM"),
    ("limit a process", Restricted, Inside, "prlimit --pid $VICTIM --nofile=1024:1024"),
    ("see other processes", Full, Inside, "[ -e /proc/$VICTIM ]"),
    ("start more processes than are allowed", Full, Inside, "[ $(cat /proc/sys/kernel/pid_max) -gt 8192 ]"),
    ("be without a filter", Restricted, Inside, "grep -q 'Seccomp:.*0' /proc/self/status"),
    ("be open to new privileges", Restricted, Inside, "grep -q 'NoNewPrivs:.*0' /proc/self/status"),
    ("have capabilities", Restricted, Inside, "grep 'CapEff:' /proc/self/status | grep -q '[1-9a-f]$'"),
    ("get capabilities back", Restricted, Inside, "grep 'CapBnd:' /proc/self/status | grep -q '[1-9a-f]$'"),
    ("become somebody else", Restricted, Inside, "su nobody -s /bin/sh -c true"),
    // The system.
    ("mount", Restricted, Inside, "mkdir -p src/mnt; mount -t tmpfs none src/mnt && umount src/mnt"),
    ("mount over the repository", Restricted, Inside, "mount --bind src .git && umount .git"),
    ("make namespaces", Restricted, Inside, "unshare -U true"),
    ("make a network namespace", Restricted, Inside, "unshare -n true"),
    ("make a file system namespace", Restricted, Inside, "unshare -m true"),
    ("enter the namespaces of another", Restricted, Inside, "nsenter -t $VICTIM -m true"),
    ("change a root", Restricted, Inside, "chroot / true"),
    (
        "write a switch of the kernel",
        Restricted,
        Inside,
        "f=/proc/sys/kernel/printk_ratelimit; v=$(cat $f); echo $v >$f",
    ),
    (
        "write a device's switch",
        Restricted,
        Inside,
        "f=/sys/kernel/mm/transparent_hugepage/khugepaged/defrag; v=$(cat $f); echo $v >$f",
    ),
    (
        "read a disk",
        Restricted,
        Inside,
        "for d in $(awk 'NR > 2 { print $4 }' /proc/partitions); do head -c 1 /dev/$d | wc -c | grep -q 1 && exit 0; done; exit 1",
    ),
    ("read the kernel's log", Restricted, Inside, "timeout 1 dd if=/dev/kmsg iflag=nonblock count=1 bs=8192"),
    // The network.
    ("connect", Restricted, Inside, "exec 3<>/dev/tcp/127.0.0.1/$PORT"),
    ("send a datagram", Restricted, Inside, "echo x >/dev/udp/127.0.0.1/$PORT"),
];

/// Name, level, what is done: the body of a Python function that returns whether it worked. `sc` makes a system call by name
/// and returns its result, or the negated number of its error.
pub(crate) const PYTHON: &[(&str, From, &str)] = &[
    ("listen", Restricted, "s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); return True"),
    ("listen on IPv6", Restricted, "s = socket.socket(socket.AF_INET6); s.bind(('::1', 0)); return True"),
    ("send raw packets", Restricted, "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); return True"),
    (
        "talk to the kernel's network",
        Restricted,
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); return True",
    ),
    ("talk to the host of a machine", Restricted, "socket.socket(40, socket.SOCK_STREAM); return True"),
    ("send frames", Restricted, "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0); return True"),
    ("have the kernel encrypt", Restricted, "socket.socket(38, socket.SOCK_SEQPACKET); return True"),
    ("pair sockets of another family", Restricted, "return sc('socketpair', 30, 1, 0, buf()) >= 0"),
    (
        "reach a socket without a name",
        Restricted,
        "s = socket.socket(socket.AF_UNIX); s.connect('\\0' + NAME); return True",
    ),
    (
        "reach the container service",
        Restricted,
        "s = socket.socket(socket.AF_UNIX); s.connect(HOME + '/.docker/run/docker.sock'); return True",
    ),
    (
        "reach an agent in /tmp",
        Restricted,
        "s = socket.socket(socket.AF_UNIX); s.connect('/tmp/' + NAME + '-agent'); return True",
    ),
    ("open a ring", Restricted, "return sc('io_uring_setup', 8, buf(512)) >= 0"),
    (
        "open a file without a name outside",
        Restricted,
        "os.open(OUT, os.O_TMPFILE | os.O_RDWR, 0o600); return True",
    ),
    ("set an attribute", Restricted, "os.setxattr(OUT + '/victim', 'user.loci', b'x'); return True"),
    (
        "open the memory of another process",
        Restricted,
        "os.open('/proc/%d/mem' % VICTIM, os.O_RDWR); return True",
    ),
    (
        "open the descriptors of another process",
        Restricted,
        "os.open('/proc/%d/fd/0' % VICTIM, os.O_RDONLY); return True",
    ),
    ("be traced", Restricted, "return sc('ptrace', 0, 0, 0, 0) == 0"),
    ("trace another process", Restricted, "return sc('ptrace', 0x4206, VICTIM, 0, 0) == 0"),
    (
        "read the memory of another process",
        Restricted,
        "return sc('process_vm_readv', VICTIM, 0, 0, 0, 0, 0) == 0",
    ),
    (
        "write the memory of another process",
        Restricted,
        "return sc('process_vm_writev', VICTIM, 0, 0, 0, 0, 0) == 0",
    ),
    (
        "take a descriptor from another process",
        Restricted,
        "p = sc('pidfd_open', VICTIM, 0); return p >= 0 and sc('pidfd_getfd', p, 0, 0) >= 0",
    ),
    ("compare processes", Restricted, "return sc('kcmp', os.getpid(), os.getpid(), 0, 0, 0) >= 0"),
    ("use keys", Restricted, "return sc('keyctl', 0, -3 & MASK, 1, 0, 0) >= 0"),
    ("add a key", Restricted, "return sc('add_key', b'user', b'loci', b'x', 1, -2 & MASK) >= 0"),
    (
        "load a program into the kernel",
        Restricted,
        "return sc('bpf', 0, struct.pack('IIII', 2, 4, 4, 1) + bytes(64), 72) >= 0",
    ),
    ("handle faults", Restricted, "return sc('userfaultfd', 0o2000000) >= 0"),
    (
        "watch the processor",
        Restricted,
        "a = bytearray(128); struct.pack_into('IIQ', a, 0, 1, 128, 0); return sc('perf_event_open', bytes(a), 0, -1 & MASK, -1 & MASK, 0) >= 0",
    ),
    (
        "name a file by its number",
        Restricted,
        "h = buf(256); struct.pack_into('II', h, 0, 128, 0); return sc('name_to_handle_at', AT_FDCWD, b'/', h, buf(8), 0) >= 0",
    ),
    (
        "open a file by its number",
        Restricted,
        "h = buf(256); struct.pack_into('II', h, 0, 8, 1); return sc('open_by_handle_at', AT_FDCWD, h, 0) != -EPERM",
    ),
    ("type into a terminal", Restricted, "return tiocsti()"),
    ("make a user namespace", Restricted, "return sc('unshare', 0x10000000) == 0"),
    ("start in a user namespace", Restricted, "return forked(sc('clone', 0x10000000 | 17, 0, 0, 0, 0))"),
    (
        "start in one by the newer call",
        Restricted,
        "a = bytearray(88); struct.pack_into('QQQQQ', a, 0, 0x10000000, 0, 0, 0, 17); return forked(sc('clone3', bytes(a), 88))",
    ),
    (
        "enter a namespace",
        Restricted,
        "return sc('setns', os.open('/proc/self/ns/net', os.O_RDONLY), 0) == 0",
    ),
    ("make a file system", Restricted, "return sc('fsopen', b'tmpfs', 0) >= 0"),
    ("copy a mount", Restricted, "return sc('open_tree', AT_FDCWD, b'/', 1) >= 0"),
    (
        "change a mount",
        Restricted,
        "return sc('mount_setattr', AT_FDCWD, b'/nowhere', 0, bytes(32), 32) != -EPERM",
    ),
    (
        "move a mount",
        Restricted,
        "return sc('move_mount', AT_FDCWD, b'/nowhere', AT_FDCWD, b'/nowhere', 0) != -EPERM",
    ),
    ("take a mount away", Restricted, "return sc('umount2', b'/nowhere', 0) != -EPERM"),
    ("exchange the root", Restricted, "return sc('pivot_root', b'/nowhere', b'/nowhere') != -EPERM"),
    ("swap", Restricted, "return sc('swapon', b'/nowhere', 0) != -EPERM"),
    ("keep accounts", Restricted, "return sc('acct', b'/nowhere/x') != -EPERM"),
    ("restart the machine", Restricted, "return sc('reboot', 1, 2, 3, 0) != -EPERM"),
    ("load a kernel", Restricted, "return sc('kexec_load', 0, 99, 0, 0) != -EPERM"),
    ("load a module", Restricted, "return sc('init_module', 0, 0, 0) != -EPERM"),
    ("remove a module", Restricted, "return sc('delete_module', b'loci-no-such-module', 0) != -EPERM"),
    ("set the clock", Restricted, "return sc('clock_settime', 99, 0) != -EPERM"),
    (
        "name the machine",
        Restricted,
        "n = os.uname().nodename.encode(); return sc('sethostname', n, len(n)) == 0",
    ),
    ("watch all files", Restricted, "return sc('fanotify_init', 0, 0) >= 0"),
    ("switch randomness off", Restricted, "return sc('personality', 0x0040000) >= 0"),
    ("use quotas", Restricted, "return sc('quotactl', 0x800008 << 8, b'/nowhere', 0, 0) != -EPERM"),
    (
        "exchange two folders",
        Restricted,
        "swap = lambda: sc('renameat2', AT_FDCWD, b'.git', AT_FDCWD, b'src/mine2', 2) == 0; return swap() and swap()",
    ),
];
