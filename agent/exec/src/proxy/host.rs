//! Owns what counts as a host, and which addresses a name may stand for.
//! Uses the system's resolver.
//! Never guesses: what is not plainly a name or an address is refused.

use std::io::Result as IoResult;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A host as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    /// In lower case, without a dot at its end.
    Name(String),
    /// An address, and its usual form.
    Address(IpAddr, String),
}

impl Host {
    /// Letters, digits, hyphens and dots, or an address (in brackets where it is one of version 6).
    ///
    /// # Errors
    /// Why it is neither.
    pub(super) fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(text).map_err(|_| "a host consists of letters, digits and hyphens")?;
        let address = |ip: IpAddr| {
            let ip = ip.to_canonical();
            Self::Address(ip, ip.to_string())
        };
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let ip: Ipv6Addr = inner.parse().map_err(|_| "it is no address of version 6")?;
            return Ok(address(ip.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if !name.bytes().all(letters) {
            return Err("a host consists of letters, digits, hyphens and dots");
        }
        let label =
            |label: &str| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-');
        if name.len() > 253 || !name.split('.').all(label) {
            return Err("a host has labels of 1 to 63 characters, and no hyphen at either end of one");
        }
        // `127.1`, `0x7f.1` and `2130706433` are addresses to some resolvers and names to others.
        let last = name.rsplit('.').next().unwrap_or_default();
        let hexadecimal =
            last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit()) {
            let ip: Ipv4Addr = name.parse().map_err(|_| "an address has four numbers")?;
            return Ok(address(ip.into()));
        }
        Ok(Self::Name(name))
    }

    pub(super) fn of(ip: IpAddr) -> Vec<u8> {
        match ip.to_canonical() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        }
        .into_bytes()
    }

    /// As rules name it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Address(_, name) => name,
        }
    }

    /// As a URL names it.
    pub(super) fn in_url(&self) -> String {
        match self {
            Self::Address(IpAddr::V6(ip), _) => format!("[{ip}]"),
            _ => self.name().to_owned(),
        }
    }

    /// Whether allowing this host was allowing this address.
    pub(super) fn names_itself(&self, ip: IpAddr) -> bool {
        match self {
            Self::Address(own, _) => *own == ip,
            Self::Name(name) => name == "localhost" && ip.is_loopback(),
        }
    }

    /// Its addresses.
    ///
    /// # Errors
    /// What the resolver said.
    pub(super) async fn resolve(&self, port: u16) -> IoResult<Vec<SocketAddr>> {
        Ok(match self {
            Self::Address(ip, _) => vec![SocketAddr::new(*ip, port)],
            // No resolver may say that it is elsewhere.
            Self::Name(name) if name == "localhost" => {
                vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
            }
            Self::Name(name) => tokio::net::lookup_host((name.as_str(), port)).await?.collect(),
        })
    }
}

