//! Owns how the words of a model look: markdown that comes in pieces, as rows of a width.
//! Uses `blocks` to find what is complete, `writer` for its rows, `fence` for code at the left edge.
//! Never changes the text of a row that it called settled, never hides an address, and never reads anything.

mod blocks;
mod fence;
mod table;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;

use crate::highlight::Colours;
use crate::style::Line;
use fence::Fence;
use writer::Painter;

/// Bytes of one block, a list or a paragraph, that are taken together; a longer one is parted at a line break. So a frame
/// parses no more than this. An answer's longest list has a tenth of it; code at the left edge is not limited.
const BLOCK: usize = 32 * 1024;

/// A text in markdown that may still grow.
///
/// Links that refer to a definition elsewhere (`[text][label]`) stay as they were written: a definition that comes late
/// would change rows that were read already, and one that comes early would hide an address.
#[derive(Debug, Clone, Default)]
pub struct Document {
    source: String,
    ended: bool,
    /// Where what is not complete begins.
    start: usize,
    pieces: Vec<Piece>,
    width: usize,
    rows: Vec<Line>,
    /// Rows of the pieces; what is behind them belongs to the text that is not complete.
    settled: usize,
    stale: bool,
}

/// A block that is complete, or code whose lines are.
#[derive(Debug, Clone)]
struct Piece {
    source: Range<usize>,
    /// The author left a line between it and what is before.
    apart: bool,
    fence: Option<Fence>,
    colours: Vec<Colours>,
    /// Lines whose colours are in its rows.
    painted: usize,
    rows: Range<usize>,
}

impl Document {
    /// More of the text.
    pub fn push(&mut self, text: &str) {
        self.source.push_str(text);
        self.stale |= !text.is_empty();
    }

    /// There will be no more of it.
    pub fn end(&mut self) {
        self.stale |= !self.ended;
        self.ended = true;
    }

    /// The text as it came.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The rows at this width, none of them with a line break.
    pub fn rows(&mut self, width: usize) -> &[Line] {
        let width = width.max(1);
        if self.width != width {
            self.width = width;
            self.lay_all();
            self.stale = true;
        }
        if self.stale {
            self.stale = false;
            self.rows.truncate(self.settled);
            self.advance();
            self.settled = self.rows.len();
            self.lay_tail();
        }
        self.recolour();
        &self.rows
    }

    /// How many of the rows that were asked for last will keep their text at that width. Their colours may come later.
    #[must_use]
    pub fn settled(&self) -> usize {
        self.settled
    }

    /// Whether the rows that were asked for last have all the colours that they will have.
    #[must_use]
    pub fn is_coloured(&self) -> bool {
        let has_all =
            |piece: &Piece| piece.known() == piece.painted && piece.colours.iter().all(Colours::is_settled);
        self.pieces.iter().all(has_all)
    }

    /// Wait until all code that is complete has its colours: for what is shown once.
    pub fn wait_for_colours(&mut self) {
        for piece in &self.pieces {
            piece.colours.iter().for_each(Colours::wait);
        }
    }

    /// Take in what became complete.
    fn advance(&mut self) {
        loop {
            if self.open_fence() {
                self.read_fence();
                if self.open_fence() {
                    return;
                }
            } else if !self.take_blocks() {
                return;
            }
        }
    }

    fn open_fence(&self) -> bool {
        self.pieces.last().and_then(|piece| piece.fence.as_ref()).is_some_and(|fence| !fence.is_closed())
    }

    /// Blocks behind which another one begins are complete. Whether there were any.
    fn take_blocks(&mut self) -> bool {
        let (from, tail) = (self.start, &self.source[self.start..]);
        let more = tail.len() > BLOCK;
        let reach = if more { tail.floor_char_boundary(BLOCK) } else { tail.len() };
        let complete = match tail[..reach].rfind('\n') {
            _ if self.ended && !more => reach,
            Some(at) => at + 1,
            None if more => reach,
            None => return false,
        };
        let blocks = blocks::find(&tail[..complete]);
        let last = blocks.len().saturating_sub(1);
        let mut taken = from;
        for (index, block) in blocks.iter().enumerate() {
            let range =
                from + block.start..blocks.get(index + 1).map_or(from + complete, |next| from + next.start);
            // Code that was read to its end goes further than the grammar thought.
            if range.start < taken {
                break;
            }
            if let Some(fence) = block.fence.clone() {
                let body = from + block.body;
                self.add(range.start..body, Some(fence));
                self.start = body;
                self.read_fence();
                taken = self.start;
                if self.open_fence() {
                    return true;
                }
                // Blank lines behind it belong to nothing.
                if self.source[taken.min(range.end)..range.end].trim().is_empty() {
                    taken = taken.max(range.end);
                }
            } else if index < last || (self.ended && !more) || (more && blocks.len() == 1) {
                taken = range.end;
                self.add(range, None);
            }
            self.start = taken;
        }
        taken > from
    }

