//! Owns the tests of the whole: the structure of the repository, and the binary end to end.
//! Uses the built binary and the repository's own files.
//! Never uses the network, and never the user's own folders.
#![expect(
    clippy::disallowed_methods,
    reason = "the suite prepares files and starts the binary that it tests"
)]

mod suite {
    mod audit;
    mod builtin;
    #[cfg(unix)]
    mod bundle;
    mod code;
    mod command_line;
    mod context;
    #[cfg(feature = "network")]
    mod egress;
    #[cfg(target_os = "linux")]
    mod held;
    #[expect(dead_code, reason = "the library's own tests use the rest")]
    #[path = "../../../../inference/src/fetch/testing.rs"]
    mod hub_server;
    mod index;
    #[cfg(unix)]
    mod kill;
    #[cfg(feature = "network")]
    mod labels;
    mod managed;
    mod mcp;
    mod models;
    #[cfg(target_os = "linux")]
    mod offline;
    mod policy;
    #[cfg(feature = "network")]
    mod providers;
    mod qualify;
    #[cfg(feature = "network")]
    mod reach;
    #[cfg(feature = "network")]
    mod routing;
    mod sandbox;
    #[cfg(target_os = "linux")]
    mod screen;
    #[cfg(feature = "network")]
    mod serve;
    #[cfg(feature = "network")]
    mod service;
    mod session;
    mod sessions;
    mod structure;
    mod terminal;
    mod world;
}
