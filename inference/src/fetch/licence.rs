//! Owns which licences ask nothing of whoever uses a model.
//! Uses SPDX identifiers, and the hub's own lower-case names for them.
//! Never judges: what it does not know is shown and asked about.

/// Licences that allow every use and ask for no more than that they are kept beside it.
const PERMISSIVE: [&str; 14] = [
    "apache-2.0",
    "mit",
    "mit-0",
    "bsd-2-clause",
    "bsd-3-clause",
    "bsd-3-clause-clear",
    "bsl-1.0",
    "isc",
    "zlib",
    "0bsd",
    "unlicense",
    "cc0-1.0",
    "cc-by-4.0",
    "cdla-permissive-2.0",
];

/// Whether a licence, as an SPDX expression or as the hub writes it, asks nothing that a user must decide about. Of
/// `A OR B` one is enough; of `A AND B` both count.
#[must_use]
pub fn is_permissive(licence: &str) -> bool {
    let lower = licence.trim().to_ascii_lowercase();
    let known = |part: &str| PERMISSIVE.contains(&part.trim().trim_matches(['(', ')']));
    lower.split(" or ").any(|one| one.split(" and ").all(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_permissive() {
        let check = |licence: &str, expect: bool| assert_eq!(is_permissive(licence), expect, "{licence}");
        check("Apache-2.0", true);
        check("apache-2.0", true);
        check("MIT OR Apache-2.0", true);
        check("GPL-3.0 OR MIT", true);
        check("MIT AND Llama-3.2-Community", false);
        check("Llama-3.2-Community", false);
        check("Qwen-Research", false);
        check("other", false);
        check("unknown", false);
        check("", false);
    }
}
