//! Owns which model a session is at work with: changes at the user's wish, for one prompt, and when a model cannot be reached.
//! Uses `route` for the choice, the front end's [`Models`] to open one, and the log for what was said.
//! Never goes back by itself: a link that comes and goes would have the window fitted anew with each prompt.

use std::sync::Arc;

use loci_inference::provider::{Provider, ProviderInfo, TokenUsage};
use loci_protocol::{Event, FailureKind, Level, ModelUsage, PermissionMode, Usage};
use tokio_util::sync::CancellationToken;

use super::log::{Record, effective};
use super::opening::Fitted;
use super::{Session, SessionError};
use crate::context::Budget;
use crate::route::{self, Candidate, Chosen, Models, NotOpened, Role, State, Task};
use crate::turn::{Stop, Turn};

/// Which model is at work, which others there are, and what they cost.
pub(crate) struct Choice {
    /// The one at work.
    pub(crate) now: Chosen,
    /// The same, without what stands before it.
    provider: Arc<dyn Provider>,
    models: Option<Arc<dyn Models>>,
    /// Those that could not be reached, with what happened.
    unreachable: Vec<(String, String)>,
    spent: Vec<ModelUsage>,
}

impl Choice {
    pub(crate) fn new(
        mut now: Chosen,
        provider: Arc<dyn Provider>,
        models: Option<Arc<dyn Models>>,
        records: &[Record],
    ) -> Self {
        if now.name.is_empty() {
            now.name.clone_from(&provider.info().model);
        }
        let mut spent = Vec::new();
        // What was gone back from was paid for all the same.
        for record in records {
            if let Record::TurnEnded(report) = record {
                report.models.iter().for_each(|used| used.clone().add_to(&mut spent));
            }
        }
        Self { now, provider, models, unreachable: Vec::new(), spent }
    }

    /// What each model used in this session.
    pub(crate) fn spent(&self) -> Vec<ModelUsage> {
        self.spent.clone()
    }

    fn spent_usd(&self) -> f64 {
        self.spent.iter().filter_map(|used| used.cost_usd).sum()
    }

    /// A request was answered. Gives what it used, for the turn.
    pub(crate) fn count(&mut self, info: &ProviderInfo, usage: &TokenUsage) -> ModelUsage {
        let used = ModelUsage {
            model: info.model.clone(),
            provider: info.provider.clone(),
            local: info.local,
            requests: 1,
            usage: Usage {
                prompt_tokens: usage.prompt,
                cached_tokens: usage.cached,
                completion_tokens: usage.completion,
            },
            cost_usd: info.price.map(|price| price.of(usage)),
        };
        used.clone().add_to(&mut self.spent);
        used
    }
}

/// A model to go back to.
type Before = (Chosen, Arc<dyn Provider>);

impl Session {
    /// Answer a prompt with the model that it is addressed to, that its mode calls for, or that is at work.
    pub(super) async fn answer_prompt(&mut self, text: String, cancel: CancellationToken) {
        let (role, words) = route::addressed(&text);
        let words = words.to_owned();
        self.look_at_labelled().await;
        let planned = role.is_none() && self.control.mode() == PermissionMode::Plan;
        let wanted = role.or(planned.then_some(Role::Plan));
        let (mut before, mut refused) = (None, None);
        if let Some(role) = wanted {
            match self.for_this_prompt(role, planned).await {
                Ok(changed) => before = changed,
                Err(stop) => refused = Some(stop),
            }
        }
        let at_work = self.choice.now.clone();
        self.run_turn(refused, words, cancel).await;
        if let Some((chosen, provider)) = before {
            // What took its place on the way stays.
            if self.choice.now.name == at_work.name {
                let why = "the prompt was for the other one alone".to_owned();
                let now = Chosen { name: chosen.name, ..chosen };
                if let Err(error) = self.switch(now, provider, &why).await {
                    self.refuse(&error);
                }
            }
        }
    }

