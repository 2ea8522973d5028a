//! Owns the host of an address (S11): read once, strictly.
//! Uses nothing.
//! Never guesses: an address with anything unusual in it has no host.

/// The host of an `http` or `https` address, in small letters, without a trailing dot.
pub(crate) fn of(address: &str) -> Option<String> {
    if !address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let (scheme, rest) = address.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    if authority.contains('@') {
        return None;
    }
    let host = match authority.split_once(':') {
        Some((host, port)) if port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return None,
        None => authority,
    };
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let labels_hold = host.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    });
    labels_hold.then_some(host)
}

/// The host that a lenient program could find in an address that has none for us; for rules that deny or ask.
pub(crate) fn perhaps(address: &str) -> Option<String> {
    let (_, rest) = address.split_once(':')?;
    let authority = rest.trim_start_matches(['/', '\\']).split(['/', '\\', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?.split(':').next()?;
    of(&format!("http://{host}"))
}

/// Whether a host is the one of a rule: `x` exactly, `*.x` at any depth below.
pub(crate) fn matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(apex) => host.strip_suffix(apex).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None if pattern == "*" => true,
        None => {
            // Another star never crosses a dot.
            let (patterns, labels): (Vec<_>, Vec<_>) =
                (pattern.split('.').collect(), host.split('.').collect());
            patterns.len() == labels.len()
                && patterns
                    .iter()
                    .zip(labels)
                    .all(|(pattern, label)| crate::glob::text_matches(pattern, label))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_strictly() {
        let check =
            |address: &str, expect: Option<&str>| assert_eq!(of(address).as_deref(), expect, "{address}");
        check("https://docs.rs/tokio", Some("docs.rs"));
        check("HTTP://Docs.RS.:8080?x", Some("docs.rs"));
        check("https://docs.rs@evil.com/", None);
        check("https://evil.com\\@docs.rs/", None);
        check("https://evil.com%00.docs.rs/", None);
        check("https://evil.com\0.docs.rs/", None);
        check("https://dоcs.rs/", None);
        check("ftp://docs.rs/", None);
        check("https:///x", None);
        check("https://docs.rs:99x/", None);
        check("https://a..b/", None);
        check("docs.rs", None);
    }

    #[test]
    fn a_denied_host_is_found_behind_whatever_hides_it() {
        let check = |address: &str, expect: Option<&str>| {
            assert_eq!(perhaps(address).as_deref(), expect, "{address}")
        };
        check("https://user:word@evil.com/x", Some("evil.com"));
        check("https://a@b@EVIL.com:99999/x", Some("evil.com"));
        check("https:\\\\evil.com\\x", Some("evil.com"));
        check("ftp://evil.com./", Some("evil.com"));
        check("evil.com", None);
        check("https://", None);
    }

    #[test]
    fn domains_match_by_label() {
        let check = |pattern: &str, host: &str, expect: bool| {
            assert_eq!(matches(pattern, host), expect, "{pattern} {host}")
        };
        check("docs.rs", "docs.rs", true);
        check("docs.rs", "evil-docs.rs", false);
        check("docs.rs", "a.docs.rs", false);
        check("*.docs.rs", "a.b.docs.rs", true);
        check("*.docs.rs", "docs.rs", false);
        check("*.docs.rs", "evildocs.rs", false);
        check("a.*.rs", "a.b.rs", true);
        check("a.*.rs", "a.b.c.rs", false);
    }
}
