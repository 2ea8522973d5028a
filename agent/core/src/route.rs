//! Owns which model answers, and why: a pure function over what there is, what the task needs and how things stand.
//! Uses nothing but its arguments; a session and `loci why` ask the same question.
//! Never opens a model, and never sends to one what must stay: labels and the state of the network come before any wish.

pub mod target;
mod vouched;

use std::sync::Arc;

pub use loci_inference::catalog::Role;
use loci_inference::provider::{Price, Provider};
use loci_protocol::{Rejected, RouteReport};
pub use target::{BUILT_IN, Named, RouteError, Target, choose};
pub use vouched::Vouched;

/// What is chosen among models that would all do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefer {
    /// In the order in which a role names them.
    #[default]
    Order,
    /// One of this machine.
    Local,
    /// A service.
    Remote,
    /// The one that costs least; what has no price is free only where it runs here.
    Cheap,
    /// The one that writes fastest, by what was measured here.
    Fast,
}

impl Prefer {
    /// The choice of that name in the configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "order" => Some(Self::Order),
            "local" => Some(Self::Local),
            "remote" => Some(Self::Remote),
            "cheap" => Some(Self::Cheap),
            "fast" => Some(Self::Fast),
            _ => None,
        }
    }
}

/// The name that a model was chosen by, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// As `-m` takes it.
    pub name: String,
    /// One sentence; the ledger of what leaves the machine repeats it.
    pub why: String,
}

/// A model that may be chosen, with what is known of it before it is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Candidate {
    /// As `-m` takes it.
    pub name: String,
    /// The roles that name it, each with its place in the list.
    pub roles: Vec<(Role, usize)>,
    /// Whether it answers on this machine and passes nothing on. What listens on loopback does so only by the user's own
    /// word (`providers.NAME.on_this_machine`): such a service may be a relay to somewhere else, as Ollama is for its cloud
    /// models, and nothing that can be seen from here tells the two apart.
    pub local: bool,
    /// Where requests go, where they leave the process.
    pub endpoint: Option<String>,
    /// Why it cannot be opened: not downloaded, no key, not allowed.
    pub unusable: Option<String>,
    /// Tokens that it holds.
    pub context: usize,
    /// It takes pictures.
    pub images: bool,
    /// It does more than look up and make simple edits, and reads what was said before.
    pub general: bool,
    /// What it charges.
    pub price: Option<Price>,
    /// Of its calls, the part that was valid when it was qualified here.
    pub tool_validity: Option<f64>,
    /// Of its edits, the part that applied.
    pub edits: Option<f64>,
    /// Tokens that it writes in a second on this machine.
    pub decode_per_second: Option<f64>,
}

/// What is asked of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What it is for.
    pub role: Role,
    /// The model that the user named for it.
    pub named: Option<String>,
    /// It calls tools.
    pub tools: bool,
    /// Pictures go with it.
    pub images: bool,
    /// Tokens that a prompt has at least, and those of an answer.
    pub tokens: usize,
}

impl Default for Task {
    fn default() -> Self {
        Self { role: Role::Main, named: None, tools: true, images: false, tokens: 0 }
    }
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    /// The first thing in the session that never leaves this machine.
    pub labelled: Option<String>,
    /// That thing binds the session itself: stubs are not enough.
    pub bound: bool,
    /// The network is not used.
    pub offline: bool,
    /// The user wants nothing asked of a model elsewhere.
    pub local_only: bool,
    /// Models that could not be reached, each with what happened.
    pub unreachable: Vec<(String, String)>,
    /// US dollars spent in this session.
    pub spent_usd: f64,
    /// And what it may cost.
    pub budget_usd: Option<f64>,
    /// What counts among those that would do.
    pub prefer: Prefer,
}

/// Why a model is not chosen, hardest first: the order in which they are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The session holds what never leaves this machine.
    Labels,
    /// It would be reached over the network, which is not used or does not answer.
    Offline,
    /// It cannot be opened, or does not do what the task needs.
    Abilities,
    /// What the session holds does not fit.
    Context,
    /// The session has cost what it may.
    Budget,
    /// Another one comes first.
    Preference,
}

impl Reason {
    /// In one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Offline => "offline",
            Self::Abilities => "abilities",
            Self::Context => "context",
            Self::Budget => "budget",
            Self::Preference => "preference",
        }
    }
}

