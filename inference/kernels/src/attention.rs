//! Owns.
//! Uses.
//! Never.
