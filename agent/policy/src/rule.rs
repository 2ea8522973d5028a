//! Owns the grammar of rules (S15): reading them, checking them, and whether one applies.
//! Uses `glob` for patterns and `place` for where paths are.
//! Never drops a deny or ask rule that it cannot read: such a rule asks.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::finding::Source;
use crate::glob::{TextPattern, path_matches, text_matches};
use crate::path_check::Touch;
use crate::place::{Place, World, fold};
use crate::{FileSystem, Layer, RuleProblem, Rules, fold as spelling, own_tests, scopes};

/// The rules of a call, read.
#[derive(Debug)]
pub(crate) struct RuleSet {
    pub(crate) deny: Vec<Rule>,
    pub(crate) ask: Vec<Rule>,
    pub(crate) allow: Vec<Rule>,
    /// Restrictions that are about reading a path, and about editing one: by list and place.
    about: [Vec<(List, usize)>; 2],
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    /// As it was written, and where.
    pub(crate) source: Arc<Source>,
    pub(crate) tool: String,
    pub(crate) spec: Spec,
    /// Why it does not do what its author thinks, if its own tests say so.
    pub(crate) fails: Option<String>,
}

/// What a rule says beyond the tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spec {
    /// Every call of the tool.
    All,
    /// For `Bash`.
    Command(CommandPattern),
    /// For the tools that take a path.
    Path(PathPattern),
    /// For `WebFetch`: `domain:…`.
    Domain(String),
    /// A parameter and a pattern for its value.
    Parameter(String, String),
    /// It has no effect, for this reason.
    Ignored(&'static str),
    /// It cannot be read, for this reason.
    Broken(&'static str),
}

/// Which list a rule is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Deny,
    Ask,
    Allow,
}

pub(crate) fn is_editing(tool: &str) -> bool {
    matches!(tool, "Edit" | "Write" | "MultiEdit" | "NotebookEdit")
}

pub(crate) fn is_reading(tool: &str) -> bool {
    matches!(tool, "Read" | "Grep" | "Glob" | "LS" | "NotebookRead")
}

impl RuleSet {
    pub(crate) fn new(rules: &Rules) -> Self {
        let read = |rules: &[crate::Rule], list| -> Vec<Rule> {
            rules.iter().map(|rule| Rule::of(rule, list)).collect()
        };
        Self {
            deny: read(&rules.deny, List::Deny),
            ask: read(&rules.ask, List::Ask),
            allow: read(&rules.allow, List::Allow),
            about: Default::default(),
        }
    }

    /// A set of these rules only.
    pub(crate) fn of(deny: Vec<Rule>, ask: Vec<Rule>, allow: Vec<Rule>) -> Self {
        Self { deny, ask, allow, about: Default::default() }
    }

    /// The restrictions that are about reading or editing a path.
    pub(crate) fn about(&self, tool: &str, touch: Touch) -> impl Iterator<Item = (List, &Rule)> {
        let kept = match (tool, touch) {
            ("Read", Touch::Read) => Some(&self.about[0]),
            ("Edit", Touch::Write) => Some(&self.about[1]),
            _ => None,
        };
        let rule = |(list, at): &(List, usize)| match list {
            List::Deny => self.deny.get(*at).map(|rule| (List::Deny, rule)),
            _ => self.ask.get(*at).map(|rule| (List::Ask, rule)),
        };
        let others = kept.is_none().then(|| self.restrictions()).into_iter().flatten();
        let tool = tool.to_owned();
        let others = others.filter(move |(list, rule)| is_about(rule, *list, &tool, touch));
        kept.into_iter().flatten().filter_map(rule).chain(others)
    }

    /// The same for one call.
    pub(crate) fn bound(rules: &Rules, world: &World) -> Self {
        let mut set = Self::new(rules);
        let counts = |rule: &&crate::Rule| scopes::counts(rule, world.context);
        set.allow = rules.allow.iter().filter(counts).map(|rule| Rule::of(rule, List::Allow)).collect();
        set.deny.extend(world.context.parent_deny.iter().map(|rule| Rule::of(rule, List::Deny)));
        set.bind(world);
        // A permission that fails its own tests is none.
        set.allow.retain(|rule| rule.fails.is_none());
        set
    }