    /// Take in labelled files as they are now, also for a model of this machine: another one may be next.
    pub(super) async fn look_at_labelled(&self) {
        if self.lasting.labels.is_empty() {
            return;
        }
        let lasting = self.lasting.clone();
        // Files that cannot be read are known by their path.
        let _ = tokio::task::spawn_blocking(move || lasting.prints.look(&lasting.labels)).await;
    }

    /// Change to the model of a role. Gives the one before, where it is another one. A mode that nobody named a model for is
    /// answered by the one at work.
    async fn for_this_prompt(&mut self, role: Role, by_mode: bool) -> Result<Option<Before>, Stop> {
        let candidates = self.candidates();
        let of_role: Vec<Candidate> = candidates
            .into_iter()
            .filter(|candidate| candidate.roles.iter().any(|(known, _)| *known == role))
            .collect();
        let name = role.name();
        if of_role.is_empty() && by_mode {
            return Ok(None);
        }
        let images = self.pictured();
        let task = Task { role, images, tools: role != Role::Fast, tokens: self.needed(), ..Task::default() };
        let route = route::route(&task, &of_role, &self.standing());
        let Some(chosen) = route.chosen.map(|at| &of_role[at]) else {
            if by_mode {
                self.control.notice(
                    Level::Warning,
                    route.why,
                    Some(format!("{} answers", self.choice.now.name)),
                );
                return Ok(None);
            }
            let hint =
                format!("name one in models.toml: [role] {name} = [\"NAME\"]; `loci why @{name}` says more");
            return Err(Stop::failed(FailureKind::Provider, route.why, Some(&hint)));
        };
        if chosen.name == self.choice.now.name {
            return Ok(None);
        }
        let before = (self.choice.now.clone(), self.choice.provider.clone());
        let why = if by_mode { format!("the mode is {name}") } else { format!("the prompt is for @{name}") };
        self.open_and_switch(&chosen.name.clone(), &why)
            .await
            .map_err(|error| Stop::failed(FailureKind::Provider, error.message, error.hint.as_deref()))?;
        Ok(Some(before))
    }

    /// Go on with another model at the user's wish.
    pub(super) async fn set_model(&mut self, name: &str) {
        let name = name.trim();
        let role = Role::ALL.into_iter().find(|role| name.strip_prefix('@') == Some(role.name()));
        let mut wanted = name.to_owned();
        if let Some(role) = role {
            let task = Task { role, images: self.pictured(), tokens: self.needed(), ..Task::default() };
            let candidates = self.candidates();
            let route = route::route(&task, &candidates, &self.standing());
            match route.chosen {
                Some(at) => wanted.clone_from(&candidates[at].name),
                None => return self.control.notice(Level::Error, route.why, None),
            }
        }
        // Whoever asks for it wants it tried again.
        self.choice.unreachable.retain(|(known, _)| *known != wanted);
        if let Err(error) = self.open_and_switch(&wanted, "as you wished").await {
            self.control.notice(Level::Error, error.message, error.hint);
        }
    }

    async fn open_and_switch(&mut self, name: &str, why: &str) -> Result<(), NotOpened> {
        let Some(models) = self.choice.models.clone() else {
            return Err(NotOpened { message: "this session has no other models".into(), hint: None });
        };
        let wanted = name.to_owned();
        let provider = tokio::task::spawn_blocking(move || models.open(&wanted)).await;
        let provider = provider.unwrap_or_else(|error| {
            Err(NotOpened { message: format!("{name} cannot be opened: {error}"), hint: None })
        })?;
        if !provider.info().local && (self.lasting.settings.local_only || self.lasting.settings.offline) {
            let why = if self.lasting.settings.offline {
                "Loci is offline"
            } else {
                "only models of this machine may answer"
            };
            return Err(NotOpened {
                message: format!("{name} runs elsewhere, and {why}"),
                hint: Some(
                    "`loci models` lists those of this machine; begin without --local or offline for others"
                        .into(),
                ),
            });
        }
        let now = Chosen { name: name.to_owned(), why: why.to_owned() };
        self.switch(now, provider, why).await.map_err(|error| NotOpened {
            message: error.to_string(),
            hint: matches!(error, SessionError::Stays { .. })
                .then(|| "go on with a model of this machine, or begin a new session".to_owned()),
        })
    }

