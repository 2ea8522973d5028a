//! Owns the view of the rules in force: what each does, and where it stands.
//! Uses what `loci policy list` says.
//! Never changes a rule but one that an approval saved, and that after asking.

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;

use super::field::{Field, Typed};
use super::list::List;
use super::page::Page;
use crate::component::{Component, Context, Look, Taken};
use crate::host::{Reply, Request};
use crate::input::Input;
use crate::lines::count;
use crate::style::{Line, Style};
use crate::text::{clip, columns, one_line};

/// How the rules are asked for.
const LIST: [&str; 3] = ["policy", "list", "--json"];

/// The rules in force.
pub(crate) struct Permissions {
    rules: Option<Vec<Rule>>,
    list: List,
    /// Lines that came beside the rules, or after forgetting one.
    said: Vec<Line>,
    asked: Option<(String, Field)>,
}

/// One rule.
#[derive(Debug, Clone, Default)]
struct Rule {
    /// `deny`, `ask` or `allow`.
    list: String,
    rule: String,
    origin: String,
    network: Vec<String>,
    /// Whether an approval saved it for this project: such a one can be forgotten.
    saved: bool,
}

impl Permissions {
    pub(crate) fn new(context: &mut Context<'_>) -> Self {
        ask(context);
        Self { rules: None, list: List::default(), said: Vec::new(), asked: None }
    }

    fn chosen(&self) -> Option<&Rule> {
        self.rules.as_ref()?.get(self.list.chosen()?)
    }

    fn printed(&mut self, command: &[String], lines: &[Line], context: &mut Context<'_>) {
        if command == LIST {
            let text: String = lines.iter().map(|line| line.plain() + "\n").collect();
            let (rules, rest) = read(&text);
            self.list.set(rules.iter().map(|rule| format!("{} {} {}", rule.list, rule.rule, rule.origin)));
            self.rules = Some(rules);
            if !rest.is_empty() {
                self.said = rest;
            }
        } else if command.first().is_some_and(|word| word == "policy") {
            self.said = lines.to_vec();
            ask(context);
        }
    }
}

fn ask(context: &mut Context<'_>) {
    context.ask(Request::Run(LIST.map(str::to_owned).to_vec()));
}