    /// Find out where every path pattern starts.
    pub(crate) fn bind(&mut self, world: &World) {
        for (list, rules) in
            [(List::Deny, &mut self.deny), (List::Ask, &mut self.ask), (List::Allow, &mut self.allow)]
        {
            for rule in rules {
                if let Spec::Path(pattern) = &mut rule.spec {
                    pattern.bind(world, list);
                }
            }
        }
        let kept = |tool: &str, touch: Touch| -> Vec<(List, usize)> {
            let lists = [(List::Deny, &self.deny), (List::Ask, &self.ask)];
            let all = lists
                .iter()
                .flat_map(|(list, rules)| rules.iter().enumerate().map(move |(at, rule)| (*list, at, rule)));
            all.filter(|(list, _, rule)| is_about(rule, *list, tool, touch))
                .map(|(list, at, _)| (list, at))
                .collect()
        };
        self.about = [kept("Read", Touch::Read), kept("Edit", Touch::Write)];
    }

    /// Deny and ask rules with the word for what they do.
    pub(crate) fn restrictions(&self) -> impl Iterator<Item = (List, &Rule)> {
        let deny = self.deny.iter().map(|rule| (List::Deny, rule));
        deny.chain(self.ask.iter().map(|rule| (List::Ask, rule)))
    }

    /// The list that a rule stands in.
    pub(crate) fn list_of(&self, text: &str) -> Option<&'static str> {
        let lists = [("deny", &self.deny), ("ask", &self.ask), ("allow", &self.allow)];
        lists
            .into_iter()
            .find(|(_, rules)| rules.iter().any(|rule| rule.source.text == text))
            .map(|(name, _)| name)
    }

    /// Every rule that does not do what it seems to say.
    pub(crate) fn problems(&self) -> Vec<RuleProblem> {
        let lists = [("deny", &self.deny), ("ask", &self.ask), ("allow", &self.allow)];
        let mut problems = Vec::new();
        for (list, rules) in lists {
            for rule in rules {
                let why = match rule.spec {
                    Spec::Ignored(why) | Spec::Broken(why) => Some(why.to_owned()),
                    _ => rule.fails.clone(),
                };
                if let Some(why) = why {
                    let rule = rule.source.text.clone();
                    problems.push(RuleProblem { list: list.to_owned(), rule, why });
                }
            }
        }
        problems
    }
}

/// What must not be read must not be edited either: an edit shows it.
fn is_about(rule: &Rule, list: List, tool: &str, touch: Touch) -> bool {
    rule.names(tool, list)
        || (touch == Touch::Write && matches!(rule.spec, Spec::Path(_)) && rule.names("Read", list))
}

impl Rule {
    fn of(rule: &crate::Rule, list: List) -> Self {
        let mut read = Self::read(&rule.text, list);
        let origin =
            if rule.origin.is_empty() { layer_name(rule.layer).to_owned() } else { rule.origin.clone() };
        let network = rule.network.clone();
        read.source = Arc::new(Source { text: rule.text.clone(), origin, network });
        read.fails = own_tests::failure(&read, rule, list);
        read
    }

    /// Read the text of a rule.
    pub(crate) fn read(source: &str, list: List) -> Self {
        let text = source.trim();
        let (tool, spec) = match text.split_once('(') {
            None => (text, None),
            Some((tool, rest)) => (tool, Some(rest)),
        };
        let named = !tool.is_empty() && tool.chars().all(|c| c.is_ascii_alphanumeric() || "_-*.".contains(c));
        let spec = match spec {
            _ if !named => Spec::Broken(NAMELESS),
            _ if list == List::Allow && tool.contains('*') && !is_mcp_glob(tool) => Spec::Ignored(
                "in allow rules a `*` in the tool's name needs a literal `mcp__server__` before it",
            ),
            None => Spec::All,
            Some(rest) => match rest.strip_suffix(')') {
                None => Spec::Broken("the parenthesis does not close at the end"),
                Some(spec) => read_spec(tool, spec, list),
            },
        };
        let source = Source { text: source.to_owned(), origin: String::new(), network: Vec::new() };
        Self { source: Arc::new(source), tool: tool.to_owned(), spec, fails: None }
    }

