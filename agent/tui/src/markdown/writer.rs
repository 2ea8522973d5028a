//! Owns the rows of complete blocks: paragraphs, lists, quotes, code, and the words in them.
//! Uses pulldown-cmark's events, `table` for tables, `wrap` for rows.
//! Never goes deeper than there is room for, and never shows a link or a picture without its address.
//!
//! Links are text and address, not OSC 8: a cell of the screen cannot carry one, multiplexers drop it, and what is clicked
//! would not be what is read. Terminals find an address that is shown.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::blocks::{is_apart, options, without_definitions};
use super::fence;
use super::table::Table;
use crate::highlight::Colours;
use crate::style::{Line, Span, Style};
use crate::text::{columns, visible};
use crate::wrap::wrap;

/// Where the colours of code come from.
pub(super) enum Painter<'a> {
    /// There are none: the code is still written.
    Plain,
    /// Those of a block that is complete, in the order of the code in it; asked for at the first time.
    Colours { blocks: &'a mut Vec<Colours>, next: usize },
}

impl Painter<'_> {
    fn colours(&mut self, label: &str, lines: &[String]) -> Option<&Colours> {
        let Self::Colours { blocks, next } = self else { return None };
        if *next == blocks.len() {
            blocks.push(Colours::of_block(label, lines));
        }
        *next += 1;
        blocks.get(*next - 1)
    }
}

/// The rows of blocks that are complete.
pub(super) fn rows(source: &str, width: usize, painter: &mut Painter<'_>) -> Vec<Line> {
    let (text, _) = without_definitions(source);
    let mut writer = Writer {
        source: &text,
        width: width.max(1),
        painter,
        rows: Vec::new(),
        containers: Vec::new(),
        nested: Vec::new(),
        lists: Vec::new(),
        inline: Vec::new(),
        weight: Weight::default(),
        links: Vec::new(),
        table: None,
        code: None,
        html: None,
    };
    for (event, range) in Parser::new_ext(&text, options()).into_offset_iter() {
        writer.take(event, range.start);
    }
    writer.flush();
    writer.rows
}

/// What stands left of a block that is in another one.
struct Container {
    /// Before its first row, until that is written.
    first: Option<Span>,
    /// Before every other row.
    rest: Span,
}

/// What holds for the words that come, each as often as it was begun.
#[derive(Default)]
struct Weight {
    strong: usize,
    emphasis: usize,
    struck: usize,
    heading: usize,
    quote: usize,
}

struct Link {
    address: String,
    text: String,
}

struct Code {
    label: String,
    fenced: bool,
    text: String,
}

struct Writer<'a, 'p> {
    source: &'a str,
    width: usize,
    painter: &'a mut Painter<'p>,
    rows: Vec<Line>,
    containers: Vec<Container>,
    /// Of every container that was begun, whether there was room for it.
    nested: Vec<bool>,
    lists: Vec<Option<u64>>,
    inline: Vec<Line>,
    weight: Weight,
    links: Vec<Link>,
    table: Option<Table>,
    code: Option<Code>,
    html: Option<String>,
}

impl Writer<'_, '_> {
    fn take(&mut self, event: Event<'_>, offset: usize) {
        match event {
            Event::Start(tag) => self.start(tag, offset),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => self.styled(&text, Style::Code),
            Event::Html(text) => match &mut self.html {
                Some(html) => html.push_str(&text),
                None => self.text(&text),
            },
            Event::InlineHtml(text) => {
                let name = text.trim_matches(['<', '>', '/', ' ']);
                if name.eq_ignore_ascii_case("br") { self.line_break() } else { self.text(&text) }
            }
            Event::FootnoteReference(label) => self.text(&format!("[^{label}]")),
            // What was written line by line is shown so: models seldom break lines that should flow.
            Event::SoftBreak | Event::HardBreak => self.line_break(),
            Event::Rule => {
                self.gap(offset);
                let rule = "─".repeat(self.room());
                self.row(Line::new(rule, Style::Border));
            }
            Event::TaskListMarker(done) => {
                self.styled(if done { "[x] " } else { "[ ] " }, Style::Marker);
            }
            Event::InlineMath(text) | Event::DisplayMath(text) => self.text(&text),
        }
    }

