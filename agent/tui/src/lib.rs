//! Owns the rendering of events for people. Uses `protocol` only. Never reads files or talks to a model.