    /// Whether the rule is about this tool.
    pub(crate) fn names(&self, tool: &str, list: List) -> bool {
        if self.spec == Spec::Broken(NAMELESS) {
            return true;
        }
        if self.tool == tool
            || (self.tool == "Edit" && is_editing(tool))
            || (self.tool == "Read" && is_reading(tool))
        {
            return true;
        }
        if list == List::Allow {
            return is_mcp_glob(&self.tool) && text_matches(&self.tool, tool);
        }
        let editing = self.tool == "Write" && self.spec != Spec::All && is_editing(tool);
        let server = self.tool.starts_with("mcp__")
            && tool.strip_prefix(&self.tool).is_some_and(|rest| rest.starts_with("__"));
        editing || server || (self.tool.contains('*') && text_matches(&self.tool, tool))
    }

    /// Whether the rule is about the parameters of this call.
    pub(crate) fn takes(&self, input: &Value) -> bool {
        match &self.spec {
            Spec::All => true,
            Spec::Parameter(name, pattern) => match input.get(name) {
                Some(Value::String(text)) => text_matches(pattern, text),
                Some(Value::Null) | None => false,
                Some(other) => text_matches(pattern, &other.to_string()),
            },
            _ => false,
        }
    }
}

fn layer_name(layer: Layer) -> &'static str {
    match layer {
        Layer::User => "user",
        Layer::Project => "project",
        Layer::Local => "local",
        Layer::CommandLine => "command line",
        Layer::Managed => "managed",
    }
}

const NAMELESS: &str = "the name of a tool is missing or has odd characters";

fn is_mcp_glob(tool: &str) -> bool {
    let mut parts = tool.splitn(3, "__");
    parts.next() == Some("mcp")
        && parts.next().is_some_and(|server| !server.is_empty() && !server.contains('*'))
        && parts.next().is_some_and(|name| name.contains('*'))
}

fn read_spec(tool: &str, spec: &str, list: List) -> Spec {
    if spec.trim().is_empty() {
        return Spec::Broken("nothing stands between the parentheses");
    }
    let parameter = spec.split_once(':').filter(|(name, _)| is_parameter_name(name));
    let primary = match tool {
        "Bash" => &["command"][..],
        "WebFetch" => &["url"],
        "Grep" | "Glob" => &["path", "pattern"],
        _ if is_editing(tool) || is_reading(tool) => &["file_path", "notebook_path", "path"],
        _ => &[],
    };
    if let Some((name, value)) = parameter {
        if primary.contains(&name) {
            return Spec::Ignored("rules on the main argument of a tool are written without its name");
        }
        let is_parameter = match tool {
            // `Bash(npm:*)` is a command; these cannot be.
            "Bash" => matches!(name, "run_in_background" | "timeout" | "description") && value != "*",
            "WebFetch" if name == "domain" => return read_domain(value),
            _ => true,
        };
        if is_parameter {
            return match list {
                List::Allow => Spec::Ignored("rules on parameters work for deny and ask only"),
                List::Deny | List::Ask => Spec::Parameter(name.to_owned(), value.to_owned()),
            };
        }
    }
    match tool {
        "Bash" => CommandPattern::read(spec).map_or_else(Spec::Broken, Spec::Command),
        "WebFetch" => Spec::Broken("a WebFetch rule is `WebFetch(domain:host)`"),
        _ if is_editing(tool) || is_reading(tool) => {
            PathPattern::read(spec).map_or_else(Spec::Broken, Spec::Path)
        }
        _ => Spec::Broken("this tool takes no such rule"),
    }
}

fn is_parameter_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn read_domain(pattern: &str) -> Spec {
    let host = pattern.trim().trim_end_matches('.').to_ascii_lowercase();
    let name = host.strip_prefix("*.").unwrap_or(&host);
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-.*".contains(c)) {
        return Spec::Broken("a host has letters, digits, hyphens and dots");
    }
    Spec::Domain(host)
}

/// A pattern for the text of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandPattern {
    written: String,
    /// Written `x:*` or `x *`: `x` itself, or `x`, a blank and anything.
    prefix: bool,
    /// The pattern; the same with `*` for further arguments; both again with quotes only where they matter.
    ways: Vec<TextPattern>,
}