    fn start(&mut self, tag: Tag<'_>, offset: usize) {
        match tag {
            Tag::Paragraph => self.block(offset),
            Tag::Heading { level, .. } => {
                self.block(offset);
                // The signs stay: without colours they are what makes it a heading.
                self.styled(&format!("{} ", "#".repeat(level as usize)), Style::Marker);
                self.weight.heading += 1;
            }
            Tag::BlockQuote(_) => {
                self.block(offset);
                let bar = || Span { text: "│ ".into(), style: Style::Border };
                self.open(Some(bar()), bar());
                self.weight.quote += 1;
            }
            Tag::CodeBlock(kind) => {
                self.block(offset);
                let (label, fenced) = match kind {
                    CodeBlockKind::Indented => (String::new(), false),
                    CodeBlockKind::Fenced(label) => (visible(&label), true),
                };
                self.code = Some(Code { label, fenced, text: String::new() });
            }
            Tag::HtmlBlock => {
                self.block(offset);
                self.html = Some(String::new());
            }
            Tag::List(first) => {
                self.block(offset);
                self.lists.push(first);
            }
            Tag::Item => {
                self.block(offset);
                let sign = match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number = number.saturating_add(1);
                        format!("{}. ", number.saturating_sub(1))
                    }
                    _ => "- ".to_owned(),
                };
                self.hang(sign);
            }
            Tag::FootnoteDefinition(label) => {
                self.block(offset);
                self.hang(format!("[^{}]: ", visible(&label).replace(['\n', '\t'], " ")));
            }
            Tag::Table(alignments) => {
                self.block(offset);
                self.table = Some(Table::new(alignments));
            }
            Tag::TableHead => self.weight.strong += 1,
            Tag::TableRow => {
                if let Some(table) = &mut self.table {
                    table.row();
                }
            }
            Tag::TableCell => self.inline.clear(),
            Tag::Emphasis => self.weight.emphasis += 1,
            Tag::Strong => self.weight.strong += 1,
            Tag::Strikethrough => self.weight.struck += 1,
            Tag::Link { dest_url, .. } => {
                self.links.push(Link { address: visible(&dest_url), text: String::new() });
            }
            Tag::Image { dest_url, .. } => {
                self.styled("image: ", Style::Marker);
                self.links.push(Link { address: visible(&dest_url), text: String::new() });
            }
            Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => self.block(offset),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.weight.heading -= 1;
                self.flush();
            }
            TagEnd::BlockQuote(_) => {
                self.weight.quote -= 1;
                self.close();
            }
            TagEnd::CodeBlock => self.code(),
            TagEnd::HtmlBlock => {
                for line in visible(&self.html.take().unwrap_or_default()).lines() {
                    self.lay(&Line::new(line, Style::Plain));
                }
            }
            TagEnd::List(_) => {
                self.flush();
                self.lists.pop();
            }
            TagEnd::Item | TagEnd::FootnoteDefinition => self.close(),
            TagEnd::Table => {
                let rows = self.table.take().map(|table| table.rows(self.room()));
                rows.into_iter().flatten().for_each(|row| self.row(row));
            }
            TagEnd::TableHead => self.weight.strong -= 1,
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.inline);
                if let Some(table) = &mut self.table {
                    table.cell(cell);
                }
            }
            TagEnd::TableRow => {}
            TagEnd::Emphasis => self.weight.emphasis -= 1,
            TagEnd::Strong => self.weight.strong -= 1,
            TagEnd::Strikethrough => self.weight.struck -= 1,
            TagEnd::Link => {
                if let Some(link) = self.links.pop() {
                    // What it says it is and where it leads are two things, unless they are one.
                    let same = link.address == link.text || link.address == format!("mailto:{}", link.text);
                    if !same && !link.address.is_empty() {
                        self.styled(&format!(" ({})", link.address), Style::Link);
                    }
                }
            }
            TagEnd::Image => {
                if let Some(link) = self.links.pop() {
                    let blank = if link.text.is_empty() { "" } else { " " };
                    self.styled(&format!("{blank}({})", link.address), Style::Link);
                }
            }
            TagEnd::Paragraph
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => self.flush(),
        }
    }

    /// A block begins: what is written of the one around it ends, and the author's blank line is kept.
    fn block(&mut self, offset: usize) {
        self.flush();
        self.gap(offset);
    }

    fn gap(&mut self, offset: usize) {
        let begun = self.containers.iter().any(|container| container.first.is_some());
        if begun || self.rows.is_empty() || !is_apart(self.source, offset) {
            return;
        }
        let mut blank =
            Line { spans: self.containers.iter().map(|container| container.rest.clone()).collect() };
        while let Some(last) = blank.spans.last_mut() {
            last.text.truncate(last.text.trim_end().len());
            if !last.text.is_empty() {
                break;
            }
            blank.spans.pop();
        }
        self.rows.push(blank);
    }

    fn indentation(&self) -> usize {
        self.containers.iter().map(|container| columns(&container.rest.text)).sum()
    }

    /// Columns for text.
    fn room(&self) -> usize {
        self.width.saturating_sub(self.indentation()).max(1)
    }

    fn hang(&mut self, sign: String) {
        let rest = Span { text: " ".repeat(columns(&sign)), style: Style::Plain };
        self.open(Some(Span { text: sign, style: Style::Marker }), rest);
    }

    fn open(&mut self, first: Option<Span>, rest: Span) {
        // Half of the width is the text's, however deep it stands: ten thousand quotes in each other are one bar.
        let fits = (self.indentation() + columns(&rest.text)) * 2 <= self.width;
        self.nested.push(fits);
        if fits {
            self.containers.push(Container { first, rest });
        } else if let Some(first) = first.filter(|first| first.style == Style::Marker) {
            self.inline.push(Line { spans: vec![first] });
        }
    }

    fn close(&mut self) {
        self.flush();
        if self.nested.pop() == Some(true) {
            if self.containers.last().is_some_and(|container| container.first.is_some()) {
                self.row(Line::default());
            }
            self.containers.pop();
        }
    }

    fn style(&self) -> Style {
        let Weight { strong, emphasis, struck, heading, quote } = self.weight;
        match () {
            () if !self.links.is_empty() => Style::Link,
            () if struck > 0 => Style::Struck,
            () if heading > 0 => Style::Heading,
            () if strong > 0 && emphasis > 0 => Style::StrongEmphasis,
            () if strong > 0 => Style::Strong,
            () if emphasis > 0 => Style::Emphasis,
            () if quote > 0 => Style::Quote,
            () => Style::Plain,
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.code {
            Some(code) => code.text.push_str(text),
            None => self.styled(text, self.style()),
        }
    }

    fn styled(&mut self, text: &str, style: Style) {
        let text = visible(text);
        if let Some(link) = self.links.last_mut() {
            link.text.push_str(&text);
        }
        for (index, part) in text.split('\n').enumerate() {
            if index > 0 {
                self.line_break();
            }
            if self.inline.is_empty() {
                self.inline.push(Line::default());
            }
            if let Some(line) = self.inline.last_mut() {
                match line.spans.last_mut() {
                    Some(last) if last.style == style => last.text.push_str(part),
                    _ if part.is_empty() => {}
                    _ => line.spans.push(Span { text: part.to_owned(), style }),
                }
            }
        }
    }

    fn line_break(&mut self) {
        self.inline.push(Line::default());
    }

    fn flush(&mut self) {
        for line in std::mem::take(&mut self.inline) {
            self.lay(&line);
        }
    }

    fn lay(&mut self, line: &Line) {
        for row in wrap(line, self.room(), 0) {
            self.row(row);
        }
    }

    fn row(&mut self, row: Line) {
        let mut spans = Vec::with_capacity(self.containers.len() + row.spans.len());
        for container in &mut self.containers {
            spans.push(container.first.take().unwrap_or_else(|| container.rest.clone()));
        }
        spans.extend(row.spans);
        self.rows.push(Line { spans });
    }

    fn code(&mut self) {
        let Some(Code { label, fenced, text }) = self.code.take() else { return };
        let room = self.room();
        let lines: Vec<String> = visible(&text).lines().map(str::to_owned).collect();
        // Fences long enough for what is between them.
        let longest = lines.iter().map(|line| line.trim_start()).filter(|line| line.starts_with("```"));
        let longest = longest.map(|line| line.len() - line.trim_start_matches('`').len()).max().unwrap_or(2);
        let signs = "`".repeat((longest + 1).min(40));
        if fenced {
            self.row(fence::border(&format!("{signs}{label}"), room));
        }
        let colours = self.painter.colours(&label, &lines).cloned();
        for (index, line) in lines.iter().enumerate() {
            if fenced {
                let rows = fence::code(index, line, colours.as_ref(), room);
                rows.into_iter().for_each(|row| self.row(row));
            } else {
                let line = fence::code(index, line, None, room.saturating_sub(4).max(1));
                for mut row in line {
                    row.spans.insert(
                        0,
                        Span { text: " ".repeat(if room > 8 { 4 } else { 0 }), style: Style::Plain },
                    );
                    self.row(row);
                }
            }
        }
        if fenced {
            self.row(fence::border(&signs, room));
        }
    }
}
