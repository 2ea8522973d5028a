//! Owns reading a reply as it arrives: reasoning, text, and where calls begin.
//! Uses a call reader of the dialect for what stands in the calls.
//! Never reports text before it is sure that it is text, whatever the cuts between pieces.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::rules::{END_THINK, THINK};
use super::{ReplyEvent, ReplyParser, ReplyStart, SyntaxError};
use crate::grammar::Schema;
use crate::provider::{Request, ToolChoice, ToolSpec};

/// A call that grows beyond this is refused.
const MAX_CALL_BYTES: usize = 8 << 20;

/// What a call reader says after it took what it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// It needs more of the reply.
    More,
    /// The calls are over; text follows.
    Text,
}

/// Reads what stands behind the opening of calls.
pub(super) trait CallReader: Send {
    /// Take whole things from the front of `buffer`.
    fn read(&mut self, buffer: &mut String, events: &mut Vec<ReplyEvent>) -> Result<Flow, SyntaxError>;

    /// Whether the reply may end here.
    fn may_end(&self, buffer: &str) -> bool;
}

/// How calls are told from text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Openings {
    /// Markers that begin calls; they are taken away.
    pub(super) markers: &'static [&'static str],
    /// A brace as the first thing of the answer begins calls; it is left in place.
    pub(super) brace: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before anything but white space; reasoning may begin.
    Lead,
    Reasoning,
    /// Before anything but white space; no reasoning any more.
    AfterReasoning,
    Text,
    Calls,
}

/// A parser for replies of one dialect.
pub(super) struct Reader<C> {
    state: State,
    buffer: String,
    openings: Openings,
    calls: C,
}

impl<C: CallReader> Reader<C> {
    pub(super) fn new(request: &Request, start: ReplyStart, openings: Openings, calls: C) -> Self {
        let callable = !request.tools.is_empty() && request.tool_choice != ToolChoice::None;
        let state = match start {
            ReplyStart::Answer => State::Lead,
            ReplyStart::Reasoning => State::Reasoning,
        };
        let none = Openings { markers: &[], brace: false };
        Self { state, buffer: String::new(), openings: if callable { openings } else { none }, calls }
    }

    fn advance(&mut self, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        loop {
            match self.state {
                State::Lead | State::AfterReasoning => {
                    let blank = self.buffer.len() - self.buffer.trim_start().len();
                    self.buffer.drain(..blank);
                    if self.buffer.is_empty() {
                        return Ok(());
                    }
                    if self.state == State::Lead {
                        if self.buffer.starts_with(THINK) {
                            self.buffer.drain(..THINK.len());
                            self.state = State::Reasoning;
                            continue;
                        }
                        if THINK.starts_with(self.buffer.as_str()) {
                            return Ok(());
                        }
                    }
                    self.state = if self.openings.brace && self.buffer.starts_with('{') {
                        State::Calls
                    } else {
                        State::Text
                    };
                }
                State::Reasoning => match self.until(&[END_THINK], ReplyEvent::Reasoning, events) {
                    true => self.state = State::AfterReasoning,
                    false => return Ok(()),
                },
                State::Text => match self.until(self.openings.markers, ReplyEvent::Text, events) {
                    true => self.state = State::Calls,
                    false => return Ok(()),
                },
                State::Calls => match self.calls.read(&mut self.buffer, events)? {
                    Flow::Text => self.state = State::AfterReasoning,
                    Flow::More if self.buffer.len() > MAX_CALL_BYTES => {
                        return Err(SyntaxError::Reply { message: "a call does not end".to_owned() });
                    }
                    Flow::More => return Ok(()),
                },
            }
        }
    }

