//! Owns the rendering of events for people, as text: [`Transcript`] for the line-based front ends.
//! Uses `protocol` only.
//! Never reads files, talks to a model or writes to the terminal; whoever holds the terminal prints what this returns.

mod context;
mod lines;
mod route;
mod style;
mod text;

pub use context::context_lines;
pub use lines::{Channel, Piece, Transcript};
pub use route::route_lines;
pub use style::{Line, Span, Style};
pub use text::{clip, one_line, visible};