impl CommandPattern {
    fn read(spec: &str) -> Result<Self, &'static str> {
        let spec = spec.trim();
        let start = spec.strip_suffix(":*").or_else(|| spec.strip_suffix(" *"));
        let prefix = start.is_some();
        let written = start.unwrap_or(spec).trim_end();
        if written.is_empty() {
            return Err("a command is missing before the `*`");
        }
        let unquoted = written.contains(['\'', '"', '\\']).then(|| unquote(written)).flatten();
        let mut ways = Vec::new();
        for text in [Some(written), unquoted.as_deref()].into_iter().flatten() {
            ways.push(TextPattern::new(text));
            if prefix {
                ways.extend([" *", "\t*", "\n*"].map(|blank| TextPattern::new(&format!("{text}{blank}"))));
            }
        }
        Ok(Self { written: written.to_owned(), prefix, ways })
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.ways.iter().any(|way| way.matches(text))
    }

    /// Whether it stands for just this text.
    pub(crate) fn is_only(&self, text: &str) -> bool {
        !self.prefix && self.ways.iter().all(|way| way.literal() == Some(text))
    }

    /// Whether it names a program by this path, or by a folder above it before a star.
    pub(crate) fn names_path(&self, program: &str) -> bool {
        if self.written == "*" {
            return true;
        }
        let literal = self.written.split('*').next().unwrap_or_default();
        let first = literal.split_whitespace().next().unwrap_or_default();
        let open = literal.len() < self.written.len() && first.len() == literal.len();
        let below = || !program.split('/').any(|part| part == "..") && program.starts_with(first);
        first.contains('/') && (first == program || (open && below()))
    }

    /// Whether it stands for exactly one text, or has this argument as a word of its own.
    pub(crate) fn spells(&self, argument: &str) -> bool {
        let exact = !self.prefix && self.ways.iter().all(|way| !way.has_star());
        exact || self.written.split_whitespace().any(|word| word == argument)
    }
}

/// The words of a pattern as the words of commands are compared; `None` when it is not one plain command, or when a star
/// is quoted and so no wildcard.
fn unquote(pattern: &str) -> Option<String> {
    let reading = crate::shell::read(pattern, 0);
    let mut commands = reading.commands();
    let (only, none) = (commands.next()?, commands.next());
    let plain = none.is_none()
        && reading.opaque.is_empty()
        && only.assignments.is_empty()
        && only.redirects.is_empty();
    let words_hold = only.words.iter().all(|word| !(word.dynamic || word.quoted && word.text.contains('*')));
    (plain && words_hold).then(|| crate::shell::line(&only.words))
}

/// Where a path pattern starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// `//x`
    FileSystem,
    /// `~/x`
    Home,
    /// `/x`, or any pattern with a slash in it.
    Root,
    /// `./x`
    Current,
    /// A bare name: anywhere.
    Anywhere,
}

/// What decides most names without a look at the whole pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quick {
    /// A bare name: some part is it.
    Name,
    /// The first part is a literal.
    First,
    Nothing,
}

/// A pattern for paths, with gitignore's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    anchor: Anchor,
    /// The folders that it starts from: none before the pattern is bound to a call.
    bases: Vec<PathBuf>,
    /// The same as text without a slash at the end, for comparing.
    starts: Vec<String>,
    components: Vec<String>,
    quick: Quick,
    /// The spellings that count as one, for patterns that restrict.
    system: FileSystem,
}

