//! Owns the meanings of words in code: which are the language's, which are texts, remarks, numbers.
//! Uses syntect's grammars on a thread of its own: they are loaded when the first code comes, and never in a frame.
//! Never changes a text, and never takes long: what is too long, too much or too slow stays plain.

mod scopes;

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use syntect::parsing::{ParseState, ScopeStack, SyntaxSet};

use crate::style::{Line, Style};

/// Bytes of a line beyond which it stays plain: what is longer is data or minified, and expressions that look ahead are
/// slow on it.
const LINE_BYTES: usize = 2_000;

/// Lines of a block that get colours: a hundred screens of them.
const LINES: usize = 5_000;

/// What the grammar may take for one block. An unoptimised build does 5,000 lines of Rust in a tenth of it.
const TIME: Duration = Duration::from_secs(5);

/// How often [`Colours::wait`] looks whether there is still somebody to wait for.
const LOOK: Duration = Duration::from_millis(50);

/// Lines that may wait; a block that comes on top of them stays plain. They are worth some seconds of work.
const WAITING: usize = 50_000;

/// Blocks that are complete whose colours are kept, so that what is scrolled back to has them at once; the newest ones.
/// As many as the transcript keeps laid out.
const KEPT: usize = 256;

/// And no more than so many lines of them: a line takes about 64 bytes, all of them 2 MB.
const KEPT_LINES: usize = 32_000;

/// Languages whose expressions are in memory at once: from 3 MB for Go over 8 MB for Python to 13 MB
/// for JavaScript.
const LANGUAGES: usize = 2;

/// Without work for so long, the grammars are let go; to load them takes 20 ms.
const IDLE: Duration = Duration::from_secs(5);

/// Lines that wait in all.
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// How often colours were found.
static FOUND: AtomicUsize = AtomicUsize::new(0);

/// The worker is no more, and whatever waits will wait for ever.
static GONE: AtomicBool = AtomicBool::new(false);

static BLOCKS: Mutex<VecDeque<(u64, Arc<Block>)>> = Mutex::new(VecDeque::new());

/// The colours of one block of code, as far as they are known.
#[derive(Clone)]
pub struct Colours {
    block: Option<Arc<Block>>,
}

impl std::fmt::Debug for Colours {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Colours").field("known", &self.known()).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Block {
    label: String,
    sent: AtomicUsize,
    known: AtomicUsize,
    lines: Mutex<Vec<Vec<(u16, Style)>>>,
    grown: Condvar,
    /// The worker's alone.
    work: Mutex<Work>,
}

#[derive(Default)]
struct Work {
    state: Option<(ParseState, ScopeStack)>,
    begun: bool,
    spent: Duration,
}

impl Colours {
    /// Of a block in this language: the label of a fence, a name, or the extension of a file. The time to load the grammars
    /// is not this call's.
    #[must_use]
    pub fn of(label: &str) -> Self {
        let label = language(label);
        let block = (!label.is_empty() && QUEUED.load(Ordering::Relaxed) < WAITING)
            .then(|| Arc::new(Block { label, ..Block::default() }));
        Self { block }
    }

    /// Of a block that is complete: those that are kept, or new ones.
    #[must_use]
    pub fn of_block(label: &str, lines: &[String]) -> Self {
        let key = key(label, lines);
        if let Some((_, block)) = locked(&BLOCKS).iter().find(|(kept, _)| *kept == key) {
            return Self { block: Some(Arc::clone(block)) };
        }
        let colours = Self::of(label);
        colours.push(lines.to_vec());
        colours.keep(label, lines);
        colours
    }

    /// The block is complete: these are its lines. Its colours are kept for [`Self::of_block`].
    pub fn keep(&self, label: &str, lines: &[String]) {
        let Some(block) = &self.block else { return };
        let mut blocks = locked(&BLOCKS);
        blocks.push_back((key(label, lines), Arc::clone(block)));
        let lines = |blocks: &VecDeque<(u64, Arc<Block>)>| -> usize {
            blocks.iter().map(|(_, block)| block.sent.load(Ordering::Relaxed)).sum()
        };
        while blocks.len() > KEPT || (blocks.len() > 1 && lines(&blocks) > KEPT_LINES) {
            blocks.pop_front();
        }
    }

