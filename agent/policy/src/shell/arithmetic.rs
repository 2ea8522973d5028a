//! Owns `$((…))` and `((…))`: where they end, and whether evaluating them can run anything.
//! Uses the reader for substitutions inside them.
//! Never evaluates.

use super::reader::{Reader, Step};

impl Reader<'_> {
    /// The length of what stands between `((` and `))`, when `skip` bytes from here the first begins and the second
    /// follows; `None` when the parentheses are those of two subshells.
    pub(super) fn arithmetic_length(&self, skip: usize) -> Option<usize> {
        let inside = &self.text.as_bytes()[self.at + skip..];
        let mut open = 0usize;
        for (length, byte) in inside.iter().enumerate() {
            match byte {
                b'(' => open += 1,
                b')' if open == 0 => return (inside.get(length + 1) == Some(&b')')).then_some(length),
                b')' => open -= 1,
                // Quotes and comments would hide parentheses; no arithmetic of a careful author has them.
                b'\'' | b'"' | b'#' | b'\\' | b'`' => return None,
                _ => {}
            }
        }
        None
    }

    /// Two parentheses in a row that are read as subshells: bash takes what quotes or a comment would hide in them for
    /// arithmetic, and runs the substitutions in it. A line may be broken between the two.
    pub(super) fn looks_like_arithmetic(&mut self) {
        let behind = self.rest().get(1..).unwrap_or_default();
        if behind.starts_with(['(', '\\']) {
            self.reading.doubt("parentheses that may be arithmetic");
        }
    }

    /// Look through an arithmetic expression.
    ///
    /// Variables are evaluated again and again, so `x='a[$(id)]'; echo $((x))` runs `id`: names are only harmless
    /// while the command sets no variable to anything but a number.
    pub(super) fn arithmetic(&mut self, expression: &str) -> Step<()> {
        self.deeper()?;
        let known = |c: char| c.is_ascii_alphanumeric() || " \t\n_+-*/%<>=!&|^~?:;,()$".contains(c);
        if expression.contains(|c| !known(c)) {
            self.reading.doubt("arithmetic that may run a command");
        }
        if expression.contains(|c: char| c.is_ascii_alphabetic() || c == '_') {
            self.reading.computes = true;
        }
        self.expandable(expression)?;
        self.depth -= 1;
        Ok(())
    }
}
