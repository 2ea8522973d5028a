//! Owns the inner end of the proxy: what listens on loopback in an empty network namespace and passes on to the socket.
//! Uses plain threads, since it runs in a process that has nothing else.
//! Never looks at what it passes on: the other end checks it.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// As many as the other end takes.
const MOST_CONNECTIONS: usize = super::MOST_CONNECTIONS;
/// A thread needs room for its buffer and little more.
const STACK: usize = 128 * 1024;

/// Pass every connection on to the socket, until the process ends.
pub fn forward(listener: &TcpListener, socket: &Path) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let Ok((stream, _)) = listener.accept() else {
            // Out of descriptors, most likely: some will be free again.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        if open.load(Ordering::Acquire) >= MOST_CONNECTIONS {
            continue;
        }
        let place = Place::take(&open);
        let socket = socket.to_owned();
        // Without a thread the connection closes, which the program sees.
        let _ = spawn(move || {
            let _place = place;
            let _ = pass_on(&stream, &socket);
        });
    }
}

struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().stack_size(STACK).spawn(work)
}

fn pass_on(inside: &TcpStream, socket: &Path) -> Result<()> {
    let outside = UnixStream::connect(socket)?;
    let (from, to) = (inside.try_clone()?, outside.try_clone()?);
    let asking = spawn(move || {
        pump(from, &to);
        let _ = to.shutdown(Shutdown::Write);
    })?;
    pump(&outside, inside);
    let _ = inside.shutdown(Shutdown::Write);
    // One that has said everything is not cut off while the other still speaks.
    let _ = asking.join();
    Ok(())
}

fn pump(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                if to.write_all(&buffer[..length]).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