    /// More lines of the block, without line breaks, as they are shown.
    pub fn push(&self, lines: Vec<String>) {
        let Some(block) = &self.block else { return };
        let sent = block.sent.load(Ordering::Relaxed);
        let lines: Vec<String> = lines.into_iter().take(LINES.saturating_sub(sent)).collect();
        if lines.is_empty() {
            return;
        }
        block.sent.fetch_add(lines.len(), Ordering::Relaxed);
        QUEUED.fetch_add(lines.len(), Ordering::Relaxed);
        let count = lines.len();
        let delivered = worker().is_some_and(|worker| worker.send((Arc::clone(block), lines)).is_ok());
        if !delivered {
            // Nobody will do it, so that nobody is to wait for it.
            QUEUED.fetch_sub(count, Ordering::Relaxed);
            block.sent.fetch_sub(count, Ordering::Relaxed);
        }
    }

    /// How many lines, from the first, have their colours.
    #[must_use]
    pub fn known(&self) -> usize {
        self.block.as_ref().map_or(0, |block| block.known.load(Ordering::Acquire))
    }

    /// Whether no more colours will come for what was pushed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.block
            .as_ref()
            .is_none_or(|block| block.known.load(Ordering::Acquire) >= block.sent.load(Ordering::Relaxed))
    }

    /// That line of the block with its colours, plain while they are not known.
    #[must_use]
    pub fn paint(&self, index: usize, text: &str) -> Line {
        let plain = || Line::new(text, Style::Plain);
        let Some(block) = &self.block else { return plain() };
        let lines = locked(&block.lines);
        let Some(spans) = lines.get(index) else { return plain() };
        let mut line = Line::default();
        let mut rest = text;
        for (bytes, style) in spans {
            let Some((part, behind)) = rest.split_at_checked(usize::from(*bytes)) else { return plain() };
            line = line.with(part, *style);
            rest = behind;
        }
        if rest.is_empty() { line } else { line.with(rest, Style::Plain) }
    }

    /// Wait until all that was pushed has its colours: for what is shown once.
    pub fn wait(&self) {
        let Some(block) = &self.block else { return };
        let mut lines = locked(&block.lines);
        while !self.is_settled() && !GONE.load(Ordering::Relaxed) {
            lines = block.grown.wait_timeout(lines, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Whether colours are still being found: a frame may look other a moment later although nothing happened.
#[must_use]
pub fn is_busy() -> bool {
    QUEUED.load(Ordering::Relaxed) > 0 && !GONE.load(Ordering::Relaxed)
}

/// How often colours were found. As long as this is the same, so are all colours.
#[must_use]
pub fn found() -> usize {
    FOUND.load(Ordering::Acquire)
}

fn key(label: &str, lines: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (label, lines).hash(&mut hasher);
    hasher.finish()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The name of a language in the label of a fence: `rust,ignore`, `js {1,3}`, `python title="a.py"`.
fn language(label: &str) -> String {
    let word = label.trim().split([' ', '\t', ',', '{', ':', ';']).next().unwrap_or_default();
    let word = word.to_lowercase();
    match word.as_str() {
        "shell" | "console" | "shellsession" | "sh-session" => "bash".to_owned(),
        "jsonc" | "json5" | "jsonl" => "json".to_owned(),
        "golang" => "go".to_owned(),
        // The expressions of its own grammar take 44 MB, as much as all else of the screen; types stay plain in this one.
        "typescript" | "ts" | "tsx" | "mts" | "cts" => "js".to_owned(),
        "text" | "txt" | "plain" | "plaintext" | "output" => String::new(),
        _ => word,
    }
}

type Job = (Arc<Block>, Vec<String>);

fn worker() -> Option<&'static Sender<Job>> {
    static WORKER: OnceLock<Option<Sender<Job>>> = OnceLock::new();
    WORKER
        .get_or_init(|| {
            let (sender, jobs) = channel();
            let thread = std::thread::Builder::new().name("highlight".into());
            thread.spawn(move || work(&jobs)).ok().map(|_| sender)
        })
        .as_ref()
}

/// Says that the worker is no more, however it ended.
struct Farewell;

impl Drop for Farewell {
    fn drop(&mut self) {
        GONE.store(true, Ordering::Relaxed);
    }
}

fn work(jobs: &Receiver<Job>) {
    let _farewell = Farewell;
    let mut grammars = None;
    loop {
        let job = match jobs.recv_timeout(IDLE) {
            Err(RecvTimeoutError::Timeout) => {
                grammars = None;
                jobs.recv().ok()
            }
            job => job.ok(),
        };
        let Some((block, lines)) = job else { return };
        // Somebody looks at it still.
        if Arc::strong_count(&block) > 1 {
            colour(Grammars::with(&mut grammars, &block.label), &block, &lines);
        }
        FOUND.fetch_add(1, Ordering::Release);
        QUEUED.fetch_sub(lines.len(), Ordering::Relaxed);
    }
}

/// The grammars, and of which languages the expressions were made. What they make of a line does not depend on it.
struct Grammars {
    set: SyntaxSet,
    used: Vec<String>,
}

impl Grammars {
    /// With not too many languages made.
    fn with<'a>(grammars: &'a mut Option<Self>, label: &str) -> &'a SyntaxSet {
        let known = |grammars: &Self| grammars.used.iter().any(|used| used == label);
        if grammars.as_ref().is_some_and(|grammars| !known(grammars) && grammars.used.len() == LANGUAGES) {
            *grammars = None;
        }
        let grammars = grammars
            .get_or_insert_with(|| Self { set: two_face::syntax::extra_newlines(), used: Vec::new() });
        if !known(grammars) {
            grammars.used.push(label.to_owned());
        }
        &grammars.set
    }
}

fn colour(set: &SyntaxSet, block: &Block, lines: &[String]) {
    let mut work = locked(&block.work);
    if !work.begun {
        work.begun = true;
        let syntax = set.find_syntax_by_token(&block.label);
        work.state = syntax.map(|syntax| (ParseState::new(syntax), ScopeStack::new()));
    }
    for line in lines {
        let began = Instant::now();
        let spans = match &mut work.state {
            Some((state, stack)) if line.len() <= LINE_BYTES => scopes::spans(set, state, stack, line),
            // What is not said is plain.
            _ => Vec::new(),
        };
        work.spent += began.elapsed();
        if work.spent > TIME {
            work.state = None;
        }
        locked(&block.lines).push(spans);
        block.known.fetch_add(1, Ordering::Release);
        block.grown.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coloured(label: &str, text: &str) -> Vec<Line> {
        let colours = Colours::of(label);
        colours.push(text.lines().map(str::to_owned).collect());
        colours.wait();
        text.lines().enumerate().map(|(index, line)| colours.paint(index, line)).collect()
    }

    fn told(lines: &[Line]) -> String {
        let tell = |line: &Line| {
            let spans = line.spans.iter().filter(|span| span.style != Style::Plain);
            spans.map(|span| format!("{:?}:{}", span.style, span.text)).collect::<Vec<_>>().join(" ")
        };
        lines.iter().map(tell).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn words_get_their_meanings() {
        let check = |label: &str, text: &str, expect: &str| {
            assert_eq!(told(&coloured(label, text)), expect, "{text}")
        };
        check("rust", "let x = 1; // one", "Keyword:let Number:1 Comment:// one");
        check("rust,ignore", "fn main() { \"a\" }", "Keyword:fn Function:main Literal:\"a\"");
        check("py", "def f(x):\n    return 'a'", "Keyword:def Function:f\nKeyword:return Literal:'a'");
        check("TOML", "[a]\nb = true", "Type:a\nKeyword:b Number:true");
        check("ts", "const a: string = 'b'", "Keyword:const Literal:'b'");
        check("no-such-language", "let x = 1;", "");
        check("", "let x = 1;", "");
        check("text", "let x = 1;", "");
    }

    #[test]
    fn a_state_goes_on_over_lines() {
        assert_eq!(told(&coloured("rust", "/* a\nb */ let")), "Comment:/* a\nComment:b */ Keyword:let");
    }

    #[test]
    fn texts_stay_as_they_are_and_what_is_too_long_stays_plain() {
        let long = format!("let x = \"{}\";", "y".repeat(LINE_BYTES));
        let text = format!("let a = 1;\n{long}\nlet b = \"漢\u{301}\";");
        let lines = coloured("rust", &text);
        for (line, source) in lines.iter().zip(text.lines()) {
            assert_eq!(line.plain(), source);
        }
        assert_eq!(lines[1], Line::new(long, Style::Plain));
        assert_ne!(lines[2].spans.len(), 1);
        let many = coloured("rust", &"let a = 1;\n".repeat(LINES + 10));
        assert_eq!(many[LINES], Line::new("let a = 1;", Style::Plain));
    }

    #[test]
    fn colours_of_a_block_are_kept() {
        let lines = ["let kept = 1;".to_owned()];
        let first = Colours::of_block("rust", &lines);
        first.wait();
        let again = Colours::of_block("rust", &lines);
        assert_eq!((again.known(), again.paint(0, &lines[0])), (1, first.paint(0, &lines[0])));
        let other = Colours::of_block("no-such-language", &lines);
        other.wait();
        assert_eq!(other.paint(0, &lines[0]), Line::new("let kept = 1;", Style::Plain));
    }
}
