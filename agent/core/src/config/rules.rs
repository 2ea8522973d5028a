//! Owns how rules are read from values of the configuration: their two forms, their place, their own tests.
//! Uses `policy` for what a rule means.
//! Never lets a file say in whose name its rules speak: the layer is where they were found.

use std::collections::BTreeMap;

use loci_policy::{Layer, Rule, Rules};
use toml::Value;
use toml::de::{DeTable, DeValue};

use super::Origin;

/// The keys whose items are rules.
pub(crate) const LISTS: [&str; 3] = ["deny", "ask", "allow"];

/// The lines, from 1, on which the items of the rule lists of a file begin, by list.
pub(crate) fn lines(text: &str) -> BTreeMap<String, Vec<usize>> {
    let mut found = BTreeMap::new();
    let Ok(table) = DeTable::parse(text) else { return found };
    // Offsets grow with the items of a list, so that a file is walked once for each list.
    for (name, value) in table.get_ref() {
        let name = name.get_ref().as_ref();
        let (true, DeValue::Array(items)) = (LISTS.contains(&name), value.get_ref()) else { continue };
        let (mut at, mut line, mut lines) = (0, 1, Vec::new());
        for item in items.iter() {
            let start = item.span().start.min(text.len());
            line +=
                text.as_bytes().get(at..start).unwrap_or_default().iter().filter(|&&b| b == b'\n').count();
            at = at.max(start);
            lines.push(line);
        }
        found.insert(name.to_owned(), lines);
    }
    found
}

/// What is wrong with a value as a list of rules; nothing when all of it can be read.
pub(super) fn check(value: &Value) -> Result<(), String> {
    let Value::Array(items) = value else { return Err("must be a list of rules".into()) };
    items.iter().try_for_each(|item| read(item).map(drop))
}

/// One item as a rule of nobody yet.
pub(crate) fn read(item: &Value) -> Result<Rule, String> {
    match item {
        Value::String(text) => Ok(text.as_str().into()),
        Value::Table(table) => {
            if let Some(key) = ["layer", "origin"].into_iter().find(|key| table.contains_key(*key)) {
                return Err(format!(
                    "has a rule with `{key}`, which is where the rule stands and not what it says"
                ));
            }
            item.clone().try_into().map_err(|_| {
                let keys: Vec<&str> = table.keys().map(String::as_str).collect();
                format!(
                    "has a rule that cannot be read (it has {}); in the long form a rule is {{ rule = \"Bash(make:*)\", \
                     match = [\"make x\"], not_match = [\"makes\"], network = [\"example.org\"] }}",
                    if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
                )
            })
        }
        _ => Err("must be a list of rules, each a text or a table with `rule`".into()),
    }
}

/// The layer whose rules a place holds.
pub(crate) fn layer(origin: &Origin) -> Layer {
    match origin {
        // Given to every user, and each may take something else: no more than a user's own.
        Origin::Default | Origin::System(_) | Origin::User(_) => Layer::User,
        // The user's own words, kept where no repository can put them: they count without trust.
        Origin::Saved(_) => Layer::User,
        Origin::Project(_) => Layer::Project,
        Origin::Local(_) => Layer::Local,
        Origin::Environment(_) | Origin::Flag(_) => Layer::CommandLine,
        Origin::Managed(_) => Layer::Managed,
    }
}

/// Where a rule stands, for people: `/home/dev/.config/loci/config.toml:3`, `--allow`.
pub(crate) fn place(origin: &Origin, line: Option<usize>) -> String {
    match (origin.path(), line) {
        (Some(path), Some(line)) => format!("{}:{line}", path.display()),
        (Some(path), None) => path.display().to_string(),
        (None, _) => match origin {
            Origin::Environment(name) | Origin::Flag(name) => name.clone(),
            _ => origin.layer().to_owned(),
        },
    }
}

/// The list of that name.
pub(crate) fn list_of<'a>(rules: &'a mut Rules, name: &str) -> &'a mut Vec<Rule> {
    match name {
        "deny" => &mut rules.deny,
        "ask" => &mut rules.ask,
        _ => &mut rules.allow,
    }
}

