//! Owns how a session is opened, and what of it depends on the model: that is made again when the model changes.
//! Uses the log for what was said, and the labels for what of it a model may read.
//! Never shows a model elsewhere a record as it is where the view has another one.

use super::*;
use crate::egress::{Ledger, Shipment};
use crate::labels::{Labels, Prints};
use crate::route::Chosen;

/// What a session keeps, whichever model is at work.
pub(crate) struct Lasting {
    pub(crate) settings: Settings,
    pub(crate) places: Places,
    pub(crate) place: loci_policy::Context,
    pub(crate) root: PathBuf,
    pub(crate) helper: Option<PathBuf>,
    pub(crate) labels: Labels,
    pub(crate) prints: Arc<Prints>,
    pub(crate) ledger: Ledger,
    /// The tools as they are shown before anything narrows them.
    specs: Vec<ToolSpec>,
    redactor: Arc<Redactor>,
    /// Of the project, with where it stands; nothing where the project is not trusted.
    instructions: instructions::Found,
}

/// What of a session depends on its model.
pub(crate) struct Fitted {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) guarded: Option<Arc<Guarded>>,
    pub(crate) redactor: Option<Arc<Redactor>>,
    pub(crate) readable: Readable,
    pub(crate) sandboxing: Arc<Sandboxing>,
    pub(crate) denied: Vec<loci_policy::Rule>,
    pub(crate) index: loci_index::Index,
    pub(crate) head: head::Head,
    pub(crate) sampling: Sampling,
    pub(crate) window: usize,
    pub(crate) meter: Meter,
    pub(crate) badge: ModelBadge,
    pub(crate) restored: resume::Restored,
    pub(crate) notices: Vec<Remark>,
}

impl Lasting {
    /// Whether this model may read everything.
    fn trusts(info: &loci_inference::provider::ProviderInfo) -> bool {
        info.local
    }

    /// Make everything that depends on the model. `records` are those of the session so far.
    pub(crate) fn fit(
        &self,
        provider: Arc<dyn Provider>,
        chosen: &Chosen,
        id: &str,
        records: &[Record],
        sandboxing: Option<&Sandboxing>,
    ) -> Result<Fitted, SessionError> {
        let info = provider.info().clone();
        let (settings, places, root) = (&self.settings, &self.places, &self.root);
        let elsewhere = !Self::trusts(&info);
        if elsewhere && let Some(what) = self.labels.bound(records) {
            return Err(SessionError::Stays { what });
        }
        let mut notices = Vec::new();
        let view;
        let shown: Vec<&Record> = if elsewhere && !self.labels.is_empty() {
            let left_out = self.prints.look(&self.labels);
            if left_out > 0 {
                notices.push((
                    Level::Warning,
                    format!("{left_out} files under never_leaves are too large to be known by their content, only by their path"),
                    None,
                ));
            }
            for text in self.labels.printed(records) {
                self.prints.take_shown(&self.labels, text);
            }
            view = self.labels.view(records, &self.prints);
            view.iter().collect()
        } else {
            log::effective(records)
        };
        let redactor =
            (elsewhere && (settings.redact || settings.managed.redact)).then(|| self.redactor.clone());
        if let Some(redactor) = &redactor {
            guard::look_back(redactor, shown.iter().copied());
        }
        let shipment = Shipment {
            purpose: "model",
            session: Some(id.into()),
            project: Some(root.display().to_string()),
            model: Some(format!("{}/{}", info.provider, info.model)),
            allowed_by: chosen.why.clone(),
            ..Shipment::default()
        };
        let sends = elsewhere || info.endpoint.is_some();
        let guarded = sends.then(|| {
            let ledger = Some((self.ledger.clone(), shipment));
            Arc::new(Guarded::new(provider.clone(), redactor.clone(), self.prints.clone(), ledger))
        });
        let provider: Arc<dyn Provider> = match &guarded {
            Some(guarded) => guarded.clone(),
            None => provider,
        };
        // Only what answers on this machine may see everything.
        let denied = if elsewhere { self.labels.denied().to_vec() } else { Vec::new() };
        let mut settings = settings.clone();
        settings.rules.deny.splice(0..0, denied.iter().cloned());
        let readable = Readable::new(&settings.rules, &self.place);
        let sandboxing = Arc::new(match sandboxing {
            Some(sandboxing) => sandboxing.reading(readable.clone()),
            None => Sandboxing::open(self.helper.as_deref(), &settings, places, &self.place),
        });
        let index = loci_index::Index::open(root, index_options(root, places, &settings))?;
        let embed = crate::meaning::light(&settings.embeddings);
        let meter = Meter::new(provider.clone());
        let context = Window::new(info.capabilities.grounded, Some(root.clone()), embed);
        let restored = resume::restore_shown(records, &shown, context);

        let instructions = if self.instructions.paths.iter().any(|path| !readable.may_show(path)) {
            let note = "the project's instructions are left out: a rule denies reading them";
            notices.push((Level::Warning, note.into(), None));
            None
        } else {
            if let Some(note) = &self.instructions.note {
                notices.push((Level::Warning, note.clone(), None));
            }
            self.instructions.text.as_deref()
        };
        let window = match settings.context_length {
            Some(length) if length < info.context_length => length,
            _ => info.context_length,
        };
        let mut sampling = settings.sampling.clone();
        if info.capabilities.grounded && !settings.temperature_chosen {
            sampling.temperature = 0.0;
        }
        let specs = self.specs.clone();
        // What reads no system message has its tools narrowed at each step.
        let mut head = if info.capabilities.grounded {
            let text = head::text(root, None, None);
            head::Head { text, tools: specs, tokens: 0, cut: false }
        } else {
            let map = |tokens: usize| {
                // Maps of what everybody may read and of what stays here are kept apart.
                let path = places.map(root, tokens);
                let path = if denied.is_empty() { path } else { path.with_extension("elsewhere.txt") };
                maps::stable(&index, &path, tokens, &meter)
            };
            let parts = head::Parts { root, instructions, tools: specs, map: &map };
            head::fit(&parts, Budget::new(window, settings.max_tokens), &meter)
        };
        // A map that was made since the session began waits for the next one: what was read once is not read anew.
        if let Some(logged) = restored.context.head()
            && (&logged.model, logged.window, &logged.tools) == (&info.model, window, &head.tools)
            && let Some(text) = &logged.text
            && head::differs_in_map_only(text, &head.text, root)
        {
            head.text.clone_from(text);
        }
        if head.cut {
            notices.push((
                Level::Warning,
                format!("the project's instructions are cut to fit a window of {window} tokens"),
                Some("shorten AGENTS.md, or open a larger window (context_length, --context)".into()),
            ));
        }
        let badge = ModelBadge {
            name: info.model,
            provider: info.provider,
            local: info.local,
            endpoint: info.endpoint,
            context_length: window,
            images: info.capabilities.images,
        };
        Ok(Fitted {
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
            restored,
            notices,
        })
    }
}

