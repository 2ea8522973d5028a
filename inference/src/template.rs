//! Owns chat templates, rendered as Hugging Face renders them.
//! Uses minijinja with fuel, depth and output limits.
//! Never reads the clock, and never lets text of others become markup.

mod growth;
mod python;
mod untrusted;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use jiff::civil::Date;
use minijinja::value::{Kwargs, Serde, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Value};
use regex::Regex;
use serde_json::{Map, json};

use self::untrusted::Guard;
pub use self::untrusted::SpecialNames;

/// Larger templates are refused; the largest in use today is about 25 KiB.
pub const MAX_SOURCE_BYTES: usize = 256 << 10;
/// A rendered prompt is never longer; a context of a million tokens is about 4 MiB of text.
pub const MAX_OUTPUT_BYTES: usize = 16 << 20;
/// Instructions of the template engine: a conversation of 1,000 messages takes about a tenth.
const FUEL: u64 = 5_000_000;
/// Nested macro calls.
const MAX_RECURSION: usize = 64;
/// The day that templates see when the caller names none.
pub const FALLBACK_DATE: Date = jiff::civil::date(2024, 7, 26);

/// Why a template could not be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TemplateError {
    /// Use another template: this one is no template.
    #[error("the chat template cannot be read: {message}")]
    Unusable {
        /// What is wrong, with the line.
        message: String,
    },
    /// The template itself refuses the conversation.
    #[error("the chat template refuses the conversation: {message}")]
    Refused {
        /// Its words.
        message: String,
    },
    /// The template failed on this conversation.
    #[error("the chat template failed: {message}")]
    Failed {
        /// What happened.
        message: String,
    },
}

/// Names and settings a template is rendered with.
#[derive(Debug, Clone)]
pub struct TemplateOptions {
    /// The text of the token a sequence begins with; empty when there is none.
    pub bos: String,
    /// The text of the token a sequence ends with; empty when there is none.
    pub eos: String,
    /// What `strftime_now` says. Fixed, so that the prompt is the same every time.
    pub date: Date,
    /// Names that must not be read as markup in text of others.
    pub names: SpecialNames,
}

impl Default for TemplateOptions {
    fn default() -> Self {
        Self { bos: String::new(), eos: String::new(), date: FALLBACK_DATE, names: SpecialNames::default() }
    }
}

/// One conversation, in the shape that templates expect.
#[derive(Debug, Clone, Default)]
pub struct TemplateInput {
    /// Objects with `role` and `content`, `tool_calls`, `tool_call_id`.
    pub messages: Vec<serde_json::Value>,
    /// Objects with `type: function` and `function`; no tools are mentioned when empty.
    pub tools: Vec<serde_json::Value>,
    /// End with the beginning of the model's own message.
    pub add_generation_prompt: bool,
    /// More variables, such as `enable_thinking`.
    pub variables: BTreeMap<String, serde_json::Value>,
}

/// A rendered conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: String,
    /// Where names of special tokens came from text of others: sorted, not overlapping, in bytes.
    pub untrusted: Vec<Range<usize>>,
}

/// What a template can express, found by trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateAbilities {
    /// A system message.
    pub system: bool,
    /// A list of tools.
    pub tools: bool,
    /// A call in an assistant's message and its result.
    pub calls: bool,
    /// Several calls in one message.
    pub parallel_calls: bool,
}

/// A chat template, parsed.
#[derive(Debug)]
pub struct ChatTemplate {
    source: String,
    environment: Environment<'static>,
    options: TemplateOptions,
    abilities: TemplateAbilities,
}