/// What a rule does not do that it seems to say, and what of its own tests fails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// It has no effect, or another one: in sentences.
    pub odd: Vec<String>,
    /// Its tests do not hold: in sentences.
    pub failed: Vec<String>,
}

/// Look at one rule of a list, and run the tests that it carries.
#[must_use]
pub fn examine(list: &str, rule: &Rule) -> Checked {
    let problems = |rule: Rule| -> Vec<String> {
        let mut rules = Rules::default();
        list_of(&mut rules, list).push(rule);
        rules.check().into_iter().map(|problem| problem.why).collect()
    };
    let odd = problems(Rule { matches: Vec::new(), not_matches: Vec::new(), ..rule.clone() });
    let mut failed = Vec::new();
    if !(rule.matches.is_empty() && rule.not_matches.is_empty()) {
        failed = problems(rule.clone());
        failed.retain(|problem| !odd.contains(problem));
    }
    Checked { odd, failed }
}

/// Put rules into the order in which people read them: the strongest layer first. Whatever the order, the strictest list
/// wins; the first rule of it that matches is the one that is named.
pub(crate) fn arrange(rules: &mut Vec<Rule>) {
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.layer));
    let mut seen: Vec<(String, Vec<String>)> = Vec::new();
    rules.retain(|rule| {
        let key = (rule.text.clone(), rule.network.clone());
        let new = !seen.contains(&key);
        if new {
            seen.push(key);
        }
        new
    });
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests stop at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn items_know_their_line() {
        let text = "model = \"x\"\nallow = [\"A\", \"B\",\n  # a comment\n  { rule = \"C\" },\n]\ndeny = [\n\"D\"]\n";
        let lines = lines(text);
        assert_eq!(lines["allow"], [2, 2, 4]);
        assert_eq!(lines["deny"], [7]);
        assert!(!lines.contains_key("ask"));
        assert!(super::lines("allow = [").is_empty());
    }

    #[test]
    fn rules_have_two_forms() {
        let check = |text: &str, expect: Result<&str, &str>| {
            let table: toml::Table = format!("r = {text}").parse().unwrap();
            match (read(&table["r"]), expect) {
                (Ok(rule), Ok(expect)) => assert_eq!(rule.text, expect),
                (Err(message), Err(expect)) => assert!(message.contains(expect), "{message}"),
                (found, expect) => panic!("{text}: {found:?} is not {expect:?}"),
            }
        };
        check("\"Bash(ls)\"", Ok("Bash(ls)"));
        check("{ rule = \"Bash(ls)\", match = [\"ls\"], network = [\"x.org\"] }", Ok("Bash(ls)"));
        check("{ rule = \"Bash(ls)\", layer = \"managed\" }", Err("`layer`"));
        check("{ rule = \"Bash(ls)\", origin = \"/etc\" }", Err("`origin`"));
        check("{ rul = \"Bash(ls)\" }", Err("it has rul"));
        check("{ }", Err("it has nothing"));
        check("7", Err("a text or a table"));
    }

    #[test]
    fn odd_rules_are_found_and_plain_ones_are_not() {
        assert_eq!(examine("allow", &"Bash(ls)".into()), Checked::default());
        let odd = examine("allow", &"*".into());
        assert!(!odd.odd.is_empty() && odd.failed.is_empty(), "{odd:?}");
    }

    #[test]
    fn the_strongest_layer_is_named_first() {
        let rule = |text: &str, layer: Layer| Rule { layer, ..text.into() };
        let mut rules = vec![
            rule("A", Layer::User),
            rule("B", Layer::Project),
            rule("A", Layer::Managed),
            Rule { network: vec!["x.org".into()], ..rule("A", Layer::User) },
        ];
        arrange(&mut rules);
        let shown: Vec<String> = rules
            .iter()
            .map(|rule| format!("{} {:?} {}", rule.text, rule.layer, rule.network.len()))
            .collect();
        assert_eq!(shown, ["A Managed 0", "B Project 0", "A User 1"]);
    }
}
