//! Owns the side of the proxy that speaks SOCKS version 5 (RFC 1928).
//! Uses names, which it leaves to be resolved here.
//! Never takes a password, and never listens or relays datagrams for a command.

use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{Host, PATIENCE, Refusal, Way};

pub(super) const VERSION: u8 = 5;
const NO_PASSWORD: u8 = 0;
const NO_METHOD: u8 = 0xff;
const CONNECT: u8 = 1;

const SUCCEEDED: u8 = 0;
const NOT_ALLOWED: u8 = 2;
const UNREACHABLE: u8 = 4;
const COMMAND_UNKNOWN: u8 = 7;
const ADDRESS_UNKNOWN: u8 = 8;

/// # Errors
/// When the connection failed or spoke something else.
pub(super) async fn serve(stream: &mut BufReader<UnixStream>, way: &Way) -> Result<()> {
    let asked = tokio::time::timeout(PATIENCE, negotiate(stream)).await.map_err(|_| ErrorKind::TimedOut)?;
    let (host, port) = asked?;
    match way.connect(&host, port).await {
        Ok((mut upstream, _)) => {
            answer(stream, SUCCEEDED).await?;
            tokio::io::copy_bidirectional(stream, &mut upstream).await.map(drop)
        }
        Err(Refusal::Forbidden(_)) => answer(stream, NOT_ALLOWED).await,
        Err(Refusal::Unreachable(_)) => answer(stream, UNREACHABLE).await,
    }
}

async fn negotiate(stream: &mut BufReader<UnixStream>) -> Result<(Vec<u8>, u16)> {
    let wrong = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
    let [version, count] = take(stream).await?;
    let mut methods = vec![0; usize::from(count)];
    stream.read_exact(&mut methods).await?;
    if version != VERSION || !methods.contains(&NO_PASSWORD) {
        stream.write_all(&[VERSION, NO_METHOD]).await?;
        return Err(wrong("a password is wanted"));
    }
    stream.write_all(&[VERSION, NO_PASSWORD]).await?;
    let [version, command, _, kind] = take(stream).await?;
    if version != VERSION || command != CONNECT {
        answer(stream, COMMAND_UNKNOWN).await?;
        return Err(wrong("only connections are made"));
    }
    let host = match kind {
        1 => Host::of(IpAddr::V4(Ipv4Addr::from(take::<4>(stream).await?))),
        4 => Host::of(IpAddr::V6(Ipv6Addr::from(take::<16>(stream).await?))),
        3 => {
            let [length] = take(stream).await?;
            let mut name = vec![0; usize::from(length)];
            stream.read_exact(&mut name).await?;
            name
        }
        _ => {
            answer(stream, ADDRESS_UNKNOWN).await?;
            return Err(wrong("an unknown kind of address"));
        }
    };
    Ok((host, u16::from_be_bytes(take(stream).await?)))
}

async fn take<const LENGTH: usize>(stream: &mut BufReader<UnixStream>) -> Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

/// Where we are bound is nobody's business.
async fn answer(stream: &mut BufReader<UnixStream>, code: u8) -> Result<()> {
    stream.write_all(&[VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0]).await
}