    fn add(&mut self, source: Range<usize>, fence: Option<Fence>) {
        let apart = blocks::is_apart(&self.source, source.start);
        let piece = Piece { source, apart, fence, colours: Vec::new(), painted: 0, rows: 0..0 };
        self.pieces.push(piece);
        self.lay(self.pieces.len() - 1);
    }

    /// Lines of code that are complete, up to the end of the code.
    fn read_fence(&mut self) {
        let Some(piece) = self.pieces.last_mut() else { return };
        let Some(fence) = &mut piece.fence else { return };
        let before = fence.lines();
        self.start = fence.read(&self.source, self.start, self.ended);
        piece.source.end = self.start;
        let lines: Vec<String> = fence.shown(&self.source).skip(before).collect();
        if piece.colours.is_empty() && fence.is_closed() {
            piece.colours.push(Colours::of_block(fence.label(), &lines));
        } else {
            if piece.colours.is_empty() {
                piece.colours.push(Colours::of(fence.label()));
            }
            if let Some(colours) = piece.colours.first() {
                colours.push(lines.clone());
                if fence.is_closed() {
                    let all: Vec<String> = fence.shown(&self.source).collect();
                    colours.keep(fence.label(), &all);
                }
            }
        }
        for (index, line) in lines.iter().enumerate() {
            self.rows.extend(fence.row(before + index, line, piece.colours.first(), self.width));
        }
        if fence.is_closed() {
            self.rows.push(fence.last_row(self.width));
        }
        piece.rows.end = self.rows.len();
    }

    fn lay_all(&mut self) {
        self.rows.clear();
        for index in 0..self.pieces.len() {
            self.lay(index);
        }
        self.settled = self.rows.len();
    }

    /// The rows of a piece, behind those that are there.
    fn lay(&mut self, index: usize) {
        let piece = &mut self.pieces[index];
        if piece.apart && !self.rows.is_empty() {
            self.rows.push(Line::default());
        }
        let from = self.rows.len();
        piece.write(&self.source, self.width, &mut self.rows);
        piece.rows = from..self.rows.len();
    }

    /// What is not complete, as it would look if it were.
    fn lay_tail(&mut self) {
        let tail = &self.source[self.start..];
        if let Some(fence) =
            self.pieces.last().and_then(|piece| piece.fence.as_ref()).filter(|_| self.open_fence())
        {
            if let Some(line) = fence.beginning(tail) {
                self.rows.extend(fence.row(usize::MAX, &line, None, self.width));
            }
            return;
        }
        if tail.trim().is_empty() {
            return;
        }
        let skipped = blocks::blank_lines(tail);
        if blocks::is_apart(&self.source, self.start + skipped) && !self.rows.is_empty() {
            self.rows.push(Line::default());
        }
        let mended = blocks::mended(&tail[skipped..]);
        self.rows.extend(writer::rows(&mended, self.width, &mut Painter::Plain));
    }

    /// Colours that came since.
    fn recolour(&mut self) {
        for piece in &mut self.pieces {
            let known = piece.known();
            if known <= piece.painted {
                continue;
            }
            let mut rows = Vec::with_capacity(piece.rows.len());
            piece.write(&self.source, self.width, &mut rows);
            // The same texts take the same rows.
            if rows.len() == piece.rows.len() {
                self.rows.splice(piece.rows.clone(), rows);
            }
        }
    }
}

impl Piece {
    fn known(&self) -> usize {
        self.colours.iter().map(Colours::known).sum()
    }

    fn write(&mut self, source: &str, width: usize, rows: &mut Vec<Line>) {
        self.painted = self.known();
        match &self.fence {
            Some(fence) => {
                let colours = self.colours.first();
                rows.push(fence.first_row(width));
                for (index, line) in fence.shown(source).enumerate() {
                    rows.extend(fence.row(index, &line, colours, width));
                }
                if fence.is_closed() {
                    rows.push(fence.last_row(width));
                }
            }
            None => {
                let mut painter = Painter::Colours { blocks: &mut self.colours, next: 0 };
                rows.extend(writer::rows(&source[self.source.clone()], width, &mut painter));
            }
        }
    }
}

/// All rows of a text that is complete, and whether its code has all its colours.
#[must_use]
pub fn rows(text: &str, width: usize) -> (Vec<Line>, bool) {
    let mut document = whole(text);
    let rows = document.rows(width).to_vec();
    (rows, document.is_coloured())
}

/// As [`rows`], with the colours: it waits for them.
#[must_use]
pub fn coloured(text: &str, width: usize) -> Vec<Line> {
    let mut document = whole(text);
    let _ = document.rows(width);
    document.wait_for_colours();
    document.rows(width).to_vec()
}

fn whole(text: &str) -> Document {
    let mut document = Document::default();
    document.push(text);
    document.end();
    document
}