    /// Put another model in the place of the one at work, with everything that depends on it.
    async fn switch(
        &mut self,
        now: Chosen,
        provider: Arc<dyn Provider>,
        why: &str,
    ) -> Result<(), SessionError> {
        let records = self.log.records()?;
        let (lasting, id, sandboxing) = (self.lasting.clone(), self.id.clone(), self.sandboxing.clone());
        let (opened, chosen) = (provider.clone(), now.clone());
        let fitted = tokio::task::spawn_blocking(move || {
            lasting.fit(opened, &chosen, &id, &records, Some(&sandboxing))
        })
        .await
        .map_err(|error| SessionError::Journal(std::io::Error::other(error)))??;
        let was_general = !self.provider.info().capabilities.grounded;
        let said = !self.context.conversation().entries().is_empty();
        self.put(fitted);
        self.choice.now = now;
        self.choice.provider = provider;
        self.note_model()?;
        self.note_head()?;
        self.control.emit(Event::ModelChanged { model: self.badge.clone(), why: why.to_owned() });
        if was_general && said && self.provider.info().capabilities.grounded {
            self.control.notice(
                Level::Warning,
                format!(
                    "{} does not read what was said before: it answers each request from the project alone",
                    self.badge.name
                ),
                Some("`/model NAME` goes on with another one".into()),
            );
        }
        Ok(())
    }

    fn put(&mut self, fitted: Fitted) {
        let Fitted {
            provider,
            guarded,
            redactor,
            readable,
            sandboxing,
            denied,
            index,
            head,
            sampling,
            window,
            meter,
            badge,
            mut restored,
            notices,
        } = fitted;
        // Said when the session was opened, or when it happened.
        restored.context.take_unknown();
        self.permissions.keep_here(&self.denied, &denied, sandboxing.clone());
        self.older =
            denied.is_empty().then(|| self.all_older.clone() as Arc<dyn crate::tools::OlderSessions>);
        if denied != self.denied {
            // Another model finds what this one may not, and the other way round.
            self.index = index;
            self.filler = Self::filler(&self.index, &self.lasting.settings, &self.control);
            self.start_refresh();
        }
        self.workspace = self.workspace.clone().showing(readable);
        (self.provider, self.guarded, self.redactor) = (provider, guarded, redactor);
        (self.sandboxing, self.denied) = (sandboxing, denied);
        (self.head, self.head_tokens, self.specs) = (head.text, head.tokens, head.tools);
        (self.sampling, self.window, self.meter, self.badge) = (sampling, window, meter, badge);
        self.context = restored.context;
        self.named = restored.named;
        self.last_outcomes = restored.last_outcomes;
        *self.todos.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = restored.todos;
        self.tell_tasks();
        self.summed = 0;
        for (level, message, hint) in notices {
            self.control.notice(level, message, hint);
        }
    }

    /// A model cannot be reached, or has cost what it may: go on with the next one. False where there is none.
    pub(crate) async fn fall_back(&mut self, turn: &Turn, what: &str) -> Result<bool, Stop> {
        let lost = self.choice.now.name.clone();
        self.choice.unreachable.retain(|(known, _)| *known != lost);
        self.choice.unreachable.push((lost.clone(), what.to_owned()));
        loop {
            let candidates = self.candidates();
            let task = Task { tokens: self.needed(), ..Task::default() };
            let mut state = self.standing();
            // Whatever is near is there.
            if state.prefer == route::Prefer::Order {
                state.prefer = route::Prefer::Local;
            }
            let route = route::route(&task, &candidates, &state);
            let Some(next) = route.chosen.map(|at| candidates[at].clone()) else { return Ok(false) };
            if next.name == lost || turn.cancel.is_cancelled() {
                return Ok(false);
            }
            let why = format!("{lost} cannot go on: {what}");
            match self.open_and_switch(&next.name, &why).await {
                Ok(()) => {
                    self.control.notice(
                        Level::Warning,
                        format!("{lost} cannot go on ({what}); {} goes on in its place", next.name),
                        Some(format!("`/model {lost}` goes back to it")),
                    );
                    // The request stands in the log; the turn goes on behind it.
                    self.log.commit()?;
                    return Ok(true);
                }
                Err(error) => self.choice.unreachable.push((next.name, error.message)),
            }
        }
    }