impl Session {
    pub(super) fn build(
        options: SessionOptions,
        control: Arc<Control>,
    ) -> Result<(Self, bool, Vec<Remark>), SessionError> {
        let SessionOptions {
            cwd,
            provider,
            tools,
            settings,
            places,
            trusted,
            resume,
            helper,
            environment,
            models,
            chosen,
            ..
        } = options;
        let root = cwd.canonicalize().ok().filter(|root| root.is_dir());
        let root = root.ok_or(SessionError::NotADirectory { path: cwd })?;
        let mut notices = Vec::new();
        let folder = places.sessions(&root);
        let place = context(&root, &places, &settings, trusted);
        let lasting = Lasting {
            labels: Labels::of(&settings, &places, &place),
            prints: Arc::default(),
            ledger: Ledger::open(&places),
            specs: tools.iter().map(|tool| crate::tools::spec(tool.as_ref())).collect(),
            redactor: Arc::new(Redactor::new(&environment)),
            instructions: if trusted { instructions::read(&root) } else { instructions::Found::default() },
            settings,
            places,
            place,
            root,
            helper,
        };
        let Lasting { settings, places, root, .. } = &lasting;
        let resumed = resume.is_some();
        let (id, mut log, records) = match resume {
            None => {
                let id = uuid::Uuid::now_v7().to_string();
                let header = Record::Header {
                    format: FORMAT,
                    program: PROGRAM.into(),
                    session_id: id.clone(),
                    cwd: root.display().to_string(),
                    model: provider.info().model.clone(),
                    forked_from: None,
                    branch: crate::branch::of(root),
                };
                let log = Log::create(&folder.join(format!("{id}.jsonl")), &header)?;
                (id, log, vec![header])
            }
            Some(resume) => {
                let id = resume::find(&folder, &resume)?;
                let (log, loaded) = Log::open(&folder.join(format!("{id}.jsonl")))?;
                notices.extend(told_of_damage(&loaded));
                (id, log, loaded.records)
            }
        };
        let fitted = lasting.fit(provider.clone(), &chosen, &id, &records, None)?;
        let saved = SavedRules::of(places, root);
        log.keep_reserve(&places.data.join("reserve"));
        let project = Places::project_key(root);
        let journal = Journal::open(&places.journal(), root, &project, &id, settings.undo_limits())
            .map_err(SessionError::Journal)?;
        let filler = Self::filler(&fitted.index, settings, &control);
        // What is configured counts more than what was detected.
        let mut tasks = settings.tasks.clone();
        for detected in crate::tasks::detect(root) {
            if !tasks.iter().any(|task| task.name == detected.name) {
                tasks.push(detected);
            }
        }
        let Fitted { mut restored, sandboxing, denied, .. } = fitted;
        restored.context.take_unknown();
        notices.extend(fitted.notices);
        let lost = restored.background.lost.iter().map(|(id, line)| crate::tools::jobs::lost(id, line));
        let notes: Vec<String> = lost.collect();
        notices.extend(notes.iter().map(|note| (Level::Info, note.clone(), None)));
        // The registry has the announcer, and the announcer tells of the registry.
        let background = Arc::new_cyclic(|registry: &std::sync::Weak<Background>| {
            let (announcer, registry) = (control.clone(), registry.clone());
            let announce: OnEnd = Arc::new(move |job| {
                announcer.notice(Level::Info, crate::tools::jobs::told(job), None);
                if let Some(registry) = registry.upgrade() {
                    super::lists::tell_jobs(&registry, &announcer);
                }
            });
            Background::after(restored.background.highest, announce)
        });
        let older = Arc::new(Older::new(places, root, &id, &settings.embeddings));
        let mut rules = settings.rules.clone();
        rules.deny.splice(0..0, denied.iter().cloned());
        let session = Self {
            head: fitted.head.text,
            head_tokens: fitted.head.tokens,
            badge: fitted.badge,
            spool_dir: places.state.join("spool").join(&id),
            pictures: super::pictures::Pictures::of(&folder),
            workspace: Workspace::new(root.clone()).showing(fitted.readable),
            provider: fitted.provider,
            guarded: fitted.guarded,
            tools,
            specs: fitted.head.tools,
            sampling: fitted.sampling,
            max_tokens: settings.max_tokens,
            confine_edits: settings.confine_edits,
            max_steps: settings.max_turns,
            window: fitted.window,
            context: restored.context,
            meter: fitted.meter,
            summed: 0,
            turn_number: restored.turns,
            notes,
            named: restored.named,
            call_ids: restored.call_ids,
            log,
            journal: Arc::new(journal),
            index: fitted.index,
            refreshing: None,
            filler,
            prompts: 0,
            redactor: fitted.redactor,
            told_of_secrets: false,
            hashes: places.cache.join("hashes"),
            hashing: None,
            noted_model: None,
            audit_required: settings.managed.audit_required,
            permissions: Permissions::new(rules, lasting.place.clone())
                .under(settings.managed.clone())
                .saving_to(saved)
                .held_by(sandboxing.clone()),
            sandboxing,
            control,
            todos: Arc::new(Mutex::new(restored.todos)),
            background,
            told: super::lists::Told::default(),
            // What an older session read may have come from anywhere.
            older: denied.is_empty().then(|| older.clone() as Arc<dyn OlderSessions>),
            all_older: older,
            denied,
            tasks: Arc::new(tasks),
            last_outcomes: restored.last_outcomes,
            embed: crate::meaning::light(&settings.embeddings),
            choice: switch::Choice::new(chosen, provider, models, &records),
            title: log::title(&records).map(ToOwned::to_owned),
            id,
            lasting: Arc::new(lasting),
        };
        Ok((session, resumed, notices))
    }

