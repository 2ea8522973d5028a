//! Owns the rendering of events for people: [`App`] for the full screen, [`Transcript`] for the line-based front ends.
//! Uses `protocol` for what happens, ratatui for frames, crossterm for the names of keys.
//! Never reads files, talks to a model or writes to the terminal; whoever holds the terminal draws what this returns.

mod app;
mod approval;
pub mod commands;
mod component;
mod composer;
mod context;
mod conversation;
pub mod diff;
pub mod highlight;
mod host;
mod input;
pub mod keys;
mod lines;
pub mod markdown;
mod options;
mod route;
mod state;
mod status;
mod style;
#[cfg(test)]
mod testing;
mod text;
mod theme;
mod transcript;
mod views;
pub mod wrap;

pub use app::App;
pub use component::{Component, Context, Look, Taken};
pub use composer::Bursts;
pub use context::context_lines;
pub use host::{Completion, Effect, ModelRow, Notification, Opening, Reply, Request, SessionRow, Welcome};
pub use input::Input;
pub use lines::{Channel, Piece, Transcript};
pub use options::{Notify, Options};
pub use route::route_lines;
pub use state::{Running, State, Stream, Work};
pub use style::{Line, Span, Style};
pub use text::{base64, clip, one_line, visible};
pub use theme::{THEMES, Theme};
pub use views::help::help_lines;
