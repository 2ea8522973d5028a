use super::*;

fn local(name: &str, place: usize) -> Candidate {
    Candidate {
        name: name.into(),
        roles: vec![(Role::Main, place)],
        local: true,
        context: 32_000,
        general: true,
        ..Candidate::default()
    }
}

fn remote(name: &str, place: usize) -> Candidate {
    Candidate {
        local: false,
        endpoint: Some("https://x".into()),
        context: 200_000,
        price: Some(Price { input: 3.0, output: 15.0, ..Price::default() }),
        ..local(name, place)
    }
}

fn built_in() -> Candidate {
    Candidate { roles: Vec::new(), general: false, context: 4_096, ..local("builtin", 0) }
}

fn told(route: &Route, candidates: &[Candidate]) -> String {
    let chosen = route.chosen.map_or("nothing", |at| candidates[at].name.as_str());
    let rejected: Vec<String> =
        route.rejected.iter().map(|(name, reason, _)| format!("{name}:{}", reason.name())).collect();
    format!("{chosen} not {}", rejected.join(" "))
}

#[test]
fn reasons_are_looked_at_in_their_order() {
    let candidates = [remote("far", 0), local("near", 1), built_in()];
    let check = |task: Task, state: State, expect: &str| {
        let route = route(&task, &candidates, &state);
        assert_eq!(told(&route, &candidates), expect, "{task:?} {state:?}: {}", route.why);
        assert!(!route.why.is_empty());
    };
    let task = Task::default;
    let named = |name: &str| Task { named: Some(name.into()), ..task() };
    let labelled = || State { labelled: Some("secrets/a".into()), ..State::default() };
    check(task(), State::default(), "far not near:preference builtin:preference");
    check(named("near"), State::default(), "near not far:preference builtin:preference");
    check(named("builtin"), State::default(), "builtin not far:preference near:preference");
    check(task(), labelled(), "near not far:labels builtin:preference");
    // The user's word goes before a preference, and stubs stand in; what binds the session goes before the user's word.
    check(named("far"), labelled(), "far not near:preference builtin:preference");
    check(named("far"), State { bound: true, ..labelled() }, "near not far:labels builtin:preference");
    check(
        named("far"),
        State { offline: true, ..State::default() },
        "near not far:offline builtin:preference",
    );
    check(task(), State { local_only: true, ..State::default() }, "near not far:offline builtin:preference");
    let lost = State { unreachable: vec![("far".into(), "it does not answer".into())], ..State::default() };
    check(task(), lost, "near not far:offline builtin:preference");
    check(
        Task { images: true, ..task() },
        State::default(),
        "nothing not far:abilities near:abilities builtin:abilities",
    );
    check(Task { tokens: 50_000, ..task() }, State::default(), "far not near:context builtin:preference");
    check(
        Task { tokens: 50_000, ..task() },
        State { offline: true, ..State::default() },
        "builtin not far:offline near:context",
    );
    let spent = State { budget_usd: Some(1.0), spent_usd: 1.0, ..State::default() };
    check(task(), spent, "near not far:budget builtin:preference");
    check(
        task(),
        State { prefer: Prefer::Local, ..State::default() },
        "near not far:preference builtin:preference",
    );
    check(
        task(),
        State { prefer: Prefer::Cheap, ..State::default() },
        "near not far:preference builtin:preference",
    );
    // Both the labels and the network stand against it: the labels are named.
    check(
        task(),
        State { bound: true, offline: true, ..labelled() },
        "near not far:labels builtin:preference",
    );
}

#[test]
fn what_was_measured_counts() {
    let weak = Candidate { tool_validity: Some(0.2), ..local("weak", 0) };
    let clumsy = Candidate { edits: Some(0.1), decode_per_second: Some(90.0), ..local("clumsy", 1) };
    let slow = Candidate { tool_validity: Some(0.9), decode_per_second: Some(5.0), ..local("slow", 2) };
    let fast = Candidate { decode_per_second: Some(50.0), ..local("fast", 3) };
    let candidates = [weak, clumsy, slow, fast];
    let check = |task: Task, prefer: Prefer, expect: &str| {
        let state = State { prefer, ..State::default() };
        assert_eq!(told(&route(&task, &candidates, &state), &candidates), expect);
    };
    check(Task::default(), Prefer::Order, "slow not weak:abilities clumsy:abilities fast:preference");
    check(Task::default(), Prefer::Fast, "fast not weak:abilities clumsy:abilities slow:preference");
    let talk = Task { role: Role::Fast, tools: false, ..Task::default() };
    check(talk, Prefer::Fast, "clumsy not weak:preference slow:preference fast:preference");
}

