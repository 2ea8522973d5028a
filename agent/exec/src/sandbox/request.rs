//! Owns how the helper is told what to do: pairs of a name and a value, each ended by a zero byte.
//! Uses nothing; no path holds a zero byte, and so none needs quoting, whatever its encoding.
//! Never reads a request in part: what is not understood is an error.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use super::{Level, Network, Overlay, Profile};

/// What the helper is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) level: Level,
    pub(super) profile: Profile,
    /// Where the command begins.
    pub(super) cwd: PathBuf,
    /// The value of `TMPDIR`.
    pub(super) temporary: PathBuf,
    /// Set up, report, and start nothing.
    pub(super) only_try: bool,
}

impl Request {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |name: &str, value: &OsStr| {
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        };
        put("level", OsStr::new(self.level.name()));
        put("root", self.profile.root.as_os_str());
        for (name, paths) in [
            ("writable", &self.profile.writable),
            ("read-only", &self.profile.read_only),
            ("hidden", &self.profile.hidden),
        ] {
            for path in paths {
                put(name, path.as_os_str());
            }
        }
        if let Some(overlay) = &self.profile.overlay {
            put("upper", overlay.upper.as_os_str());
            put("work", overlay.work.as_os_str());
        }
        match &self.profile.network {
            Network::Off => {}
            Network::Proxy(socket) => put("proxy", socket.as_os_str()),
            Network::Open => put("network", OsStr::new("open")),
        }
        put("cwd", self.cwd.as_os_str());
        put("temporary", self.temporary.as_os_str());
        if self.only_try {
            put("only-try", OsStr::new("yes"));
        }
        bytes
    }

    /// # Errors
    /// What is wrong with it.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let whole = bytes.strip_suffix(&[0]).ok_or("the request is cut off")?;
        let mut fields = whole.split(|&byte| byte == 0);
        let (mut level, mut root, mut cwd, mut temporary) = (None, None, None, None);
        let (mut writable, mut read_only, mut hidden) = (Vec::new(), Vec::new(), Vec::new());
        let (mut upper, mut work, mut network, mut only_try) = (None, None, Network::Off, false);
        while let Some(name) = fields.next() {
            let value = fields.next().ok_or("the request ends within a pair")?;
            let path = PathBuf::from(OsString::from_vec(value.to_vec()));
            match name {
                b"level" => {
                    level = match value {
                        b"full" => Some(Level::Full),
                        b"restricted" => Some(Level::Restricted),
                        _ => return Err("the request names no level that can be entered".to_owned()),
                    }
                }
                b"root" => root = Some(path),
                b"writable" => writable.push(path),
                b"read-only" => read_only.push(path),
                b"hidden" => hidden.push(path),
                b"upper" => upper = Some(path),
                b"work" => work = Some(path),
                b"proxy" => network = Network::Proxy(path),
                b"network" if value == b"open" => network = Network::Open,
                b"cwd" => cwd = Some(path),
                b"temporary" => temporary = Some(path),
                b"only-try" => only_try = true,
                _ => return Err(format!("the request has an unknown part: {}", name.escape_ascii())),
            }
        }
        let overlay = match (upper, work) {
            (Some(upper), Some(work)) => Some(Overlay { upper, work }),
            (None, None) => None,
            _ => return Err("the request has half an overlay".to_owned()),
        };
        let missing = || "the request lacks a part".to_owned();
        let root = root.ok_or_else(missing)?;
        Ok(Self {
            level: level.ok_or_else(missing)?,
            profile: Profile { root, writable, read_only, hidden, overlay, network },
            cwd: cwd.ok_or_else(missing)?,
            temporary: temporary.ok_or_else(missing)?,
            only_try,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(network: Network, overlay: Option<Overlay>) -> Request {
        let odd = PathBuf::from(OsString::from_vec(b"/srv/\xff\xfe odd\n".to_vec()));
        Request {
            level: Level::Full,
            profile: Profile {
                root: "/srv/repo".into(),
                writable: vec![odd, "/srv/cache".into()],
                read_only: vec!["/srv/repo/.git".into()],
                hidden: Vec::new(),
                overlay,
                network,
            },
            cwd: "/srv/repo/src".into(),
            temporary: "/tmp".into(),
            only_try: false,
        }
    }

    #[test]
    fn a_request_arrives_as_it_was_sent() {
        let overlay = || Some(Overlay { upper: "/j/upper".into(), work: "/j/work".into() });
        for network in [Network::Off, Network::Proxy("/run/p".into()), Network::Open] {
            for overlay in [None, overlay()] {
                for (level, only_try) in [(Level::Full, true), (Level::Restricted, false)] {
                    let request = Request { level, only_try, ..request(network.clone(), overlay.clone()) };
                    assert_eq!(Request::decode(&request.encode()), Ok(request));
                }
            }
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let whole = request(Network::Off, None).encode();
        for length in 0..whole.len() {
            assert!(Request::decode(&whole[..length]).is_err(), "cut after {length} bytes");
        }
        let check = |extra: &[u8]| {
            let bytes = [whole.as_slice(), extra].concat();
            assert!(Request::decode(&bytes).is_err(), "{}", extra.escape_ascii());
        };
        check(b"level\0none\0");
        check(b"network\0half\0");
        check(b"upper\0/u\0");
        check(b"new-thing\0x\0");
        check(b"lonely\0");
    }
}
