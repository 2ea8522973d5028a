//! Owns what a model sees: the head, the conversation, and what gives way when they do not fit.
//! Uses the provider's token counts where it has them.
//! Never changes the conversation itself: what leaves the window stays in the session.

pub mod budget;
pub mod failures;
pub mod handle;
pub mod head;
pub mod layout;
pub mod ledger;
pub mod texts;

pub use budget::Budget;
pub use layout::{Conversation, Entry, Overflow};