#[test]
fn roles_are_addressed_at_the_beginning() {
    let check =
        |prompt: &str, expect: (Option<Role>, &str)| assert_eq!(addressed(prompt), expect, "{prompt}");
    check("@fast what is it?", (Some(Role::Fast), "what is it?"));
    check(" @review\nthe diff", (Some(Role::Review), "the diff"));
    check("@plan", (Some(Role::Plan), ""));
    check("@embed x", (None, "@embed x"));
    check("@src/lib.rs explain", (None, "@src/lib.rs explain"));
    check("@faster x", (None, "@faster x"));
    check("mail me@fast x", (None, "mail me@fast x"));
}

/// A generator that gives the same numbers everywhere (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn yes(&mut self) -> bool {
        self.roll(2) == 0
    }
}

#[test]
fn nothing_that_must_stay_is_routed_away() {
    let mut dice = Dice(7);
    let (mut labelled_remote, mut unlabelled_remote) = (0, 0);
    for _ in 0..20_000 {
        let candidates: Vec<Candidate> = (0..dice.roll(6))
            .map(|number| Candidate {
                name: format!("m{number}"),
                roles: if dice.yes() { vec![(Role::Main, dice.roll(4) as usize)] } else { Vec::new() },
                local: dice.yes(),
                unusable: (dice.roll(5) == 0).then(|| "it is not here".into()),
                context: 1 << (8 + dice.roll(8)),
                images: dice.yes(),
                general: dice.roll(4) > 0,
                price: dice.yes().then(Price::default),
                tool_validity: dice.yes().then(|| dice.roll(100) as f64 / 100.0),
                edits: dice.yes().then(|| dice.roll(100) as f64 / 100.0),
                decode_per_second: dice.yes().then(|| dice.roll(100) as f64),
                ..Candidate::default()
            })
            .collect();
        let task = Task {
            named: dice.yes().then(|| format!("m{}", dice.roll(6))),
            images: dice.roll(4) == 0,
            tokens: dice.roll(9_000) as usize,
            ..Task::default()
        };
        let labelled = dice.yes().then(|| "secrets/a".to_owned());
        let state = State {
            bound: labelled.is_some() && dice.yes(),
            labelled,
            offline: dice.roll(3) == 0,
            local_only: dice.roll(4) == 0,
            unreachable: Vec::new(),
            spent_usd: dice.roll(3) as f64,
            budget_usd: dice.yes().then_some(1.5),
            prefer: [Prefer::Order, Prefer::Local, Prefer::Remote, Prefer::Cheap, Prefer::Fast]
                [dice.roll(5) as usize],
        };
        let route = route(&task, &candidates, &state);
        // Each is chosen or rejected, and each is told once.
        assert_eq!(route.rejected.len() + usize::from(route.chosen.is_some()), candidates.len());
        // No softer reason is named where a harder one holds.
        for (name, reason, _) in &route.rejected {
            let candidate = candidates.iter().find(|candidate| candidate.name == *name).expect("a candidate");
            if let Some((hard, _)) = against(&task, candidate, &state) {
                assert_eq!(*reason, hard);
            }
        }
        let Some(chosen) = route.chosen.map(|at| &candidates[at]) else { continue };
        assert!(against(&task, chosen, &state).is_none());
        if !chosen.local {
            assert!(!state.bound && !state.offline && !state.local_only);
            let near = |one: &Candidate| one.local && against(&task, one, &state).is_none();
            if state.labelled.is_some() && candidates.iter().any(near) {
                assert_eq!(
                    task.named.as_ref(),
                    Some(&chosen.name),
                    "only by the user's word, and with stubs"
                );
                labelled_remote += 1;
            } else {
                unlabelled_remote += 1;
            }
        }
    }
    assert!(
        labelled_remote > 10 && unlabelled_remote > 500,
        "{labelled_remote} {unlabelled_remote}: the controls"
    );
}
