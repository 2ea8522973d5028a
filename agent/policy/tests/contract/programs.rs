//! Shell programs made by a machine: a denied command wrapped in everything that runs what it holds.

use loci_policy::{Mode, Rules, Verdict};

use crate::{bash, rules};

/// Numbers that only look random, the same in each run: the xorshift of Marsaglia (2003).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    pub(crate) fn one<'all>(&mut self, all: &[&'all str]) -> &'all str {
        all[self.below(all.len())]
    }
}

/// Spellings of a command that runs the marker. Bash runs each of these as it stands. A script in a file of its own is not
/// among them: what a program reads is for the sandbox.
const LEAVES: &[&str] = &[
    "forbidden",
    "forbidden x",
    "\\forbidden -f x",
    "for''bidden x",
    "f\\orbidden",
    "\"forbidden\" x",
    "'forbidden'",
    "for\\\nbidden x",
    "$'\\x66orbidden' x",
    "$'\\146\\157rbidden'",
    "$'\\u0066orbidden'",
    "$\"forbidden\" x",
    "{forbidden,x}",
    "{forbidden,-rf,x,y}",
    "f{orbidden,x}",
    "{,forbidden} x",
    "/usr/bin/forbidden x",
    "/usr/../usr/bin/forbidden",
    ">/dev/null forbidden x",
    "2>&1 forbidden",
    "</dev/null forbidden x",
    "a=1 forbidden x",
    "a=1 b=\"$x\" forbidden",
    "PATH=/usr/bin forbidden",
    "LC_ALL=C forbidden",
    "x=forbidden; $x y",
    "x=forbidden; \"$x\"",
    "x=(forbidden y); \"${x[@]}\"",
    "x=(y forbidden); ${x[1]}",
    "${x:-forbidden} y",
    "${x:=forbidden}",
    "set -- forbidden y; \"$@\"",
    "$(echo forbidden) x",
    "`echo forbidden` x",
    "$(printf '%s' for bidden) x",
    "echo forbidden | bash",
    "printf 'forbidden x' | sh",
    "bash <<< 'forbidden x'",
    "bash <<E\nforbidden x\nE\n",
    "sh <<'E'\nforbidden\nE\n",
    "bash < <(echo forbidden)",
    "bash <(echo forbidden x)",
    "source <(echo forbidden x)",
    ". /dev/stdin <<< forbidden",
    "eval forbidden x",
    "eval \"for\"bidden",
    "x=bidden; eval for$x",
    "sh -c forbidden",
    "bash -c \"forbidden x\"",
    "bash -ec 'ls; forbidden'",
    "bash -c '\"$0\"' forbidden",
    "bash -c '$1 x' _ forbidden",
    "env forbidden x",
    "env -i PATH=/usr/bin forbidden",
    "env a=1 forbidden",
    "env -S 'forbidden x'",
    "env --split-string='forbidden x'",
    "nice forbidden",
    "nice -n 5 forbidden x",
    "nohup forbidden x",
    "timeout 1 forbidden",
    "timeout -s KILL 1s forbidden x",
    "setsid -w forbidden",
    "stdbuf -oL forbidden x",
    "flock /tmp/l forbidden",
    "flock /tmp/l -c 'forbidden x'",
    "command forbidden",
    "command -p forbidden x",
    "(exec forbidden x)",
    "(exec -a ls forbidden x)",
    "time forbidden",
    "time -p forbidden x",
    "! forbidden",
    "coproc forbidden; wait",
    "coproc N { forbidden; }; wait",
    "xargs forbidden < /dev/null",
    "echo x | xargs forbidden",
    "echo forbidden | xargs -I{} {}",
    "echo x | xargs -I{} sh -c 'forbidden {}'",
    "echo forbidden x | xargs env",
    "find . -maxdepth 0 -exec forbidden {} \\;",
    "find . -maxdepth 0 -exec forbidden {} +",
    "find . -maxdepth 0 -execdir forbidden \\;",
    "find . -maxdepth 0 -exec sh -c 'forbidden x' \\;",
    "awk 'BEGIN { system(\"forbidden\") }'",
    "echo x | awk '{ print | \"forbidden\" }'",
    "sed '1e forbidden' README.md",
    "echo forbidden | sed s/x/y/e",
    "echo forbidden | sed e",
    "shopt -s expand_aliases; alias a=forbidden\na x",
    "trap forbidden EXIT",
    "(trap 'forbidden x' EXIT)",
    "trap forbidden DEBUG; :; trap - DEBUG",
    "f() { forbidden; }; f",
    "function f { forbidden x; }; f",
    "ls() { forbidden; }; ls",
    "f() ( forbidden ); f x",
    "command_not_found_handle() { forbidden; }; nosuch",
    "x='$(forbidden)'; echo \"${x@P}\"",
    "PS4='$(forbidden)'; set -x; :; set +x",
    "x='a[$(forbidden)]'; echo $((x))",
    "x='a[$(forbidden)]'; [[ x -eq 0 ]]",
    "x='a[$(forbidden)]'; (( x ))",
    "declare -i y='a[$(forbidden)]'",
    "let 'a[$(forbidden)]=1'",
    "[[ -v 'a[$(forbidden)]' ]]",
    "test -v 'a[$(forbidden)]'",
    "[ -v 'a[$(forbidden)]' ]",
    "printf -v 'a[$(forbidden)]' x",
    "read 'a[$(forbidden)]' <<< x",
    "unset 'a[$(forbidden)]'",
    "a[$(forbidden)0]=1",
    "a[0]=$(forbidden)",
    "a=([$(forbidden)0]=1)",
    "echo ${a[$(forbidden)]}",
    "echo $((a[$(forbidden)]))",
    "echo $(( $(forbidden) + 1 ))",
    "echo $(( #$(forbidden)\n))",
    "(( #$(forbidden)\n))",
    "echo $(( '$(forbidden)' ))",
    "echo ${x:$(forbidden)}",
    "mapfile -C 'forbidden x' -c 1 a <<< x",
    "hash -p /usr/bin/forbidden nosuch; nosuch",
    "echo forbidden > /tmp/e; BASH_ENV=/tmp/e bash -c :",
    "echo forbidden > /tmp/s; . /tmp/s",
    "x=forbidden; declare -n n=x; $n",
    "n=x x=forbidden; ${!n}",
    "cat <<E\nE\\\n\nforbidden\nE\n",
    "cat <<EOF\nE\\\nOF\nforbidden x\nEOF\n",
    "cat <<E\n$\\\n(forbidden)\nE\n",
    "cat <<-E\n\t$(forbidden)\n\tE\n",
    "echo \"$\\\n(forbidden)\"",
    "echo $(\\\n( #$(forbidden)\n))",
    "forbidden &",
    "forbidden & wait",
];

