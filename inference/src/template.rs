//! Owns chat templates, rendered as Hugging Face renders them.
//! Uses minijinja with fuel, depth and output limits.
//! Never reads the clock, and never lets text of others become markup.

/// A chat template, parsed.
#[derive(Debug)]
pub struct ChatTemplate {
    source: String,
}

impl ChatTemplate {
    /// The Jinja source.
    pub fn source(&self) -> &str {
        &self.source
    }
}