    /// Whoever gives the index its meanings, beside the work.
    pub(super) fn filler(
        index: &loci_index::Index,
        settings: &Settings,
        control: &Arc<Control>,
    ) -> Option<Filler> {
        let warner = control.clone();
        Filler::start(index.clone(), settings.embeddings.clone(), move |warning| {
            warner.notice(Level::Warning, warning, None);
        })
    }
}

/// What is to be said of a log that was taken up: a damaged end, and calls whose outcome is not known.
fn told_of_damage(loaded: &log::Loaded) -> Vec<Remark> {
    let mut notices = Vec::new();
    if let Some(damage) = &loaded.damage {
        let kept = damage.kept_at.as_deref().unwrap_or(Path::new("?"));
        notices.push((
            Level::Warning,
            format!(
                "the end of the session's log was damaged ({}); {} bytes were set aside in {}",
                damage.why,
                damage.bytes,
                kept.display()
            ),
            None,
        ));
    }
    let unknown = resume::cut_off(&loaded.records);
    let unknown: Vec<String> = unknown.into_iter().map(|(tool, input)| format!("{tool} {input}")).collect();
    if !unknown.is_empty() {
        notices.push((
            Level::Warning,
            format!("cut off earlier, result unknown, not run again: {}", unknown.join(", ")),
            Some("look at what they left before going on".into()),
        ));
    }
    notices
}

/// How the index of a project is opened, by sessions and by whoever searches without one.
#[must_use]
pub fn index_options(root: &Path, places: &Places, settings: &Settings) -> loci_index::Options {
    loci_index::Options {
        // The worktrees of a repository share one store: most of their files are the same.
        cache_dir: places.index(&loci_index::shared_folder(root)),
        max_file_bytes: settings.max_file_bytes,
        deny: readable::index_denies(&settings.rules.deny, root, &places.home),
    }
}