/// What is added before or behind without a change to what runs.
const NOISE: &[&str] = &[
    "ls",
    "echo 'a; b' \"c && d\"",
    "true",
    ": # forbidden\n",
    "cat README.md",
    "x=1",
    "echo \"$((1 + 2))\" '$(x)'",
    "grep -n x README.md",
    "printf '%s\\n' a\\;b",
    "test -f README.md",
    "cat <<'N'\n$(nothing)\nN\n",
    "for i in 1 2; do echo $i; done",
    "case a in (a|b) ;; *) echo x;; esac",
    "[[ a =~ ^(a|b)$ ]]",
    "echo {a,b}{1..3} ${x#y} ${x%%z}",
];

fn single(inner: &str) -> String {
    format!("'{}'", inner.replace('\'', r"'\''"))
}

fn doubled(inner: &str) -> String {
    let escaped: String =
        inner.chars().flat_map(|c| "\\\"$`".contains(c).then_some('\\').into_iter().chain([c])).collect();
    format!("\"{escaped}\"")
}

fn ends_line(inner: &str) -> bool {
    inner.ends_with('\n')
}

/// What separates a command from what follows it.
fn end(inner: &str) -> &'static str {
    if ends_line(inner) {
        ""
    } else if inner.trim_end().ends_with('&') {
        " "
    } else {
        "; "
    }
}