    /// Report what stands before the first of `markers`; take the marker away when it is there.
    fn until(
        &mut self,
        markers: &[&'static str],
        event: impl Fn(String) -> ReplyEvent,
        events: &mut Vec<ReplyEvent>,
    ) -> bool {
        let (text, found) = take_text(&mut self.buffer, markers);
        events.extend(text.map(event));
        found.is_some()
    }
}

/// Take what is surely text from the front of `buffer`, and the first of `markers` behind it where it is there.
pub(super) fn take_text(
    buffer: &mut String,
    markers: &[&'static str],
) -> (Option<String>, Option<&'static str>) {
    let found = markers.iter().filter_map(|marker| Some((buffer.find(marker)?, *marker)));
    let found = found.min_by_key(|&(at, marker)| (at, marker.len()));
    let sure = match found {
        Some((at, _)) => at,
        None => buffer.len() - unfinished(buffer, markers),
    };
    // White space is reported when something follows it: at the end it means nothing.
    let end = buffer[..sure].trim_end().len();
    let text = (end > 0).then(|| buffer[..end].to_owned());
    match found {
        Some((at, marker)) => buffer.drain(..at + marker.len()),
        None => buffer.drain(..end),
    };
    (text, found.map(|(_, marker)| marker))
}

/// Length of the longest end of `text` that is the beginning of a marker.
fn unfinished(text: &str, markers: &[&str]) -> usize {
    let longest = markers.iter().map(|marker| marker.len()).max().unwrap_or(0);
    let from = text.len().saturating_sub(longest.saturating_sub(1));
    (from..text.len())
        .filter(|&at| text.is_char_boundary(at))
        .find(|&at| markers.iter().any(|marker| marker.starts_with(&text[at..])))
        .map_or(0, |at| text.len() - at)
}

impl<C: CallReader> ReplyParser for Reader<C> {
    fn push(&mut self, text: &str, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        self.buffer.push_str(text);
        self.advance(events)
    }

    fn finish(&mut self, complete: bool, events: &mut Vec<ReplyEvent>) -> Result<(), SyntaxError> {
        let rest = std::mem::take(&mut self.buffer);
        let text = rest.trim_end();
        match self.state {
            State::Lead | State::AfterReasoning | State::Text if !text.is_empty() => {
                events.push(ReplyEvent::Text(text.to_owned()));
            }
            State::Reasoning if !text.is_empty() => events.push(ReplyEvent::Reasoning(text.to_owned())),
            State::Calls if complete && !self.calls.may_end(&rest) => {
                return Err(SyntaxError::Reply { message: "the reply ends inside a call".to_owned() });
            }
            _ => {}
        }
        Ok(())
    }
}

/// Finds the end of a JSON object that arrives in pieces, each byte looked at once.
#[derive(Debug, Clone, Default)]
pub(super) struct ObjectScanner {
    seen: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ObjectScanner {
    /// Take a whole object from the front of `buffer`, white space before it included.
    pub(super) fn take(&mut self, buffer: &mut String) -> Result<Option<String>, SyntaxError> {
        for (at, byte) in buffer.bytes().enumerate().skip(self.seen) {
            self.seen = at + 1;
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => self.depth -= 1,
                b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => continue,
                _ if self.depth == 0 => {
                    return Err(SyntaxError::Reply { message: "a call is not a JSON object".to_owned() });
                }
                b'"' => self.in_string = true,
                _ => {}
            }
            if self.depth == 0 {
                let object = buffer.drain(..=at).collect();
                *self = Self::default();
                return Ok(Some(object));
            }
        }
        Ok(None)
    }
}

/// The tools that may be called.
#[derive(Debug, Clone)]
pub(super) struct Allowed(Arc<[ToolSpec]>);

impl Allowed {
    pub(super) fn of(request: &Request) -> Self {
        Self(request.tools.iter().cloned().collect())
    }

    fn tool(&self, name: &str) -> Result<&ToolSpec, SyntaxError> {
        let unknown = || SyntaxError::Reply { message: format!("`{name}` is no tool of this request") };
        self.0.iter().find(|tool| tool.name == name).ok_or_else(unknown)
    }

    /// Whether this can be all of an argument: JSON may contain the mark that ends it, in a string.
    pub(super) fn is_whole(&self, name: &str, key: &str, text: &str) -> bool {
        let tool = self.0.iter().find(|tool| tool.name == name);
        let schema = tool.and_then(|tool| {
            let schema = tool.parameters.get("properties")?.get(key)?;
            Some(Schema::new(schema, &tool.parameters).resolved())
        });
        schema.is_none_or(|schema| {
            schema.admits_text() || matches!(schema.choices(), Ok(Some(_))) || json(text).is_some()
        })
    }

    /// Whether a tool has this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|tool| tool.name == name)
    }

    /// Whether a tool's name may begin with this.
    pub(super) fn begins_a_name(&self, text: &str) -> bool {
        self.0.iter().any(|tool| tool.name.starts_with(text) || tool.name == text.trim_end_matches(' '))
    }

    /// An event for a call whose arguments were written without quotes: each is read as its schema says.
    pub(super) fn call_texts(
        &self,
        name: &str,
        texts: Vec<(String, String)>,
    ) -> Result<ReplyEvent, SyntaxError> {
        let tool = self.tool(name)?;
        let mut arguments = Map::new();
        for (key, text) in texts {
            let value = tool.parameters.get("properties").and_then(|properties| properties.get(&key));
            let value = value.and_then(|schema| typed(Schema::new(schema, &tool.parameters), &text));
            let value = value.ok_or_else(|| SyntaxError::Reply {
                message: format!("`{key}` of `{name}` is not what it must be"),
            })?;
            if arguments.insert(key.clone(), value).is_some() {
                return Err(SyntaxError::Reply { message: format!("`{key}` of `{name}` is there twice") });
            }
        }
        self.call(name, arguments)
    }

    /// An event for a call by this name.
    pub(super) fn call(&self, name: &str, arguments: Map<String, Value>) -> Result<ReplyEvent, SyntaxError> {
        self.tool(name)?;
        Ok(ReplyEvent::Call { name: name.to_owned(), arguments })
    }

    /// An event for `{"name": …, "arguments": …}`; `parameters` is another word for `arguments`.
    pub(super) fn call_object(&self, json: &str) -> Result<ReplyEvent, SyntaxError> {
        let broken = |message: String| SyntaxError::Reply { message };
        let mut object: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| broken(format!("a call is not JSON: {error}")))?;
        let name = match object.remove("name") {
            Some(Value::String(name)) => name,
            _ => return Err(broken("a call has no name".to_owned())),
        };
        let arguments = object.remove("arguments").or_else(|| object.remove("parameters"));
        self.call(&name, self::arguments(arguments)?)
    }
}

