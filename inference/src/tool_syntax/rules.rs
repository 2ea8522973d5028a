//! Owns the frame of a reply's grammar: reasoning, then text or calls.
//! Uses the grammar room for what stands in the calls.
//! Never knows a dialect: it is told how calls begin and what follows.

use super::{DialectContext, ReplyStart, SyntaxError};
use crate::grammar::{Grammar, LarkBuilder, lark_literal, lark_pattern};
use crate::provider::{AnswerForm, Request, ToolChoice, ToolSpec};
use crate::tokenizer::{TokenKind, Tokenizer};

/// A turn calls at most this many tools.
pub(super) const MAX_CALLS: usize = 8;
pub(super) const THINK: &str = "<think>";
pub(super) const END_THINK: &str = "</think>";

/// How calls begin in a dialect.
pub(super) enum Opening<'a> {
    /// With this marker, after any text.
    Marker(&'a str),
    /// With a brace as the first thing in the reply, with this marker in front or without.
    Brace(&'a str),
}

/// Whether everything may be written.
pub(super) fn is_free(request: &Request) -> bool {
    request.tools.is_empty()
        && request.tool_choice != ToolChoice::Required
        && request.answer == AnswerForm::Text
}

/// A rule for one call of any tool, each as `write` says; `None` when there is no tool.
pub(super) fn any_call(
    lark: &mut LarkBuilder,
    request: &Request,
    mut write: impl FnMut(&mut LarkBuilder, &ToolSpec) -> Result<String, SyntaxError>,
) -> Result<Option<String>, SyntaxError> {
    let mut choices = Vec::with_capacity(request.tools.len());
    for tool in &request.tools {
        choices.push(write(lark, tool)?);
    }
    Ok((!choices.is_empty()).then(|| lark.rule(&choices.join(" | "))))
}

pub(super) fn nothing_to_call() -> SyntaxError {
    SyntaxError::Request { message: "a call is required and no tool can be called".to_owned() }
}

/// The name of a tool where it stands between marks, without quotes.
pub(super) fn bare_name(tool: &ToolSpec) -> Result<&str, SyntaxError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if tool.name.is_empty() || !tool.name.bytes().all(plain) {
        let message = format!("{}: only letters, digits, `_`, `-` and `.` can be written", tool.name);
        return Err(SyntaxError::Request { message });
    }
    Ok(&tool.name)
}

/// `name` in a rule: the control token, or its letters where the vocabulary has no such token.
pub(super) fn marker(tokenizer: &Tokenizer, name: &str) -> String {
    control(tokenizer, name).map_or_else(|| lark_literal(name), |id| format!("<[{id}]>"))
}

pub(super) fn control(tokenizer: &Tokenizer, name: &str) -> Option<u32> {
    tokenizer.special(name).filter(|&id| tokenizer.kind(id) == TokenKind::Control)
}

/// The grammar of a reply. `calls` is the rule for everything behind the opening, `None` when no
/// tool can be called.
pub(super) fn reply(
    mut lark: LarkBuilder,
    request: &Request,
    start: ReplyStart,
    context: DialectContext<'_>,
    opening: &Opening<'_>,
    calls: Option<&str>,
) -> Result<Grammar, SyntaxError> {
    let tokenizer = context.tokenizer;
    let thinks = start == ReplyStart::Reasoning
        || context.template.is_some_and(|template| template.source().contains(THINK));
    let (Opening::Marker(open) | Opening::Brace(open)) = opening;
    let calls = match (request.tool_choice, calls) {
        (ToolChoice::Required, None) => {
            return Err(nothing_to_call());
        }
        (ToolChoice::None, _) => None,
        (_, calls) => calls,
    };

    // What may not stand in text, because it would be read as something else.
    let mut lead = String::new();
    if thinks {
        lead.push_str(&format!(" & ~/\\s*{}(?s:.*)/", lark_pattern(THINK)));
    }
    if matches!(opening, Opening::Brace(_)) {
        lead.push_str(" & ~/\\s*\\{(?s:.*)/");
    }
    lark.define("TEXT", &format!("/(?s:.*)\\S(?s:.*)/ & ~/(?s:.*){}(?s:.*)/{lead}", lark_pattern(open)));
    let opened = match opening {
        Opening::Marker(open) => marker(tokenizer, open),
        Opening::Brace(open) => match control(tokenizer, open) {
            Some(id) => format!("<[{id}]>?"),
            None => "\"\"".to_owned(),
        },
    };
    let json = match &request.answer {
        AnswerForm::Text => None,
        AnswerForm::Json(schema) => Some(lark.answer(schema)?),
    };
    match (request.tool_choice, calls, opening) {
        (ToolChoice::None | ToolChoice::Auto, calls, opening) if json.is_some() => {
            let json = json.unwrap_or_default();
            lark.define("SPACE", "/[ \\n]{1,2}/");
            match (calls, opening) {
                (None, _) => lark.define("answer", &format!("SPACE? {json}")),
                (Some(_), Opening::Brace(_)) => {
                    let message =
                        "in this dialect a call begins as JSON does: ask for calls or for JSON, not for both";
                    return Err(SyntaxError::Request { message: message.to_owned() });
                }
                (Some(calls), Opening::Marker(_)) => {
                    lark.define("answer", &format!("SPACE? {json} | SPACE? {opened} {calls}"));
                }
            }
        }
        (_, None, _) => lark.define("answer", "TEXT"),
        (ToolChoice::Required, Some(calls), _) => {
            lark.define("SPACE", "/[ \\n]{1,2}/");
            lark.define("answer", &format!("SPACE? {opened} {calls}"));
        }
        (_, Some(calls), Opening::Brace(_)) => lark.define("answer", &format!("TEXT | {opened} {calls}")),
        (_, Some(calls), Opening::Marker(open)) if control(tokenizer, open).is_some() => {
            // White space alone is no text, but may stand before a call.
            lark.define("SPACE", "/\\s+/");
            lark.define("answer", &format!("TEXT | (TEXT | SPACE)? {opened} {calls}"));
        }
        (_, Some(calls), Opening::Marker(open)) => {
            // The shortest text that ends in the marker: the marker cannot be part of the text.
            lark.define("BEFORE", &format!("/(?s:.*)/{lead}"));
            lark.define(&format!("before[suffix={}]", lark_literal(open)), "BEFORE");
            lark.define("answer", &format!("TEXT | before {calls}"));
        }
    }
    if thinks {
        match control(tokenizer, END_THINK) {
            Some(id) => {
                let not_end = format!("/(?s:.+)/ & ~/(?s:.*){}(?s:.*)/", lark_pattern(END_THINK));
                lark.define("REASONING", &not_end);
                lark.define("reasoning", &format!("REASONING? <[{id}]>"));
            }
            None => {
                lark.define(&format!("reasoning[suffix={}]", lark_literal(END_THINK)), "/(?s:.*)/");
            }
        }
    }
    match (start, thinks) {
        (ReplyStart::Reasoning, _) => lark.define("start", "reasoning answer"),
        (ReplyStart::Answer, true) => {
            let think = marker(tokenizer, THINK);
            lark.define("start", &format!("answer | {think} reasoning answer"));
        }
        (ReplyStart::Answer, false) => lark.define("start", "answer"),
    }
    Ok(lark.finish())
}