/// Another program around one that still runs it.
fn wrap(numbers: &mut Numbers, inner: &str) -> String {
    let noise = numbers.one(NOISE);
    let stop = end(inner);
    // A list in front of `|` or behind `&&` would only lend its first or last command.
    let group = format!("{{ {inner}{stop}}}");
    let delimiter = format!("D{}", inner.len());
    match numbers.below(46) {
        0 => format!("( {inner}{} )", if ends_line(inner) { "\n" } else { "" }),
        1 => group,
        2 => format!("true && {group}"),
        3 => format!("false || {group}"),
        4 => format!("{noise}{}{inner}", end(noise)),
        5 => format!("{noise}\n{inner}"),
        6 => format!("{inner}{stop}{noise}"),
        7 => format!("ls | {group}"),
        8 => format!("{group} | cat"),
        9 => format!("{group} |& cat"),
        10 => format!("echo $( {inner}\n)"),
        11 => format!("echo \"x $( {inner}\n) y\""),
        12 => format!("x=$( {inner}\n)"),
        13 => format!("echo ${{y:-$( {inner}\n)}}"),
        14 => format!("echo \"${{y:+a}}${{y:-\"$( {inner}\n)\"}}\""),
        15 => format!("cat <( {inner}\n)"),
        16 => format!("cat < <( {inner}\n)"),
        17 => format!("echo x > >( {inner}\n); wait"),
        18 => format!("if {inner}{stop}then :; fi"),
        19 => format!("if true; then {inner}{stop}fi"),
        20 => format!("if false; then :; else {inner}{stop}fi"),
        21 => format!("for i in 1 2; do {inner}{stop}done"),
        22 => format!("for ((i = 0; i < 1; i++)); do {inner}{stop}done"),
        23 => format!("while {inner}{stop}false; do :; done"),
        24 => format!("until {inner}{stop}true; do :; done"),
        25 => format!("while :; do {inner}{stop}break; done"),
        26 => format!("case x in a) ls;; *) {inner}\n;; esac"),
        27 => format!("case $( {inner}\n) in x) ;; esac"),
        28 => format!("! {group}"),
        29 => format!("time {group}"),
        30 => format!("f{0}() {group}; f{0}", inner.len()),
        31 => format!("function g{0} {group}; g{0} x", inner.len()),
        32 => format!("bash -c {}", single(inner)),
        33 => format!("bash -c {}", doubled(inner)),
        34 => format!("eval {}", single(inner)),
        35 => format!("bash <<< {}", single(inner)),
        36 => format!("cat <<{delimiter}\n$( {inner}\n)\n{delimiter}\n"),
        37 => format!("bash <<'{delimiter}'\n{inner}\n{delimiter}\n"),
        38 => format!("source /dev/stdin <<'{delimiter}'\n{inner}\n{delimiter}\n"),
        39 => format!("cat <<< \"$( {inner}\n)\""),
        40 => format!("[[ -n $( {inner}\n) || x == x ]]"),
        41 => format!("echo $(( $( {inner}\n) + 0 ))"),
        42 => format!("coproc {group}\nwait"),
        43 => format!("(cd src && {group})"),
        44 => format!("{group} > /dev/null 2>&1"),
        _ => format!("export x=$( {inner}\n)"),
    }
}

/// A program that runs `forbidden`, up to `deepest` constructs deep.
pub(crate) fn program(numbers: &mut Numbers, deepest: usize) -> String {
    let mut program = numbers.one(LEAVES).to_owned();
    for _ in 0..numbers.below(deepest + 1) {
        program = wrap(numbers, &program);
    }
    program
}

/// Generated programs are never allowed: neither where the program is denied and all else allowed, nor without rules.
fn none_is_allowed(seed: u64, count: usize) {
    let mut numbers = Numbers::new(seed);
    let denying = rules(&["Bash(forbidden:*)"], &[], &["Bash"]);
    let (mut denied, mut asked, mut allowed) = (0, 0, Vec::new());
    for _ in 0..count {
        let program = program(&mut numbers, 4);
        for mode in [Mode::Default, Mode::BypassPermissions] {
            match bash(&denying, mode, &program).decision {
                Verdict::Deny => denied += 1,
                Verdict::Ask => asked += 1,
                Verdict::Allow => allowed.push(format!("{mode:?}: {program:?}")),
            }
        }
        if bash(&Rules::default(), Mode::Default, &program).decision == Verdict::Allow {
            allowed.push(format!("without rules: {program:?}"));
        }
        assert_eq!(bash(&Rules::default(), Mode::DontAsk, &program).decision, Verdict::Deny, "{program:?}");
    }
    crate::say(&format!("{count} programs: {denied} denied, {asked} asked, {} allowed", allowed.len()));
    allowed.truncate(20);
    assert!(allowed.is_empty(), "{}", allowed.join("\n"));
    assert!(denied > asked, "{denied} denied, {asked} asked");
}

#[test]
fn a_generated_program_with_a_denied_command_is_never_allowed() {
    none_is_allowed(1, 2_000);
}

/// `cargo test --release -p loci-policy -- --ignored --nocapture a_hundred_thousand_programs`
#[test]
#[ignore = "the long loop; run it in a release build"]
fn a_hundred_thousand_programs_with_a_denied_command_are_never_allowed() {
    none_is_allowed(2, 100_000);
}