/// What was chosen and what was not.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Route {
    /// The place of the chosen one among the candidates; nothing where none will do.
    pub chosen: Option<usize>,
    /// One sentence.
    pub why: String,
    /// The others by their names, each with the first reason against it.
    pub rejected: Vec<(String, Reason, String)>,
}

/// Below these a model that was measured here is not given the work: half of its calls, or two of three edits, go wrong.
const LEAST_VALIDITY: f64 = 0.5;
const LEAST_EDITS: f64 = 0.34;

/// Choose the model for a task. Every hard reason is looked at before any wish, in the order of [`Reason`]; a named model
/// that no hard reason stands against is taken.
#[must_use]
pub fn route(task: &Task, candidates: &[Candidate], state: &State) -> Route {
    let mut rejected: Vec<(usize, Reason, String)> = Vec::new();
    let mut left: Vec<usize> = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        match against(task, candidate, state) {
            Some((reason, why)) => rejected.push((at, reason, why)),
            None => left.push(at),
        }
    }
    let named = |at: usize| task.named.as_deref() == Some(candidates[at].name.as_str());
    let place = |at: usize| {
        candidates[at]
            .roles
            .iter()
            .find(|(role, _)| *role == task.role)
            .map_or(usize::MAX, |(_, place)| *place)
    };
    let wish = |at: usize| {
        let candidate = &candidates[at];
        match state.prefer {
            Prefer::Order => 0.0,
            Prefer::Local => f64::from(u8::from(!candidate.local)),
            Prefer::Remote => f64::from(u8::from(candidate.local)),
            Prefer::Cheap => cost(candidate),
            Prefer::Fast => -candidate.decode_per_second.unwrap_or_default(),
        }
    };
    let elsewhere = |at: usize| state.labelled.is_some() && !candidates[at].local;
    left.sort_by(|one, two| {
        named(*two)
            .cmp(&named(*one))
            .then(elsewhere(*one).cmp(&elsewhere(*two)))
            .then((place(*one) == usize::MAX).cmp(&(place(*two) == usize::MAX)))
            .then(candidates[*two].general.cmp(&candidates[*one].general))
            .then(wish(*one).total_cmp(&wish(*two)))
            .then(place(*one).cmp(&place(*two)))
            .then(one.cmp(two))
    });
    let chosen = left.first().copied();
    let why = match chosen {
        None => nobody(task, &rejected),
        Some(at) if named(at) => "it was named".to_owned(),
        Some(at) => reason_for(task, candidates, state, &left, at),
    };
    for at in left.iter().skip(1) {
        let first = &candidates[left[0]].name;
        let (reason, why) = match &state.labelled {
            Some(what) if elsewhere(*at) && !elsewhere(left[0]) => (
                Reason::Labels,
                format!("the session holds what never leaves this machine ({what}), and {first} is on it"),
            ),
            _ => (Reason::Preference, format!("{first} comes first: {why}")),
        };
        rejected.push((*at, reason, why));
    }
    rejected.sort_by_key(|(at, ..)| *at);
    let rejected = rejected.into_iter().map(|(at, reason, why)| (candidates[at].name.clone(), reason, why));
    Route { chosen, why, rejected: rejected.collect() }
}

/// The first hard reason against a candidate.
fn against(task: &Task, candidate: &Candidate, state: &State) -> Option<(Reason, String)> {
    if state.bound && !candidate.local {
        let what = state.labelled.as_deref().unwrap_or("labelled content");
        return Some((Reason::Labels, format!("the session holds what never leaves this machine ({what})")));
    }
    if !candidate.local && (state.offline || state.local_only) {
        let why = if state.offline { "Loci is offline" } else { "only models of this machine may answer" };
        return Some((Reason::Offline, why.into()));
    }
    if let Some((_, what)) = state.unreachable.iter().find(|(name, _)| *name == candidate.name) {
        return Some((Reason::Offline, what.clone()));
    }
    if let Some(why) = &candidate.unusable {
        return Some((Reason::Abilities, why.clone()));
    }
    if task.images && !candidate.images {
        return Some((Reason::Abilities, "it takes no pictures".into()));
    }
    let share = |part: f64| format!("{:.0} %", part * 100.0);
    if let Some(part) = candidate.tool_validity.filter(|part| task.tools && *part < LEAST_VALIDITY) {
        return Some((
            Reason::Abilities,
            format!("only {} of its calls were valid when it was tested here", share(part)),
        ));
    }
    if let Some(part) = candidate.edits.filter(|part| task.role == Role::Main && *part < LEAST_EDITS) {
        return Some((
            Reason::Abilities,
            format!("only {} of its edits applied when it was tested here", share(part)),
        ));
    }
    // What reads no conversation is laid out anew for each prompt, and fits whatever was said.
    if candidate.general && task.tokens > candidate.context {
        let why = format!("it holds {} tokens, and {} are needed", candidate.context, task.tokens);
        return Some((Reason::Context, why));
    }
    let budget = state.budget_usd.filter(|budget| state.spent_usd >= *budget);
    if let Some(budget) = budget.filter(|_| !candidate.local && candidate.price.is_some()) {
        let why = format!("the session has cost ${:.4} of the ${budget:.4} it may", state.spent_usd);
        return Some((Reason::Budget, why));
    }
    None
}