impl PathPattern {
    fn read(spec: &str) -> Result<Self, &'static str> {
        let spec = spec.trim();
        if spec.starts_with('!') {
            return Err("a rule cannot be negated; use another list");
        }
        if spec.contains('\0') {
            return Err("a path has no NUL");
        }
        let (anchor, rest) = if let Some(rest) = spec.strip_prefix("//") {
            (Anchor::FileSystem, rest)
        } else if let Some(rest) = spec.strip_prefix('/') {
            (Anchor::Root, rest)
        } else if let Some(rest) = spec.strip_prefix("~/").or((spec == "~").then_some("")) {
            (Anchor::Home, rest)
        } else if let Some(rest) = spec.strip_prefix("./").or((spec == ".").then_some("")) {
            (Anchor::Current, rest)
        } else if spec.trim_end_matches('/').contains('/') || spec == ".." {
            (Anchor::Root, spec)
        } else {
            (Anchor::Anywhere, spec)
        };
        let components = rest.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned);
        Ok(Self {
            anchor,
            bases: Vec::new(),
            starts: Vec::new(),
            quick: Quick::Nothing,
            components: components.collect(),
            system: FileSystem::default(),
        })
    }

    /// Find out where the pattern starts in this call.
    fn bind(&mut self, world: &World, list: List) {
        let context = world.context;
        self.bases = match self.anchor {
            Anchor::FileSystem => vec![PathBuf::from("/")],
            Anchor::Home => world.both(&context.home),
            Anchor::Root => world.both(&context.root),
            Anchor::Current => world.both(&context.cwd),
            // A denied name is denied wherever it is; an allowed one is meant inside the workspace.
            Anchor::Anywhere if list != List::Allow => vec![PathBuf::from("/")],
            Anchor::Anywhere => {
                let inside = std::iter::once(&context.root).chain(&context.additional);
                inside.flat_map(|path| world.both(path)).collect()
            }
        };
        while self.components.first().is_some_and(|first| first == "..") {
            self.components.remove(0);
            for base in &mut self.bases {
                base.pop();
            }
        }
        if self.anchor == Anchor::Anywhere {
            self.components.insert(0, "**".to_owned());
        }
        if list != List::Allow && context.file_system.folds() {
            self.system = context.file_system;
            for base in &mut self.bases {
                *base = spelling::path(base, self.system);
            }
            for component in &mut self.components {
                *component = spelling::text(component, self.system);
            }
        }
        let literal = |part: &str| !part.contains(['*', '?', '[', '\\']);
        self.quick = match self.components.as_slice() {
            [any, name] if any == "**" && literal(name) => Quick::Name,
            [first, ..] if literal(first) => Quick::First,
            _ => Quick::Nothing,
        };
        let text = |base: &PathBuf| base.to_string_lossy().trim_end_matches('/').to_owned();
        self.starts = self.bases.iter().map(text).collect();
    }

    /// Whether a name of a place matches.
    pub(crate) fn matches_name(&self, name: &Path) -> bool {
        let lossy;
        let text = match name.to_str() {
            Some(text) => text,
            None => {
                lossy = name.to_string_lossy();
                &lossy
            }
        };
        let text = text.trim_end_matches('/');
        self.starts.iter().any(|start| match text.strip_prefix(start.as_str()) {
            Some("") => self.matches_rest(""),
            Some(rest) => rest.strip_prefix('/').is_some_and(|rest| self.matches_rest(rest)),
            None => false,
        })
    }

    /// Whether the part of a name below the start matches. Long commands have thousands of names, and most patterns
    /// begin or end with a literal that none of them has.
    fn matches_rest(&self, rest: &str) -> bool {
        match (self.quick, self.components.as_slice()) {
            (Quick::Name, [_, name]) => return rest.split('/').any(|part| part == name),
            (Quick::First, [first, ..]) if rest.split('/').next() != Some(first) => return false,
            _ => {}
        }
        let components: Vec<&str> = self.components.iter().map(String::as_str).collect();
        let parts: Vec<&str> = if rest.is_empty() { Vec::new() } else { rest.split('/').collect() };
        path_matches(&components, &parts)
    }

    /// For deny and ask any name is enough; for allow every name must match.
    pub(crate) fn matches(&self, list: List, place: &Place) -> bool {
        match list {
            List::Allow => place.names.iter().all(|name| self.matches_name(name)),
            List::Deny | List::Ask => self.spellings(place).iter().any(|name| self.matches_name(name)),
        }
    }

    /// The names of a place in the spelling of the pattern.
    fn spellings<'place>(&self, place: &'place Place) -> &'place [PathBuf] {
        if self.system.folds() { &place.folded } else { &place.names }
    }

    /// Whether something below a folder could match. Errs towards yes.
    pub(crate) fn may_reach_below(&self, place: &Place) -> bool {
        let wild = |part: &&String| part.contains(['*', '?', '[', '\\']);
        if self.anchor == Anchor::Anywhere {
            return true;
        }
        let literal: PathBuf = self.components.iter().take_while(|part| !wild(part)).collect();
        self.bases.iter().any(|base| {
            let start = fold(&base.join(&literal));
            self.spellings(place).iter().any(|name| start.starts_with(name) || name.starts_with(&start))
        })
    }
}
