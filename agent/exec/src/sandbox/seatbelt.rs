//! Owns the text of a Seatbelt profile for macOS, made of the same [`Profile`] as the walls on Linux.
//! Uses the language that `sandbox-exec` reads.
//! Never allows by default: what is not named is denied. It was not run on macOS here; its text is tested.

use std::fmt::Write as _;
use std::path::Path;

use super::{Network, Profile};

/// What `/usr/bin/sandbox-exec -p` is given for this profile; `temporary` is the private folder for scratch files.
///
/// # Errors
/// When a path is not text: the language cannot name it, and leaving it out would leave it open or closed by accident.
pub fn seatbelt(profile: &Profile, temporary: &Path) -> Result<String, String> {
    let quote = |path: &Path| -> Result<String, String> {
        let text = path.to_str().ok_or_else(|| format!("{}: not text", path.display()))?;
        if text.chars().any(char::is_control) {
            return Err(format!("{}: control characters", path.display()));
        }
        Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
    };
    let mut text = String::from(
        "(version 1)\n(deny default)\n(allow process-fork)\n(allow process-exec)\n(allow signal (target same-sandbox))\n\
         (allow process-info* (target same-sandbox))\n(allow sysctl-read)\n(allow file-read*)\n\
         (allow file-ioctl (literal \"/dev/tty\"))\n(allow pseudo-tty)\n(allow ipc-posix-sem)\n\
         (allow file-write-data (literal \"/dev/null\") (literal \"/dev/zero\") (literal \"/dev/tty\"))\n",
    );
    for path in
        [profile.root.as_path(), temporary].into_iter().chain(profile.writable.iter().map(AsRef::as_ref))
    {
        let _ = writeln!(text, "(allow file-write* (subpath {}))", quote(path)?);
    }
    // The last rule that matches decides, so what is protected comes after what is writable, and what is hidden last.
    for path in &profile.read_only {
        let path = quote(path)?;
        let _ = writeln!(text, "(deny file-write* (literal {path}) (subpath {path}))");
        let _ = writeln!(text, "(deny file-link (literal {path}) (subpath {path}))");
    }
    for path in &profile.hidden {
        let path = quote(path)?;
        let _ = writeln!(text, "(deny file-read* file-write* (literal {path}) (subpath {path}))");
    }
    // A folder above something protected cannot be renamed away from under it.
    let mut ancestors: Vec<&Path> = profile
        .read_only
        .iter()
        .chain(&profile.hidden)
        .flat_map(|path| path.ancestors().skip(1))
        .filter(|folder| folder.starts_with(&profile.root))
        .collect();
    ancestors.sort();
    ancestors.dedup();
    for folder in ancestors {
        let _ = writeln!(text, "(deny file-write-unlink (literal {}))", quote(folder)?);
    }
    match &profile.network {
        Network::Off => {}
        Network::Proxy(socket) => {
            let _ = writeln!(text, "(allow network-outbound (literal {}))", quote(socket)?);
        }
        Network::Open => {
            text.push_str("(allow network*)\n(allow mach-lookup (global-name \"com.apple.dnssd.service\"))\n")
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn profile() -> Profile {
        Profile {
            root: "/Users/dev/a \"b\"\\c".into(),
            writable: vec!["/opt/cache".into()],
            read_only: vec!["/Users/dev/a \"b\"\\c/.git".into()],
            hidden: vec!["/Users/dev/.ssh".into(), "/Users/dev/a \"b\"\\c/deep/.env".into()],
            overlay: None,
            network: Network::Off,
        }
    }

    fn written(profile: &Profile) -> String {
        seatbelt(profile, Path::new("/private/tmp/loci-1")).expect("can be written")
    }

    #[test]
    fn nothing_is_allowed_but_what_is_named() {
        let text = written(&profile());
        assert!(text.starts_with("(version 1)\n(deny default)\n"));
        let check = |line: &str| assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        check(r#"(allow file-write* (subpath "/Users/dev/a \"b\"\\c"))"#);
        check(r#"(allow file-write* (subpath "/opt/cache"))"#);
        check(r#"(allow file-write* (subpath "/private/tmp/loci-1"))"#);
        check(r#"(deny file-write-unlink (literal "/Users/dev/a \"b\"\\c/deep"))"#);
        assert!(!text.contains("network"), "{text}");
        assert_eq!(text.matches('(').count(), text.matches(')').count());
    }

    #[test]
    fn what_is_protected_comes_after_what_is_writable() {
        let text = written(&profile());
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}\n{text}"));
        assert!(at("(subpath \"/opt/cache\"))") < at("(deny file-write* "));
        assert!(at("(deny file-write* ") < at("(deny file-read* file-write* (literal \"/Users/dev/.ssh\")"));
    }

    #[test]
    fn the_network_is_what_was_asked_for() {
        let check = |network: Network, expect: &str| {
            let text = written(&Profile { network, ..profile() });
            assert!(text.contains(expect), "{expect}\n{text}");
        };
        check(Network::Proxy("/tmp/p".into()), "(allow network-outbound (literal \"/tmp/p\"))");
        check(Network::Open, "(allow network*)");
    }

    #[test]
    fn a_path_that_cannot_be_named_is_an_error() {
        for bytes in [&b"/Users/\xff"[..], b"/Users/a\nb"] {
            let path = std::ffi::OsStr::from_bytes(bytes).into();
            let profile = Profile { hidden: vec![path], ..profile() };
            assert!(seatbelt(&profile, Path::new("/tmp")).is_err());
        }
    }
}
