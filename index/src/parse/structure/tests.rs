//! Owns what the structure of each kind of document must be.
//! Uses `super`.
//! Never reads files.
