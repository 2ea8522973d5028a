//! Owns the way out for commands whose network is off but for named hosts: a proxy behind a Unix socket.
//! Uses HTTP (`CONNECT` and plain requests) and SOCKS5 towards the command, and names that it resolves itself.
//! Never connects to an address that was not checked, and never decides which host is allowed: that is asked.

pub mod forward;
mod host;
mod http;
mod socks;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

use host::Host;

/// Whether a host may be reached at a port; the error says why not. It is asked for every connection and every request.
///
/// The host is in lower case and consists of letters, digits, hyphens and dots, or is an address in its usual form. To
/// allow an address or `localhost` means that one and the private network behind it, so a pattern must not match them; a
/// rule that names no port means [`USUAL_PORTS`].
pub type MayReach = Arc<dyn Fn(&str, u16) -> Result<(), String> + Send + Sync>;

/// What a host's name alone stands for.
pub const USUAL_PORTS: [u16; 2] = [80, 443];
/// Where [`forward`] listens inside an empty network namespace, in which nothing else does.
pub const INNER_PORT: u16 = 3128;

/// More connections than a package manager opens at once.
const MOST_CONNECTIONS: usize = 128;
/// For a request to arrive, and for a name to be resolved and a connection to be made.
const PATIENCE: Duration = Duration::from_secs(30);
/// Different hosts that the log tells apart.
const MOST_LOGGED: usize = 1_000;

/// A proxy that runs. Dropping it ends every connection.
#[derive(Debug)]
pub struct Proxy {
    socket: PathBuf,
    log: Arc<Log>,
    accepting: JoinHandle<()>,
}

/// A host that a command asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Its name or address, as far as it could be read.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Why it was not reached; `None` when it was.
    pub refused: Option<String>,
    /// How often.
    pub times: u64,
}

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
#[error("no proxy can listen at {}: {source}", path.display())]
pub struct ProxyError {
    /// The socket.
    path: PathBuf,
    /// What the system said.
    source: std::io::Error,
}

impl Proxy {
    /// Listen at a socket that does not exist yet, on the current tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be made. Its path has room for about a hundred bytes.
    pub fn start(socket: &Path, may_reach: MayReach) -> Result<Self, ProxyError> {
        let failed = |source| ProxyError { path: socket.to_owned(), source };
        let listener = UnixListener::bind(socket).map_err(failed)?;
        let only_ours = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(socket, only_ours).map_err(failed)?;
        let log = Arc::new(Log::default());
        let way = Way { may_reach, log: Arc::clone(&log) };
        Ok(Self { socket: socket.to_owned(), log, accepting: tokio::spawn(accept(listener, way)) })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// What was asked for since this was last called, in the order in which it first was.
    #[must_use]
    pub fn take_log(&self) -> Vec<Reached> {
        std::mem::take(&mut *self.log.entries())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        // Whoever finds it afterwards finds nobody behind it.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// What tells the programs in a command about the proxy, which [`forward`] brings to [`INNER_PORT`].
#[must_use]
pub fn environment() -> Vec<(OsString, OsString)> {
    let http = format!("http://127.0.0.1:{INNER_PORT}");
    // The `h` has names resolved by the proxy; inside there is nothing that could.
    let all = format!("socks5h://127.0.0.1:{INNER_PORT}");
    let own = "localhost,127.0.0.1,::1".to_owned();
    let names = [("HTTP_PROXY", &http), ("HTTPS_PROXY", &http), ("ALL_PROXY", &all), ("NO_PROXY", &own)];
    names
        .into_iter()
        .flat_map(|(name, value)| [(name.to_owned(), value), (name.to_ascii_lowercase(), value)])
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Reached>>);

impl Log {
    fn entries(&self) -> MutexGuard<'_, Vec<Reached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, host: &str, port: u16, refused: Option<&str>) {
        let mut entries = self.entries();
        let room = entries.len() < MOST_LOGGED;
        let known = entries
            .iter_mut()
            .find(|entry| entry.host == host && entry.port == port && entry.refused.as_deref() == refused);
        match known {
            Some(entry) => entry.times += 1,
            None if room => {
                let refused = refused.map(str::to_owned);
                entries.push(Reached { host: host.to_owned(), port, refused, times: 1 });
            }
            None => {}
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Way {
    may_reach: MayReach,
    log: Arc<Log>,
}

/// Why a host was not reached.
#[derive(Debug)]
enum Refusal {
    /// It may not be.
    Forbidden(String),
    /// It does not answer.
    Unreachable(String),
}

impl Refusal {
    fn why(&self) -> &str {
        match self {
            Self::Forbidden(why) | Self::Unreachable(why) => why,
        }
    }
}

impl Way {
    /// Check, resolve, check what came of it, and connect to exactly that.
    async fn connect(&self, host: &[u8], port: u16) -> Result<(TcpStream, Host), Refusal> {
        let connected = match Host::parse(host) {
            Ok(host) => self.reach(&host, port).await.map(|stream| (stream, host)),
            Err(why) => Err(Refusal::Forbidden(why.to_owned())),
        };
        let shown = match &connected {
            Ok((_, host)) => host.name().to_owned(),
            Err(_) => {
                let shown = String::from_utf8_lossy(&host[..host.len().min(253)]).to_ascii_lowercase();
                shown.escape_default().to_string()
            }
        };
        self.log.note(&shown, port, connected.as_ref().err().map(Refusal::why));
        connected
    }

    async fn reach(&self, host: &Host, port: u16) -> Result<TcpStream, Refusal> {
        let forbidden = |why: String| Refusal::Forbidden(why);
        let unreachable = |why: String| Refusal::Unreachable(why);
        if port == 0 {
            return Err(forbidden("there is no port 0".into()));
        }
        (self.may_reach)(host.name(), port).map_err(forbidden)?;
        let patience = |()| unreachable(format!("{} did not answer in time", host.name()));
        let found = tokio::time::timeout(PATIENCE, host.resolve(port)).await.map_err(|_| patience(()))?;
        let addresses =
            found.map_err(|error| unreachable(format!("{} cannot be found: {error}", host.name())))?;
        for address in &addresses {
            let ip = address.ip().to_canonical();
            let named = host.names_itself(ip) || (self.may_reach)(&ip.to_string(), port).is_ok();
            host::check_address(ip, named).map_err(|why| {
                forbidden(format!(
                    "{} is {ip}, {why}, and that address is not allowed by itself",
                    host.name()
                ))
            })?;
        }
        let mut last = format!("{} has no address", host.name());
        for address in addresses {
            match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = format!("{} cannot be reached: {error}", host.name()),
                Err(_) => last = format!("{} did not answer in time", host.name()),
            }
        }
        Err(unreachable(last))
    }
}

async fn accept(listener: UnixListener, way: Way) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Waiting here leaves the next ones in the queue of the socket.
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let way = way.clone();
                connections.spawn(async move {
                    serve(stream, way).await;
                    drop(place);
                });
            }
            // Out of descriptors, most likely: some will be free again.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// The first byte tells the two protocols apart: no method of HTTP begins with a 5.
async fn serve(stream: UnixStream, way: Way) {
    let mut stream = BufReader::new(stream);
    let first = match tokio::time::timeout(PATIENCE, stream.fill_buf()).await {
        Ok(Ok([first, ..])) => *first,
        _ => return,
    };
    // Whatever goes wrong on a connection ends that connection, and the program at the other end sees it.
    let _ = if first == socks::VERSION {
        socks::serve(&mut stream, &way).await
    } else {
        http::serve(&mut stream, &way).await
    };
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files and start clients directly")]
mod tests;
