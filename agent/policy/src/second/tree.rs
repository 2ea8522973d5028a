//! Owns the walk over the syntax tree: every simple command in it, in the order in which it ends.
//! Uses tree-sitter's grammar for bash; parsing stops at the first error.
//! Never passes a node whose kind is not listed here.

use std::cell::RefCell;
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, ParseState, Parser};

use super::Disagreement;
use super::words::{self, Read};

/// A command as the tree has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// Names of variables that are set before it or by it.
    pub(super) settings: Vec<String>,
    pub(super) words: Vec<Read>,
    /// The whole text, for `[` and `[[`.
    pub(super) test: Option<String>,
}

/// A redirect to or from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) reads: bool,
    pub(super) target: String,
}

/// What a text has in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) commands: Vec<Command>,
    pub(super) redirects: Vec<Redirect>,
}

/// Trees deeper than this are not walked.
const DEPTH: usize = 300;

thread_local! {
    static PARSER: RefCell<Option<Parser>> = RefCell::new(new_parser());
}

fn new_parser() -> Option<Parser> {
    let mut parser = Parser::new();
    parser.set_language(&tree_sitter_bash::LANGUAGE.into()).ok()?;
    Some(parser)
}

/// So many here-documents the grammar's scanner can keep and more: it counts them in one byte.
const HERE_DOCUMENTS: usize = 16;

/// Read a text.
pub(super) fn read(text: &str) -> Result<Found, Disagreement> {
    if text.matches("<<").count() > HERE_DOCUMENTS {
        return Err("it has too many here-documents for another reader");
    }
    let tree = PARSER.with_borrow_mut(|parser| {
        let parser = parser.as_mut()?;
        parser.reset();
        // Repairing a broken text takes long and is of no use here.
        let mut stop = |state: &ParseState| {
            if state.has_error() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = ParseOptions::new().progress_callback(&mut stop);
        // The grammar's scanner is written in C and looks characters up in tables of 256 (`isdigit`); a crash was seen
        // beyond them. So it gets a letter for each byte of such a character: places stay, and the walk reads the text.
        let bytes: Vec<u8> = text.bytes().map(|byte| if byte.is_ascii() { byte } else { b'_' }).collect();
        parser.parse_with_options(&mut |at, _| bytes.get(at..).unwrap_or_default(), None, Some(options))
    });
    let tree = tree.ok_or(ERROR)?;
    let root = tree.root_node();
    if root.has_error() || root.kind() != "program" {
        return Err(ERROR);
    }
    let mut walk = Walk { text, found: Found::default(), depth: 0 };
    walk.visit(root)?;
    Ok(walk.found)
}

const ERROR: Disagreement = "another reader does not understand it";

struct Walk<'text> {
    text: &'text str,
    found: Found,
    depth: usize,
}

type Step = Result<(), Disagreement>;

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