/// The rules in what was printed, and the lines that are none of them.
fn read(text: &str) -> (Vec<Rule>, Vec<Line>) {
    let begin = text.lines().position(|row| row.starts_with('['));
    let rows: Vec<&str> = text.lines().collect();
    let Some(begin) = begin else {
        return (Vec::new(), rows.iter().map(|row| Line::new(*row, Style::Plain)).collect());
    };
    let rest = rows[begin..].join("\n");
    let mut values = serde_json::Deserializer::from_str(&rest).into_iter::<Vec<Value>>();
    let rules = values.next().and_then(Result::ok).unwrap_or_default();
    let after = rest.get(values.byte_offset()..).unwrap_or_default();
    let said = rows[..begin].iter().copied().chain(after.lines());
    let said = said.filter(|row| !row.trim().is_empty()).map(|row| Line::new(row, Style::Plain)).collect();
    let field = |rule: &Value, name: &str| rule[name].as_str().unwrap_or_default().to_owned();
    let rule = |rule: &Value| Rule {
        list: field(rule, "list"),
        rule: field(rule, "rule"),
        origin: field(rule, "origin"),
        network: rule["network"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        saved: field(rule, "origin").ends_with("rules.toml")
            && rule["layer"].as_str().is_some_and(|layer| layer.eq_ignore_ascii_case("local")),
    };
    (rules.iter().map(rule).collect(), said)
}

impl Component for Permissions {
    fn take(&mut self, input: &Input, context: &mut Context<'_>) -> Taken {
        match input {
            Input::Reply(reply) => {
                if let Reply::Printed { command, lines } = reply.as_ref() {
                    self.printed(command, lines, context);
                }
            }
            Input::Key(_) | Input::Paste(_) => {
                if let Some((rule, mut field)) = self.asked.take() {
                    match field.take(input) {
                        Typed::More if field.text() == "y" => {
                            let words = ["policy", "forget", "--", &rule];
                            context.ask(Request::Run(words.map(str::to_owned).to_vec()));
                        }
                        Typed::More if field.text().is_empty() => self.asked = Some((rule, field)),
                        Typed::No => self.asked = Some((rule, field)),
                        Typed::More | Typed::Left | Typed::Done(_) => {}
                    }
                    return Taken::Yes;
                }
            }
            _ => {}
        }
        if self.list.take(input) == Taken::Yes {
            return Taken::Yes;
        }
        if let Input::Key(key) = input
            && key.modifiers == KeyModifiers::NONE
        {
            match key.code {
                KeyCode::Char('d') => {
                    let rule = self.chosen().cloned();
                    match rule {
                        Some(rule) if rule.saved => {
                            let label = format!("Forget {}? y or n: ", one_line(&rule.rule, 40));
                            self.asked = Some((rule.rule, Field::new(label, "")));
                        }
                        Some(rule) => {
                            let text = format!(
                                "that rule is not one that an approval saved; change it in {}",
                                one_line(&rule.origin, 80)
                            );
                            self.said = vec![Line::new(text, Style::Warning)];
                        }
                        None => {}
                    }
                    return Taken::Yes;
                }
                KeyCode::Char('r') => {
                    ask(context);
                    return Taken::Yes;
                }
                KeyCode::Enter => return Taken::Yes,
                _ => {}
            }
        }
        super::rest(input)
    }

    fn draw(&mut self, area: Rect, buffer: &mut Buffer, look: &Look<'_>) {
        let mode = crate::status::mode_word(look.state.mode);
        let facts = match &self.rules {
            None => "…".to_owned(),
            Some(rules) => format!("{} · mode {mode}", count(rules.len() as u64, "rule")),
        };
        let keys = [("d", "forgets a saved rule"), ("/", "filters"), ("r", "again")];
        let field = self.asked.as_ref().map(|(_, field)| field).or(self.list.field());
        let mut inner = Page { title: "Permissions", facts, keys: &keys, field }.draw(area, buffer, look);
        let Some(rules) = &self.rules else { return };
        let width = usize::from(inner.width);
        let mut below = self.chosen().map_or_else(Vec::new, |rule| about(rule, width));
        below.extend(self.said.iter().map(|line| Line::new(one_line(&line.plain(), width), Style::Warning)));
        below.truncate(8);
        let wanted = u16::try_from(below.len()).unwrap_or(u16::MAX);
        if inner.height > wanted.saturating_add(2) {
            let foot = Rect { y: inner.bottom() - wanted, height: wanted, ..inner };
            inner.height -= wanted + 1;
            super::lines(&below, foot, buffer, look);
        }
        if rules.is_empty() {
            let none = "no rule: reading inside the project is free, and whatever changes something asks";
            super::lines(&crate::wrap::wrap(&Line::new(none, Style::Dim), width, 0), inner, buffer, look);
        }
        self.list.draw(inner, buffer, look, |place, width| {
            rules.get(place).map_or_else(Line::default, |rule| row(rule, width))
        });
    }
}

fn row(rule: &Rule, width: usize) -> Line {
    let style = match rule.list.as_str() {
        "deny" => Style::Removed,
        "ask" => Style::Warning,
        _ => Style::Added,
    };
    let list = format!("{:<6}", clip(&rule.list, 6));
    let origin = if width >= 70 {
        let text = one_line(&rule.origin, width / 3);
        format!("  {text}{}", " ".repeat((width / 3).saturating_sub(columns(&text))))
    } else {
        String::new()
    };
    let room = width.saturating_sub(columns(&list) + columns(&origin)).max(8);
    let text = one_line(&rule.rule, room);
    let pad = " ".repeat(room.saturating_sub(columns(&text)));
    Line::new(list, style).with(format!("{text}{pad}"), Style::Plain).with(origin, Style::Dim)
}

fn about(rule: &Rule, width: usize) -> Vec<Line> {
    let saved = if rule.saved { ", saved by an approval" } else { "" };
    let mut lines =
        vec![Line::new(one_line(&format!("stands in {}{saved}", rule.origin), width), Style::Dim)];
    if !rule.network.is_empty() {
        let hosts = format!("reaches {}", rule.network.join(", "));
        lines.push(Line::new(one_line(&hosts, width), Style::Dim));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Effect;
    use crate::testing::Stage;

    fn printed() -> Reply {
        let rule = |list: &str, rule: &str, layer: &str, origin: &str| serde_json::json!({ "list": list, "rule": rule, "layer": layer, "origin": origin, "network": [] });
        let mut rules = vec![
            rule("deny", "Read(.env)", "Managed", "/etc/loci/policy.d/a.toml"),
            rule("ask", "Bash(git push*)", "User", "/home/ada/.config/loci/config.toml"),
            rule("allow", "Bash(cargo test*)", "Local", "/home/ada/.local/share/loci/projects/p/rules.toml"),
            rule("allow", &format!("Bash(evil\u{1b}[2J{})", "x".repeat(100_000)), "Local", "rules.toml"),
        ];
        rules[2]["network"] = serde_json::json!(["crates.io"]);
        let text = serde_json::to_string_pretty(&rules).expect("plain data");
        let note = "note: the project has allow rules that wait for `loci trust`";
        let lines = text.lines().chain([note]).map(|row| Line::new(row, Style::Plain)).collect();
        Reply::Printed { command: LIST.map(str::to_owned).to_vec(), lines }
    }

    fn run(words: &[&str]) -> Effect {
        Effect::Ask(Request::Run(words.iter().map(|word| (*word).into()).collect()))
    }

    fn stage() -> Stage {
        let mut stage = Stage::open();
        stage.keys("/permissions\n");
        assert!(stage.effects().contains(&run(&LIST)));
        stage.reply(printed());
        stage
    }

    #[test]
    fn rules_are_a_list() {
        let mut stage = stage();
        stage.keys("jj");
        insta::assert_snapshot!(stage.screens());
        stage.screen(1, 1);
    }

    #[test]
    fn only_a_saved_rule_is_forgotten() {
        let check = |keys: &str, expect: &[Effect]| {
            assert_eq!(stage().keys(keys).effects(), expect, "{keys}");
        };
        let forget = ["policy", "forget", "--", "Bash(cargo test*)"];
        check("jjdy", &[run(&forget)]);
        check("jjdn", &[]);
        check("dy", &[]);
        assert!(stage().keys("jd").screen(80, 24).contains("change it in"));
        let mut stage = stage();
        let command = forget.map(str::to_owned).to_vec();
        stage.reply(Reply::Printed { command, lines: vec![Line::new("forgotten", Style::Plain)] });
        assert_eq!(stage.effects(), [run(&LIST)]);
        assert!(stage.screen(80, 24).contains("forgotten"));
    }

    #[test]
    fn what_is_no_list_is_shown_as_it_is() {
        for (text, expect) in
            [("", 0), ("error: x\nhint: y", 2), ("[", 1), ("[1, 2]\nnote: z", 1), ("[]\n", 0)]
        {
            assert_eq!(read(text).1.len(), expect, "{text}");
        }
    }
}
