//! Owns what is left of being offline where the system offers a program no filter for itself.
//! Uses the standard library.
//! Never says that something is enforced.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use super::{Attempt, Connected};

pub(super) fn close_connections() -> Result<(), Connected> {
    Ok(())
}

pub(super) fn install() -> Result<(), String> {
    Err(format!("{} offers a program no filter of system calls for itself", std::env::consts::OS))
}

pub(super) fn attempts() -> Vec<Attempt> {
    let stream = |result: io::Result<TcpListener>| result.map(drop);
    let datagram = |result: io::Result<UdpSocket>| result.map(drop);
    vec![
        Attempt::of("socket(AF_INET, SOCK_STREAM)", stream(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))),
        Attempt::of("socket(AF_INET, SOCK_DGRAM)", datagram(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))),
        Attempt::of("socket(AF_INET6, SOCK_STREAM)", stream(TcpListener::bind((Ipv6Addr::LOCALHOST, 0)))),
        Attempt::of("socket(AF_INET6, SOCK_DGRAM)", datagram(UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)))),
    ]
}
