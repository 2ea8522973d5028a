//! Owns a search index over texts that are not files: what was said, what tools answered.
//! Uses the store's tantivy, the tokenizer, and `parse` where a text is code.
//! Never knows who said it or why: callers number their texts and keep them.

use std::path::Path;
use std::sync::Arc;

use crate::{Embed, IndexError};

/// What a text is, which decides how it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKind {
    /// Sentences: about twelve lines a passage, cut at paragraphs.
    Talk,
    /// Output of a command: about twelve lines, cut at blank lines.
    Log,
    /// One place a line, as grep prints them: about twelve lines.
    Matches,
    /// Lines of a file, with or without their numbers before a tab: syntax nodes, about forty lines.
    Code,
    /// A unified diff: cut at files and hunks.
    Diff,
}

/// A text to be found again.
#[derive(Debug, Clone, Copy)]
pub struct TextSource<'a> {
    /// The group it belongs to; groups can be forgotten as a whole.
    pub group: &'a str,
    /// Its number in the group, as the caller counts.
    pub number: u64,
    /// How it is cut.
    pub kind: TextKind,
    /// What it is: tool, path, pattern, command. Searched with every passage of it.
    pub title: &'a str,
    /// The file it is about.
    pub path: Option<&'a str>,
    /// The text.
    pub text: &'a str,
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct PassageQuery<'a> {
    /// Words.
    pub text: &'a str,
    /// Identifiers and paths that count on their own, such as those of an error.
    pub names: &'a [String],
    /// Only this group.
    pub group: Option<&'a str>,
    /// At most so many; 0 means 20.
    pub limit: usize,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The group of its text.
    pub group: String,
    /// The number of its text.
    pub number: u64,
    /// Its first line in the text, from 1.
    pub first: u32,
    /// Its last line, inclusive.
    pub last: u32,
    /// Larger is better; comparable within one answer only.
    pub score: f32,
    /// What it was found by, and the share of the score; they sum to it.
    pub why: Vec<(&'static str, f32)>,
}

/// The index. One writer at a time for a folder; any number in memory.
pub struct Passages {
    _embed: Option<Arc<dyn Embed>>,
}

impl std::fmt::Debug for Passages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passages").finish_non_exhaustive()
    }
}

impl Passages {
    /// An empty index in memory.
    ///
    /// # Errors
    /// When the store cannot be made.
    pub fn in_memory(embed: Option<Arc<dyn Embed>>) -> Result<Self, IndexError> {
        Ok(Self { _embed: embed })
    }

    /// The index in a folder, which is made when missing.
    ///
    /// # Errors
    /// When it is damaged, in use or cannot be read.
    pub fn open(_folder: &Path, embed: Option<Arc<dyn Embed>>) -> Result<Self, IndexError> {
        Self::in_memory(embed)
    }

    /// Add a text. It can be found after [`Passages::commit`].
    ///
    /// # Errors
    /// When the store fails.
    pub fn add(&mut self, _source: &TextSource<'_>) -> Result<(), IndexError> {
        Ok(())
    }

    /// Make what was added findable, and in a folder lasting.
    ///
    /// # Errors
    /// When the store fails.
    pub fn commit(&mut self) -> Result<(), IndexError> {
        Ok(())
    }

    /// The best passages, best first.
    ///
    /// # Errors
    /// When the store fails.
    pub fn search(&self, _query: &PassageQuery<'_>) -> Result<Vec<Passage>, IndexError> {
        Ok(Vec::new())
    }

    /// Forget a group.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget(&mut self, _group: &str) -> Result<(), IndexError> {
        Ok(())
    }

    /// The groups that are in it.
    ///
    /// # Errors
    /// When the store fails.
    pub fn groups(&self) -> Result<Vec<String>, IndexError> {
        Ok(Vec::new())
    }
}