impl<'text> Walk<'text> {
    fn slice(&self, node: Node) -> &'text str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    fn visit(&mut self, node: Node) -> Step {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err("it nests too deep for another reader");
        }
        let step = self.visit_here(node);
        self.depth -= 1;
        step
    }

    fn each(&mut self, node: Node) -> Step {
        children(node).into_iter().try_for_each(|child| self.visit(child))
    }

    fn visit_here(&mut self, node: Node) -> Step {
        if !node.is_named() {
            return Ok(());
        }
        match node.kind() {
            // Lists and compound commands.
            "program" | "list" | "pipeline" | "negated_command" | "subshell" | "compound_statement"
            | "if_statement" | "elif_clause" | "else_clause" | "for_statement" | "while_statement"
            | "do_group" | "case_statement" | "case_item" => self.each(node),
            // What it counts with is arithmetic, and no setting of a command.
            "c_style_for_statement" => children(node).into_iter().try_for_each(|child| {
                if child.kind() == "variable_assignment" { self.each(child) } else { self.visit(child) }
            }),
            // What words and expressions are made of.
            "word"
            | "string"
            | "string_content"
            | "raw_string"
            | "ansi_c_string"
            | "translated_string"
            | "number"
            | "concatenation"
            | "simple_expansion"
            | "expansion"
            | "variable_name"
            | "special_variable_name"
            | "command_substitution"
            | "process_substitution"
            | "arithmetic_expansion"
            | "brace_expression"
            | "subscript"
            | "array"
            | "regex"
            | "extglob_pattern"
            | "binary_expression"
            | "unary_expression"
            | "ternary_expression"
            | "postfix_expression"
            | "parenthesized_expression"
            | "test_operator" => self.each(node),
            "comment" | "file_descriptor" | "heredoc_start" | "heredoc_end" | "heredoc_content" => Ok(()),
            "heredoc_body" | "herestring_redirect" => self.each(node),
            "file_redirect" | "heredoc_redirect" => self.redirect(node).map(drop),
            "command" | "declaration_command" | "unset_command" => self.command(node, &[]),
            "variable_assignment" | "variable_assignments" => self.settings(node),
            "test_command" => self.test(node),
            "redirected_statement" => self.redirected(node),
            _ => Err("another reader finds a construct that is not known"),
        }
    }

    fn settings(&mut self, node: Node) -> Step {
        let mut command = Command::default();
        let all = if node.kind() == "variable_assignments" { children(node) } else { vec![node] };
        for one in all {
            command.settings.push(self.setting(one)?);
        }
        self.found.commands.push(command);
        Ok(())
    }

    /// The name that an assignment sets; what its value runs comes first.
    fn setting(&mut self, node: Node) -> Result<String, Disagreement> {
        if node.kind() != "variable_assignment" {
            return Err("another reader finds a construct that is not known");
        }
        self.each(node)?;
        let name = node.child_by_field_name("name").ok_or(ERROR)?;
        let name = if name.kind() == "subscript" { name.child(0).ok_or(ERROR)? } else { name };
        Ok(self.slice(name).to_owned())
    }

    fn test(&mut self, node: Node) -> Step {
        self.each(node)?;
        self.found.commands.push(Command { test: Some(self.slice(node).to_owned()), ..Command::default() });
        Ok(())
    }

    /// A command with the redirects around it; words behind the target of a redirect are its arguments.
    fn command(&mut self, node: Node, around: &[Node]) -> Step {
        let mut command = Command::default();
        let mut late = Vec::new();
        let own = if node.kind() == "redirected_statement" { Vec::new() } else { children(node) };
        for child in own.iter().chain(around) {
            match child.kind() {
                "variable_assignment" if node.kind() == "command" => {
                    let name = self.setting(*child)?;
                    command.settings.push(name);
                }
                "variable_assignment" => {
                    self.each(*child)?;
                    let raw = self.slice(*child).to_owned();
                    command.words.push(Read { raw, value: words::Value::Undecoded });
                }
                "command_name" => {
                    let inner = child.child(0).ok_or(ERROR)?;
                    self.word(inner, &mut command)?;
                }
                "file_redirect" => {
                    for extra in self.redirect(*child)? {
                        self.word(extra, &mut command)?;
                    }
                }
                "heredoc_redirect" => {
                    for inner in children(*child) {
                        if is_word(inner) {
                            self.word(inner, &mut command)?;
                        } else if inner.kind() == "file_redirect" {
                            for extra in self.redirect(inner)? {
                                self.word(extra, &mut command)?;
                            }
                        } else {
                            late.push(inner);
                        }
                    }
                }
                "herestring_redirect" => self.each(*child)?,
                "comment" => {}
                "declare" | "typeset" | "export" | "readonly" | "local" | "unset" | "unsetenv" => {
                    let raw = self.slice(*child).to_owned();
                    command.words.push(Read { raw: raw.clone(), value: words::Value::Text(raw) });
                }
                _ => self.word(*child, &mut command)?,
            }
        }
        // `time` is a word of the shell's grammar, and a command to this one.
        for prefix in ["time", "-p"] {
            let leads = command.words.first().is_some_and(|first| first.raw == prefix);
            let follows = prefix == "time" || own.first().is_some_and(|name| self.slice(*name) == "time");
            if leads && follows && command.words.len() > 1 {
                command.words.remove(0);
            }
        }
        if !command.words.is_empty() || !command.settings.is_empty() {
            self.found.commands.push(command);
        }
        late.into_iter().try_for_each(|inner| self.visit(inner))
    }

    fn word(&mut self, node: Node, command: &mut Command) -> Step {
        if node.is_named() {
            self.visit(node)?;
        }
        let word =
            words::read(node, self.text).ok_or("another reader finds a construct that is not known")?;
        command.words.push(word);
        Ok(())
    }

    /// A redirect to a file; descriptors that are copied touch nothing. Gives what follows the target.
    fn redirect<'tree>(&mut self, node: Node<'tree>) -> Result<Vec<Node<'tree>>, Disagreement> {
        if node.kind() == "heredoc_redirect" {
            self.each(node)?;
            return Ok(Vec::new());
        }
        let mut operator = "";
        let mut words = Vec::new();
        for child in children(node) {
            match child.kind() {
                "file_descriptor" | "comment" => {}
                _ if is_word(child) => words.push(child),
                _ if !child.is_named() => operator = self.slice(child),
                _ => return Err("another reader finds a construct that is not known"),
            }
        }
        if operator.ends_with('-') {
            return Ok(words);
        }
        if words.is_empty() {
            return Err(ERROR);
        }
        let extras = words.split_off(1);
        let target = words[0];
        self.visit(target)?;
        let raw = self.slice(target);
        let digits = raw.strip_suffix('-').unwrap_or(raw);
        let copies = matches!(operator, "<&" | ">&") && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !copies {
            self.found
                .redirects
                .push(Redirect { reads: matches!(operator, "<" | "<&"), target: raw.to_owned() });
        }
        Ok(extras)
    }

    fn redirected(&mut self, node: Node) -> Step {
        let all = children(node);
        let is_redirect = |child: &&Node| {
            matches!(child.kind(), "file_redirect" | "heredoc_redirect" | "herestring_redirect")
        };
        let around: Vec<Node> = all.iter().filter(is_redirect).copied().collect();
        let body =
            all.iter().find(|child| child.is_named() && !is_redirect(child) && child.kind() != "comment");
        let Some(body) = body else { return self.command(node, &around) };
        if matches!(body.kind(), "command" | "declaration_command" | "unset_command") {
            return self.command(*body, &around);
        }
        self.visit(*body)?;
        for redirect in around {
            if redirect.kind() == "heredoc_redirect" || redirect.kind() == "herestring_redirect" {
                self.visit(redirect)?;
                continue;
            }
            let extras = self.redirect(redirect)?;
            if extras.is_empty() {
                continue;
            }
            let mut more = Command::default();
            for extra in extras {
                self.word(extra, &mut more)?;
            }
            self.found.commands.last_mut().ok_or(ERROR)?.words.append(&mut more.words);
        }
        Ok(())
    }
}

fn is_word(node: Node) -> bool {
    matches!(
        node.kind(),
        "word"
            | "string"
            | "raw_string"
            | "ansi_c_string"
            | "translated_string"
            | "number"
            | "concatenation"
            | "simple_expansion"
            | "expansion"
            | "command_substitution"
            | "process_substitution"
            | "arithmetic_expansion"
            | "brace_expression"
    )
}
