//! Owns what tests of the screen share: an app that is fed, and its screen as text.
//! Uses ratatui's test backend.
//! Never sleeps: the time is what a test says it is.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use loci_protocol::{
    Event, ModelBadge, PermissionMode, SandboxBadge, ToolReport, TurnReport, TurnStatus, Usage,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::app::App;
use crate::host::{Effect, Reply};
use crate::input::Input;
use crate::options::Options;

/// The sizes that every view is looked at in.
pub(crate) const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (40, 24)];

/// An app with a clock of its own.
pub(crate) struct Stage {
    pub(crate) app: App,
    pub(crate) now: Instant,
    /// What was to be done, since it was looked at last.
    pub(crate) effects: Vec<Effect>,
}

impl Stage {
    pub(crate) fn new(options: Options) -> Self {
        Self { app: App::new(options), now: Instant::now(), effects: Vec::new() }
    }

    /// With a session that is open.
    pub(crate) fn open() -> Self {
        let mut stage = Self::new(Options::default());
        stage.event(Self::open_event());
        stage
    }

    /// A session is open.
    pub(crate) fn open_event() -> Event {
        Event::SessionStarted {
            session_id: "01980000-0000-7000-8000-000000000001".into(),
            cwd: "/home/ada/price".into(),
            model: ModelBadge {
                name: "qwen3:8b".into(),
                provider: "local".into(),
                local: true,
                endpoint: None,
                context_length: 32_768,
                images: false,
            },
            mode: PermissionMode::Default,
            resumed: false,
            sandbox: SandboxBadge { level: "full".into(), why: String::new() },
            offline: false,
        }
    }

    pub(crate) fn take(&mut self, input: Input) -> &mut Self {
        let effects = self.app.take(&input, self.now);
        self.effects.extend(effects);
        self
    }

    pub(crate) fn event(&mut self, event: Event) -> &mut Self {
        self.take(Input::Event(Box::new(event)))
    }

    pub(crate) fn reply(&mut self, reply: Reply) -> &mut Self {
        self.take(Input::Reply(Box::new(reply)))
    }

    pub(crate) fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> &mut Self {
        self.take(Input::Key(KeyEvent::new(code, modifiers)))
    }

    /// Each character as a key.
    pub(crate) fn keys(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            let code = if character == '\n' { KeyCode::Enter } else { KeyCode::Char(character) };
            self.key(code, KeyModifiers::NONE);
        }
        self
    }

    pub(crate) fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self.take(Input::Tick)
    }

    /// What was to be done since this was asked last.
    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The screen as text, rows without their blanks at the end.
    pub(crate) fn screen(&mut self, columns: u16, rows: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).expect("in memory");
        terminal.draw(|frame| self.app.draw(frame, self.now)).expect("in memory");
        let buffer = terminal.backend().buffer();
        let row = |y: u16| {
            let mut text = String::new();
            let mut skip = 0;
            for x in 0..columns {
                if skip > 0 {
                    skip -= 1;
                    continue;
                }
                let symbol = buffer[(x, y)].symbol();
                skip = crate::text::columns(symbol).saturating_sub(1);
                text.push_str(symbol);
            }
            text.trim_end().to_owned()
        };
        (0..rows).map(row).collect::<Vec<_>>().join("\n")
    }

    /// The screen in every size of [`SIZES`].
    pub(crate) fn screens(&mut self) -> String {
        SIZES
            .iter()
            .map(|(columns, rows)| format!("== {columns} x {rows}\n{}\n", self.screen(*columns, *rows)))
            .collect()
    }
}

/// A turn that is over.
pub(crate) fn finished(turn: u32, answer: &str) -> Event {
    Event::TurnFinished(TurnReport {
        turn,
        status: TurnStatus::Completed,
        answer: answer.into(),
        citations: Vec::new(),
        changed: Vec::new(),
        tool_calls: 0,
        usage: Usage { prompt_tokens: 1_200, cached_tokens: 1_000, completion_tokens: 40 },
        models: Vec::new(),
        duration_ms: 1_500,
        failure: None,
    })
}

/// A call that ended well.
pub(crate) fn called(call_id: &str, tool: &str, summary: &str, output: &str) -> Event {
    Event::ToolFinished(ToolReport {
        call_id: call_id.into(),
        tool: tool.into(),
        ok: true,
        summary: summary.into(),
        output: output.into(),
        diff: None,
        locations: Vec::new(),
        changed: Vec::new(),
        duration_ms: 12,
    })
}

#[test]
fn a_conversation_fits_every_size() {
    let mut stage = Stage::open();
    stage.reply(Reply::Branch(Some("main".into()))).pass(Duration::from_secs(1));
    stage.keys("hello\n").event(Event::TurnStarted { turn: 1, prompt: "hello".into() });
    let asked = Effect::Op(loci_protocol::Op::Prompt { text: "hello".into() });
    assert!(stage.effects().contains(&asked));
    stage.event(Event::TextDelta { text: "Good day.".into() });
    stage.event(called("c1", "read", "40 lines", "fn main() {}")).event(finished(1, "Good day."));
    assert_eq!(stage.screens().matches("Good day.").count(), SIZES.len());
    for (columns, rows) in [(1, 1), (2, 3), (5, 2)] {
        assert!(stage.screen(columns, rows).lines().count() <= usize::from(rows));
    }
}
