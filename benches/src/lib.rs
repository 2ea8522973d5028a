//! Owns what the criterion suites share. Uses the library crates. Never part of the binary.
