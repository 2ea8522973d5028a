//! Owns the tool `ask_user`: a question to the user.
//! Uses the way to the user in the context.
//! Never waits where nobody can answer.

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Access, Outcome, Tool, ToolContext, arguments, fold};

pub(crate) struct AskUser;

impl Tool for AskUser {
    fn name(&self) -> &'static str {
        "ask_user"
    }

    fn description(&self) -> &'static str {
        "Asks the user. `options` are separated by |. Only when you cannot go on without an answer."
    }

    fn parameters(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "question": { "type": "string" },
                "options": { "type": "string" }
            },
            "required": ["question"]
        })
    }

    fn changes(&self, _input: &Value) -> bool {
        false
    }

    fn summary(&self, input: &Value) -> String {
        format!("ask: {}", fold::clip(arguments::optional_word(input, "question").unwrap_or("?"), 120))
    }

    fn access(&self, _input: &Value, _context: &ToolContext) -> Result<Vec<Access>, String> {
        Ok(Vec::new())
    }

    fn run<'a>(&'a self, input: Value, context: &'a ToolContext) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let question = match arguments::word(&input, "question") {
                Ok(question) => question.to_owned(),
                Err(message) => return Outcome::failed(message),
            };
            let Some(ask) = &context.ask else {
                return Outcome::failed(
                    "nobody is there to answer; decide yourself and say what you assumed",
                );
            };
            let options: Vec<String> = arguments::optional_text(&input, "options")
                .unwrap_or_default()
                .split('|')
                .map(|option| option.trim().to_owned())
                .filter(|option| !option.is_empty())
                .collect();
            let answer = tokio::select! {
                answer = ask.ask(question, options) => answer,
                () = context.cancel.cancelled() => None,
            };
            match answer {
                Some(answer) => Outcome {
                    ok: true,
                    text: format!("the user answered: {answer}"),
                    brief: fold::clip(&format!("answer: {}", fold::one_line(&answer)), fold::BRIEF),
                    summary: format!("answered: {}", fold::clip(&fold::one_line(&answer), 100)),
                    ..Outcome::default()
                },
                None => Outcome::failed("the user did not answer; decide yourself and say what you assumed"),
            }
        })
    }
}