/// Whether an address is one of the Internet's. One that is `named` by a rule may be private too, but not everything.
///
/// # Errors
/// What it is instead.
pub(super) fn check_address(ip: IpAddr, named: bool) -> Result<(), &'static str> {
    match (kind(ip), named) {
        (Kind::Public, _) | (Kind::Private, true) => Ok(()),
        (Kind::Private, false) => Err("an address of this machine or of a private network"),
        (Kind::Nobody, _) => Err("an address that no service on the Internet has"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    /// This machine, the local network, or one between the two and the Internet.
    Private,
    /// Link-local (where clouds answer with credentials), multicast, reserved, for documents.
    Nobody,
}

/// By the registries of special-purpose addresses (RFC 6890 and its updates).
fn kind(ip: IpAddr) -> Kind {
    match ip.to_canonical() {
        IpAddr::V4(ip) => kind_of_four(ip),
        IpAddr::V6(ip) => kind_of_six(ip),
    }
}

fn kind_of_four(ip: Ipv4Addr) -> Kind {
    match ip.octets() {
        [127 | 10, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Kind::Private,
        [0, ..] | [169, 254, ..] | [192, 0, 0 | 2, _] | [198, 18 | 19, ..] => Kind::Nobody,
        [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] | [224..=255, ..] => Kind::Nobody,
        _ => Kind::Public,
    }
}

fn kind_of_six(ip: Ipv6Addr) -> Kind {
    let segments = ip.segments();
    let [.., a, b, c, d] = ip.octets();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        [0xfc00..=0xfdff, ..] => Kind::Private,
        // The address of version 4 that a gateway puts in for it.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => kind_of_four(Ipv4Addr::new(a, b, c, d)),
        // Teredo and others that carry an address within; documents; 6to4.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
            Kind::Nobody
        }
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly() {
        let check = |text: &[u8], expect: Option<&str>| {
            let found = Host::parse(text).ok();
            assert_eq!(found.as_ref().map(Host::name), expect, "{}", text.escape_ascii());
        };
        check(b"crates.io", Some("crates.io"));
        check(b"Static.CRATES.io.", Some("static.crates.io"));
        check(b"xn--bcher-kva.example", Some("xn--bcher-kva.example"));
        check(b"localhost", Some("localhost"));
        check(b"1password.com", Some("1password.com"));
        check(b"0x7f.example", Some("0x7f.example"));
        check(b"192.0.2.1", Some("192.0.2.1"));
        check(b"[2001:db8::1]", Some("2001:db8::1"));
        check(b"[2001:DB8:0:0::1]", Some("2001:db8::1"));
        check(b"[::ffff:127.0.0.1]", Some("127.0.0.1"));
        for refused in [
            &b""[..],
            b".",
            b"..",
            b"a..b",
            b".a",
            b"a.b..",
            b"evil.com\0.crates.io",
            b"evil.com .crates.io",
            b"user@crates.io",
            b"crates.io:443",
            b"crates.io/",
            b"crates.io%2eevil.com",
            b"crates_io",
            b"-a.b",
            b"a-.b",
            b"b\xc3\xbccher.example",
            b"\xff.example",
            b"crates\xe3\x80\x82io",
            b"127.1",
            b"2130706433",
            b"0x7f000001",
            b"0x7f.0.0.0x1",
            b"0177.0.0.1",
            b"127.0.0.1.1",
            b"256.1.1.1",
            b"::1",
            b"[::1",
            b"[fe80::1%eth0]",
            b"[127.0.0.1]",
        ] {
            check(refused, None);
        }
        check(&[b'a'; 63], Some(&"a".repeat(63)));
        check(&[b'a'; 64], None);
        check("a.".repeat(128).as_bytes(), None);
    }

    #[test]
    fn only_the_internet_is_public() {
        let check = |address: &str, expect: Kind| {
            assert_eq!(kind(address.parse().expect("an address")), expect, "{address}");
        };
        for address in ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.128.0.1", "192.0.1.1", "223.255.255.255"]
        {
            check(address, Kind::Public);
        }
        for address in ["2606:4700::1111", "64:ff9b::101:101", "::ffff:1.1.1.1", "2001:200::1"] {
            check(address, Kind::Public);
        }
        for address in ["127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1"] {
            check(address, Kind::Private);
        }
        for address in ["::1", "fc00::1", "fdff::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"]
        {
            check(address, Kind::Private);
        }
        for address in
            ["0.0.0.0", "169.254.169.254", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1"]
        {
            check(address, Kind::Nobody);
        }
        let six =
            ["::", "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "::7f00:1"];
        for address in
            six.into_iter().chain(["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1"])
        {
            check(address, Kind::Nobody);
        }
    }

    #[test]
    fn what_is_named_may_be_private_but_never_link_local() {
        let check = |address: &str, named: bool, expect: bool| {
            let ip = address.parse().expect("an address");
            assert_eq!(check_address(ip, named).is_ok(), expect, "{address} {named}");
        };
        check("1.1.1.1", false, true);
        check("10.0.0.1", false, false);
        check("10.0.0.1", true, true);
        check("::1", false, false);
        check("::1", true, true);
        check("169.254.169.254", false, false);
        check("169.254.169.254", true, false);
    }
}
