//! Owns what sandboxes mean for a session: so far the door through which the binary becomes a helper.
//! Uses `loci_exec::sandbox`.
//! Never sets one up itself.

pub use loci_exec::sandbox::enter_if_asked;