/// Arguments from the JSON of an object.
pub(super) fn arguments_of(object: &str) -> Result<Map<String, Value>, SyntaxError> {
    serde_json::from_str(object)
        .map_err(|error| SyntaxError::Reply { message: format!("arguments are not JSON: {error}") })
}

/// Arguments as an object; some models write the object as a string.
pub(super) fn arguments(value: Option<Value>) -> Result<Map<String, Value>, SyntaxError> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(arguments)) => Ok(arguments),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(Map::new()),
        Some(Value::String(text)) => arguments_of(&text),
        Some(_) => Err(SyntaxError::Reply { message: "arguments are not an object".to_owned() }),
    }
}

/// Text as JSON, or as Python writes it, which some templates are filled in with.
fn json(text: &str) -> Option<Value> {
    match text.trim() {
        "True" => Some(Value::Bool(true)),
        "False" => Some(Value::Bool(false)),
        "None" => Some(Value::Null),
        text => serde_json::from_str(text).ok(),
    }
}

/// A value that was written without quotes, where it fits its schema.
fn typed(schema: Schema<'_>, text: &str) -> Option<Value> {
    let schema = schema.resolved();
    let as_json = || json(text);
    let as_text = || Value::from(text);
    let value = match schema.choices() {
        Ok(Some(choices)) if !choices.contains(&&as_text()) => as_json()?,
        Ok(Some(_)) => as_text(),
        _ if schema.admits_text() => as_text(),
        _ => as_json()?,
    };
    schema.fits(&value).then_some(value)
}

/// Takes everything up to a word, each byte looked at about once however it arrives.
#[derive(Debug, Clone, Default)]
pub(super) struct TextScanner {
    seen: usize,
}

impl TextScanner {
    /// Take the text before `end`, and `end` with it. `None` when more is needed.
    pub(super) fn take(&mut self, buffer: &mut String, end: &str) -> Option<String> {
        self.take_where(buffer, end, |_| true)
    }

    /// As [`TextScanner::take`], but only an end before which the text is `whole` counts.
    pub(super) fn take_where(
        &mut self,
        buffer: &mut String,
        end: &str,
        whole: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let mut from = self.seen.min(buffer.len());
        while !buffer.is_char_boundary(from) {
            from -= 1;
        }
        while let Some(found) = buffer[from..].find(end) {
            let at = from + found;
            if whole(&buffer[..at]) {
                let mut text: String = buffer.drain(..at + end.len()).collect();
                text.truncate(at);
                self.seen = 0;
                return Some(text);
            }
            // An end begins with one byte: the next one may begin behind it.
            from = at + 1;
        }
        self.seen = from.max(buffer.len().saturating_sub(end.len()));
        None
    }
}

/// Take the first of `words` that stands at the front of `buffer`, white space before it included. `Err` when none
/// does, `Ok(None)` when more is needed to tell.
pub(super) fn take_any(buffer: &mut String, words: &[&str]) -> Result<Option<usize>, SyntaxError> {
    let mut open = false;
    for (at, word) in words.iter().enumerate() {
        match take_word(buffer, word) {
            Some(true) => return Ok(Some(at)),
            None => open = true,
            Some(false) => {}
        }
    }
    if open {
        return Ok(None);
    }
    Err(SyntaxError::Reply { message: format!("a call lacks {}", words.join(" or ")) })
}

/// Take `word` from the front of `buffer`, white space before it included. `None` when more is needed to tell.
pub(super) fn take_word(buffer: &mut String, word: &str) -> Option<bool> {
    let trimmed = buffer.trim_start();
    let blank = buffer.len() - trimmed.len();
    if trimmed.starts_with(word) {
        buffer.drain(..blank + word.len());
        return Some(true);
    }
    if word.starts_with(trimmed) { None } else { Some(false) }
}