impl ChatTemplate {
    /// Parse a template and find out what it can express.
    pub fn parse(source: &str, options: TemplateOptions) -> Result<Self, TemplateError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(TemplateError::Unusable {
                message: format!("it has {} bytes; the limit is {MAX_SOURCE_BYTES}", source.len()),
            });
        }
        let environment = environment(source, options.date)?;
        let abilities = TemplateAbilities { system: true, tools: false, calls: false, parallel_calls: false };
        let mut this = Self { source: source.to_owned(), environment, options, abilities };
        this.abilities = this.probe();
        Ok(this)
    }

    /// The Jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What the template can express.
    pub fn abilities(&self) -> TemplateAbilities {
        self.abilities
    }

    /// Render a conversation.
    pub fn render(&self, input: &TemplateInput) -> Result<Rendered, TemplateError> {
        let mut texts = Vec::new();
        for value in input.messages.iter().chain(&input.tools).chain(input.variables.values()) {
            untrusted::texts(value, &mut texts);
        }
        let guard = Guard::new(&self.options.names, texts.into_iter().chain([self.source.as_str()]))
            .ok_or_else(|| TemplateError::Failed {
                message: "the text uses every noncharacter".to_owned(),
            })?;
        let mark = |values: &[serde_json::Value]| -> Vec<serde_json::Value> {
            values.iter().map(|value| guard.mark_json(value)).collect()
        };
        let mut variables: Map<String, serde_json::Value> =
            input.variables.iter().map(|(name, value)| (name.clone(), guard.mark_json(value))).collect();
        variables.insert("messages".to_owned(), mark(&input.messages).into());
        let tools = if input.tools.is_empty() { json!(null) } else { mark(&input.tools).into() };
        variables.insert("tools".to_owned(), tools);
        variables.insert("documents".to_owned(), json!(null));
        variables.insert("add_generation_prompt".to_owned(), input.add_generation_prompt.into());
        variables.insert("bos_token".to_owned(), self.options.bos.as_str().into());
        variables.insert("eos_token".to_owned(), self.options.eos.as_str().into());

        let mut output = Capped::default();
        let template = self.environment.get_template(TEMPLATE_NAME).map_err(|error| unusable(&error))?;
        growth::begin();
        let rendered = template.render_captured_to(Value::from(Serde(variables)), &mut output);
        if output.full {
            return Err(TemplateError::Failed {
                message: format!("its output is longer than {MAX_OUTPUT_BYTES} bytes"),
            });
        }
        rendered.map_err(|error| failed(&error))?;
        let rendered = String::from_utf8(output.bytes)
            .map_err(|_| TemplateError::Failed { message: "its output is not UTF-8".to_owned() })?;
        let (text, untrusted) = guard.unmark(&rendered);
        Ok(Rendered { text, untrusted })
    }

    fn probe(&self) -> TemplateAbilities {
        let user = json!({"role": "user", "content": "loci_user"});
        let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": {"a": "loci_argument"}}});
        let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "name": "loci_probe", "content": "loci_result"});
        let says = |messages: Vec<serde_json::Value>, tools: Vec<serde_json::Value>, words: &[&str]| {
            let input = TemplateInput { messages, tools, add_generation_prompt: true, ..Default::default() };
            self.render(&input).is_ok_and(|out| words.iter().all(|word| out.text.contains(word)))
        };
        let tool = json!({"type": "function", "function": {"name": "loci_probe", "description": "d",
            "parameters": {"type": "object", "properties": {"a": {"type": "string", "description": "d"}}}}});
        let system = json!({"role": "system", "content": "loci_system"});
        let assistant =
            |calls: Vec<serde_json::Value>| json!({"role": "assistant", "content": "", "tool_calls": calls});
        let words = ["loci_user", "loci_probe", "loci_argument", "loci_result"];
        TemplateAbilities {
            system: says(vec![system, user.clone()], vec![], &["loci_system", "loci_user"]),
            tools: says(vec![user.clone()], vec![tool.clone()], &["loci_user", "loci_probe"]),
            calls: says(
                vec![user.clone(), assistant(vec![call("call00001", "loci_probe")]), result("call00001")],
                vec![tool.clone()],
                &words,
            ),
            parallel_calls: says(
                vec![
                    user,
                    assistant(vec![call("call00001", "loci_probe"), call("call00002", "loci_second")]),
                    result("call00001"),
                    result("call00002"),
                ],
                vec![tool],
                &[words.as_slice(), &["loci_second"]].concat(),
            ),
        }
    }
}

const TEMPLATE_NAME: &str = "chat";

/// `{% generation %}` marks what a model wrote, for training. It becomes a block that always runs,
/// so that the white space around it is treated the same.
fn without_generation(source: &str) -> String {
    static OPEN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{%([-+]?)\s*generation\s*([-+]?)%\}").ok());
    static CLOSE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{%([-+]?)\s*endgeneration\s*([-+]?)%\}").ok());
    match (&*OPEN, &*CLOSE) {
        (Some(open), Some(close)) => {
            let opened = open.replace_all(source, "{%$1 if true $2%}");
            close.replace_all(&opened, "{%$1 endif $2%}").into_owned()
        }
        _ => source.to_owned(),
    }
}

fn environment(source: &str, date: Date) -> Result<Environment<'static>, TemplateError> {
    let mut environment = Environment::new();
    let syntax = environment
        .syntax()
        .to_builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(|error| unusable(&error))?;
    environment.set_syntax(syntax);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    growth::install(&mut environment);
    environment.set_formatter(|out, _state, value| {
        // What a block captures is written here too.
        growth::spend(value.as_str().map_or(0, str::len))?;
        python::write_str(out, value)
    });
    environment.add_filter("tojson", python::to_json);
    // In Python a string is iterable, and templates ask so to tell text from nothing.
    environment.add_test("iterable", |value: &Value| match value.kind() {
        ValueKind::String => true,
        ValueKind::None | ValueKind::Undefined => false,
        _ => value.try_iter().is_ok(),
    });
    environment.add_filter("string", |value: &Value| -> Result<String, Error> {
        let mut text = String::new();
        python::write_str(&mut text, value)?;
        Ok(text)
    });
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message).with_source(Raised))
    });
    environment.add_function("strftime_now", move |format: String| -> Result<String, Error> {
        jiff::fmt::strtime::format(&format, date.at(0, 0, 0, 0))
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    environment.add_function("dict", |entries: Kwargs| -> Value { Value::from(entries) });
    environment
        .add_template_owned(TEMPLATE_NAME, growth::guarded(&without_generation(source)))
        .map_err(|error| unusable(&error))?;
    Ok(environment)
}

/// Marks an error that the template raised itself.
#[derive(Debug, thiserror::Error)]
#[error("raised by the template")]
struct Raised;

fn unusable(error: &Error) -> TemplateError {
    TemplateError::Unusable { message: error.to_string() }
}

fn failed(error: &Error) -> TemplateError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut message = error.to_string();
    while let Some(current) = cause {
        if let Some(inner) = current.downcast_ref::<Error>() {
            message = inner.detail().map_or_else(|| inner.to_string(), str::to_owned);
        }
        if current.is::<Raised>() {
            return TemplateError::Refused { message };
        }
        cause = current.source();
    }
    TemplateError::Failed { message: error.to_string() }
}

/// Takes bytes up to [`MAX_OUTPUT_BYTES`].
#[derive(Default)]
struct Capped {
    bytes: Vec<u8>,
    full: bool,
}

impl std::io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > MAX_OUTPUT_BYTES {
            self.full = true;
            return Err(std::io::Error::other("the output is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
