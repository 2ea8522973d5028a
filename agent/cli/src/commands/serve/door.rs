//! Owns where `loci serve` listens: an address of this machine, or a socket of the file system.
//! Uses tokio's listeners.
//! Never opens a TCP socket offline, and none that other machines reach unless that was said.

use std::net::SocketAddr;
use std::path::PathBuf;

use loci_inference::serve::Door;

use crate::arguments::ServeArguments;
use crate::errors::{Failed, Usage};
use crate::project::Project;

/// Where it listens, for whoever wants to ask.
#[derive(Debug)]
pub(super) struct Place {
    /// In words.
    pub(super) shown: String,
    /// What a client is told.
    pub(super) base_url: Option<String>,
    /// A socket that goes with the service.
    file: Option<PathBuf>,
}

impl Place {
    /// Take away what the service leaves behind.
    pub(super) fn clear(&self) {
        if let Some(file) = &self.file {
            // Somebody may have removed it before.
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Whether it may be opened.
///
/// # Errors
/// Offline, or for an address that others reach.
pub(super) fn check(project: &Project, arguments: &ServeArguments) -> anyhow::Result<()> {
    if arguments.unix.is_some() {
        return Ok(());
    }
    if project.offline.asked || project.offline.enforcement.is_some() {
        return Err(Usage::error(
            "offline there is no TCP socket, not even on this machine",
            "serve on a socket of the file system: loci serve --unix PATH",
        ));
    }
    if !arguments.host.is_loopback() && !arguments.allow_remote {
        return Err(Usage::error(
            format!("other machines reach {}", arguments.host),
            "say --allow-remote if that is wanted: whoever has the token may ask, and nothing is encrypted",
        ));
    }
    Ok(())
}

/// Listen.
///
/// # Errors
/// When the address or the path is taken or not to be had.
pub(super) async fn open(arguments: &ServeArguments) -> anyhow::Result<(Door, Place)> {
    match &arguments.unix {
        Some(path) => socket(path),
        None => port(SocketAddr::new(arguments.host, arguments.port)).await,
    }
}

async fn port(address: SocketAddr) -> anyhow::Result<(Door, Place)> {
    let refused = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program listens there: take another --port, or 0 for a free one"
            }
            std::io::ErrorKind::AddrNotAvailable => "give an address of this machine with --host",
            _ => "take another --host or --port",
        };
        Failed::error(format!("{address}: {error}"), hint)
    };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    let url = format!("http://{address}/v1");
    Ok((Door::Tcp(listener), Place { shown: url.clone(), base_url: Some(url), file: None }))
}

#[cfg(unix)]
fn socket(path: &std::path::Path) -> anyhow::Result<(Door, Place)> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let refused = |error: std::io::Error| {
        Failed::error(format!("{}: {error}", path.display()), "name a path that can be made with --unix")
    };
    if let Ok(there) = std::fs::symlink_metadata(path) {
        let ours = there.file_type().is_socket();
        if !ours || std::os::unix::net::UnixStream::connect(path).is_ok() {
            let what = if ours { "another program listens there" } else { "there is a file of that name" };
            return Err(Usage::error(format!("{}: {what}", path.display()), "name another path with --unix"));
        }
        // Nobody listens: the last one ended without clearing up.
        std::fs::remove_file(path).map_err(refused)?;
    }
    let listener = tokio::net::UnixListener::bind(path).map_err(refused)?;
    // The token is asked for as well: this only keeps others from trying.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(refused)?;
    let shown = path.display().to_string();
    Ok((Door::Unix(listener), Place { shown, base_url: None, file: Some(path.to_owned()) }))
}

#[cfg(not(unix))]
fn socket(path: &std::path::Path) -> anyhow::Result<(Door, Place)> {
    Err(Usage::error(
        format!("{}: this system has no such sockets", path.display()),
        "serve on an address: --host, --port",
    ))
}
