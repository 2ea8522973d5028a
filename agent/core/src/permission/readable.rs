//! Owns which files may be shown by what reads many of them: the index, and the tools that search and list.
//! Uses the rules that deny reading.
//! Never lists what may not be read: a name in a list says that it is there.

use std::path::Path;
use std::sync::Arc;

use loci_policy::{Context, Rule, Rules};

use super::DiskFiles;

/// What the rules that deny reading leave.
#[derive(Debug, Clone, Default)]
pub struct Readable {
    /// Nothing where nothing is denied, so that most projects pay nothing.
    denied: Option<Arc<(Rules, Context)>>,
}

impl Readable {
    /// What these rules leave of the disk, in this place.
    #[must_use]
    pub fn new(rules: &Rules, context: &Context) -> Self {
        let deny: Vec<Rule> = rules.deny.iter().filter(|rule| is_about_reading(rule)).cloned().collect();
        let denied =
            (!deny.is_empty()).then(|| Arc::new((Rules { deny, ..Rules::default() }, context.clone())));
        Self { denied }
    }

    /// Whether nothing is denied.
    #[must_use]
    pub fn shows_all(&self) -> bool {
        self.denied.is_none()
    }

    /// Whether this file, by its absolute path, may be shown or named. Links are followed.
    #[must_use]
    pub fn may_show(&self, path: &Path) -> bool {
        self.denied
            .as_ref()
            .is_none_or(|denied| loci_policy::may_show(&denied.0, &denied.1, path, &DiskFiles))
    }
}

/// Whether a rule may be about reading: by its name, or by a pattern for names.
fn is_about_reading(rule: &Rule) -> bool {
    let tool = rule.text.trim().split('(').next().unwrap_or_default();
    tool == "Read" || tool.contains('*')
}

/// The paths that read rules deny, as the index takes them: patterns of gitignore that count from the root. What has no
/// such form is left to [`Readable`].
#[must_use]
pub fn index_denies(deny: &[Rule], root: &Path, home: &Path) -> Vec<String> {
    let from = |base: &Path, below: &str| below_root(&base.join(below), root);
    deny.iter()
        .filter_map(|rule| {
            let text = rule.text.trim();
            let Some(spec) = text.strip_prefix("Read(").and_then(|rest| rest.strip_suffix(')')) else {
                return (text == "Read").then(|| "/**".to_owned());
            };
            // In a rule `x/` is the folder and a file of that name alike.
            let spec = spec.trim().trim_end_matches('/');
            if let Some(below) = spec.strip_prefix("//") {
                // `//**/x` is anywhere.
                return if below.starts_with("**/") {
                    Some(below.to_owned())
                } else {
                    from(Path::new("/"), below)
                };
            }
            if let Some(below) = spec.strip_prefix("~/") {
                return from(home, below);
            }
            Some(spec.strip_prefix('.').filter(|rest| rest.starts_with('/')).unwrap_or(spec).to_owned())
        })
        .filter(|pattern| !pattern.is_empty())
        .collect()
}

/// A pattern of an absolute path as one that counts from the root: nothing where it leads elsewhere.
fn below_root(pattern: &Path, root: &Path) -> Option<String> {
    if let Ok(below) = pattern.strip_prefix(root) {
        let below = below.to_string_lossy();
        return Some(if below.is_empty() { "/**".to_owned() } else { format!("/{below}") });
    }
    // A folder above the root is denied with everything in it.
    let above = root.starts_with(pattern);
    let everything = pattern.strip_prefix("/").ok().and_then(|below| below.to_str()) == Some("**");
    let all_below = pattern.file_name().is_some_and(|name| name == "**")
        && pattern.parent().is_some_and(|parent| root.starts_with(parent));
    (above || everything || all_below).then(|| "/**".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_become_patterns_of_the_index() {
        let check = |rule: &str, expect: &[&str]| {
            let found = index_denies(&[rule.into()], Path::new("/home/dev/repo"), Path::new("/home/dev"));
            assert_eq!(found, expect, "{rule}");
        };
        check("Read(secrets/**)", &["secrets/**"]);
        check("Read(secrets/)", &["secrets"]);
        check("Read(.env)", &[".env"]);
        check("Read(/a/b)", &["/a/b"]);
        check("Read(./a)", &["/a"]);
        check("Read(//home/dev/repo/a/**)", &["/a/**"]);
        check("Read(//home/dev/repo)", &["/**"]);
        check("Read(//home/dev/**)", &["/**"]);
        check("Read(//home/**/x)", &[]);
        check("Read(//**)", &["/**"]);
        check("Read(//**/key)", &["**/key"]);
        check("Read(//etc/**)", &[]);
        check("Read(~/repo/a)", &["/a"]);
        check("Read(~/other)", &[]);
        check("Read", &["/**"]);
        check("Edit(a)", &[]);
        check("Bash(cat:*)", &[]);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_denied_is_not_shown_by_any_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("resolves");
        std::fs::create_dir(root.join("secrets")).expect("created");
        std::os::unix::fs::symlink("secrets", root.join("link")).expect("linked");
        let context =
            Context { root: root.clone(), cwd: root.clone(), home: root.clone(), ..Context::default() };
        let rules = |text: &str| Rules { deny: vec![text.into()], ..Rules::default() };
        let check = |rule: &str, path: &str, expect: bool| {
            let readable = Readable::new(&rules(rule), &context);
            assert_eq!(readable.may_show(&root.join(path)), expect, "{rule} {path}");
        };
        check("Read(secrets/**)", "secrets/key", false);
        check("Read(secrets/**)", "link/key", false);
        check("Read(secrets/**)", "open/key", true);
        check("Read", "open/key", false);
        check("R*", "open/key", false);
        check("Edit", "open/key", true);
        check("Bash(cat:*)", "open/key", true);
        assert!(Readable::default().may_show(Path::new("/x")));
    }
}