/// What a thousand tokens in and a hundred out cost, for comparison.
fn cost(candidate: &Candidate) -> f64 {
    match candidate.price {
        Some(price) => price.input * 1e-3 + price.output * 1e-4,
        None if candidate.local => 0.0,
        // What a service charges that says nothing is not known to be little.
        None => f64::MAX,
    }
}

fn reason_for(task: &Task, candidates: &[Candidate], state: &State, left: &[usize], at: usize) -> String {
    let chosen = &candidates[at];
    let role = task.role.name();
    let in_role = |at: &usize| candidates[*at].roles.iter().any(|(known, _)| *known == task.role);
    if let [_] = left {
        return format!("no other model will do for {role}");
    }
    if let Some(what) =
        state.labelled.as_deref().filter(|_| chosen.local && left.iter().any(|at| !candidates[*at].local))
    {
        return format!("it is on this machine, and the session holds what never leaves it ({what})");
    }
    if in_role(&at) && !left.iter().skip(1).any(in_role) {
        return format!("it is the model for {role}");
    }
    match state.prefer {
        _ if !in_role(&at) => format!("no model is named for {role}"),
        Prefer::Order => format!("it is the first that is named for {role}"),
        Prefer::Local if chosen.local => "models of this machine are preferred".into(),
        Prefer::Remote if !chosen.local => "services are preferred".into(),
        Prefer::Cheap => "it costs least".into(),
        Prefer::Fast if chosen.decode_per_second.is_some() => "it writes fastest".into(),
        _ => format!("it is the first that is named for {role}"),
    }
}

fn nobody(task: &Task, rejected: &[(usize, Reason, String)]) -> String {
    match rejected.iter().max_by_key(|(_, reason, _)| *reason) {
        None => format!("there is no model for {}", task.role.name()),
        Some((_, _, why)) => format!("no model will do for {}: {why}", task.role.name()),
    }
}

impl Route {
    /// As front ends show it.
    #[must_use]
    pub fn report(&self, task: &Task, candidates: &[Candidate]) -> RouteReport {
        let chosen = self.chosen.and_then(|at| candidates.get(at));
        RouteReport {
            role: task.role.name().into(),
            chosen: chosen.map(|candidate| candidate.name.clone()),
            local: chosen.is_some_and(|candidate| candidate.local),
            endpoint: chosen.and_then(|candidate| candidate.endpoint.clone()),
            why: self.why.clone(),
            rejected: self
                .rejected
                .iter()
                .map(|(name, reason, why)| Rejected {
                    name: name.clone(),
                    kind: reason.name().into(),
                    reason: why.clone(),
                })
                .collect(),
        }
    }
}

/// The role that a prompt is addressed to, and its words: `@fast what is this?`.
#[must_use]
pub fn addressed(prompt: &str) -> (Option<Role>, &str) {
    let Some(rest) = prompt.trim_start().strip_prefix('@') else { return (None, prompt) };
    let (name, words) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let role = Role::ALL.into_iter().find(|role| role.name() == name);
    match role {
        // Nobody can be asked by those.
        None | Some(Role::Embed | Role::Rerank) => (None, prompt),
        Some(role) => (Some(role), words.trim_start()),
    }
}

/// Why a model cannot be opened, in words for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotOpened {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The models that a session may go on with. The front end knows where they are.
pub trait Models: Send + Sync {
    /// All that a role names, the one at work, and the one inside the program.
    fn candidates(&self) -> Vec<Candidate>;

    /// Open one by a name that `-m` takes. May take as long as reading a file's header; it is called where that holds nothing up.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be used.
    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, NotOpened>;
}

#[cfg(test)]
mod tests;