    /// What a session may cost is spent: another model goes on, or the turn ends.
    pub(crate) async fn keep_budget(&mut self, turn: &Turn) -> Result<(), Stop> {
        let Some(budget) = self.lasting.settings.budget_usd else { return Ok(()) };
        let spent = self.choice.spent_usd();
        if self.badge.local || self.provider.info().price.is_none() || spent < budget {
            return Ok(());
        }
        let what = format!("the session has cost ${spent:.4} of the ${budget:.4} it may");
        if self.fall_back(turn, &what).await? {
            return Ok(());
        }
        Err(Stop::failed(
            FailureKind::Provider,
            what,
            Some("raise budget_usd, or go on with a model of this machine: /model NAME"),
        ))
    }

    /// Say which model would answer these words, and why.
    pub(super) fn explain_choice(&self, task: &str) {
        let (role, _) = route::addressed(task);
        let named = role.is_none().then(|| self.choice.now.name.clone());
        let plans = self.control.mode() == PermissionMode::Plan;
        let role = role.unwrap_or(if plans { Role::Plan } else { Role::Main });
        let images = self.pictured();
        let task = Task { role, named, images, tools: role != Role::Fast, tokens: self.needed() };
        let candidates = self.candidates();
        let mut report = route::route(&task, &candidates, &self.standing()).report(&task, &candidates);
        if report.chosen.as_ref() == Some(&self.choice.now.name) && !self.choice.now.why.is_empty() {
            report.why.clone_from(&self.choice.now.why);
        }
        self.control.emit(Event::RouteShown(report));
    }

    /// Every model that there is to choose from, the one at work among them.
    fn candidates(&self) -> Vec<Candidate> {
        let mut candidates =
            self.choice.models.as_ref().map(|models| models.candidates()).unwrap_or_default();
        let info = self.choice.provider.info();
        if !candidates.iter().any(|candidate| candidate.name == self.choice.now.name) {
            candidates.insert(
                0,
                Candidate {
                    name: self.choice.now.name.clone(),
                    local: info.local,
                    endpoint: info.endpoint.clone(),
                    context: self.window,
                    images: info.capabilities.images,
                    general: !info.capabilities.grounded,
                    price: info.price,
                    ..Candidate::default()
                },
            );
        }
        candidates
    }

    fn standing(&self) -> State {
        let settings = &self.lasting.settings;
        let (mut labelled, mut bound) = (None, false);
        if !self.lasting.labels.is_empty()
            && let Ok(records) = self.log.records()
        {
            bound = self.lasting.labels.bound(&records).is_some();
            labelled = self.lasting.labels.first(&records);
        }
        State {
            labelled,
            bound,
            offline: settings.offline,
            local_only: settings.local_only,
            unreachable: self.choice.unreachable.clone(),
            spent_usd: self.choice.spent_usd(),
            budget_usd: settings.budget_usd,
            prefer: settings.prefer,
        }
    }

    /// Tokens that a model must hold to go on: head, the newest prompt, and room for an answer. What stands before gives way.
    fn needed(&self) -> usize {
        let newest = self.log.records().ok().and_then(|records| {
            effective(&records).iter().rev().find_map(|record| match record {
                Record::Prompt { text, .. } => Some(self.meter.text(text)),
                _ => None,
            })
        });
        let words = self.head_tokens + newest.unwrap_or_default();
        words + Budget::new(words * 2, self.max_tokens).reserve
    }

    fn refuse(&self, error: &SessionError) {
        self.control.notice(Level::Error, format!("the model stays as it is: {error}"), None);
    }
}
