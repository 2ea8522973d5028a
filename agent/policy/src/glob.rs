//! Owns two small pattern languages: text with `*`, and paths with gitignore's wildcards.
//! Uses nothing; each match is linear in the text for text patterns, and needs no compilation for either.
//! Never knows where a path starts; that is `rule`.

/// Text in which `*` stands for any text, and `\*` for a star.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextPattern {
    /// The literal pieces between the stars; never empty.
    segments: Vec<String>,
}

impl TextPattern {
    pub(crate) fn new(pattern: &str) -> Self {
        Self { segments: split_stars(pattern) }
    }

    /// Whether a star stands in it.
    pub(crate) fn has_star(&self) -> bool {
        self.segments.len() > 1
    }

    /// The pattern, if it is plain text.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Whether it matches the whole text. Linear: the earliest place for each piece is as good as any.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let [first, middle @ .., last] = self.segments.as_slice() else {
            return self.literal() == Some(text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for segment in middle {
            let Some(at) = rest.find(segment.as_str()) else { return false };
            rest = &rest[at + segment.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

/// Whether `pattern`, in which `*` stands for any text, matches the whole of `text`.
pub(crate) fn text_matches(pattern: &str, text: &str) -> bool {
    TextPattern::new(pattern).matches(text)
}

/// The literal pieces between the stars: `a*b` gives `a`, `b`.
fn split_stars(pattern: &str) -> Vec<String> {
    let mut segments = vec![String::new()];
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, segments.last_mut()) {
            ('*', _) => segments.push(String::new()),
            ('\\', Some(segment)) if characters.peek() == Some(&'*') => {
                segment.push('*');
                characters.next();
            }
            (_, Some(segment)) => segment.push(character),
            (_, None) => {}
        }
    }
    segments
}

/// Whether the components of a pattern match the components of a path, or of one of its ancestors: what holds for a
/// folder holds for everything below. `**` stands for any number of components.
pub(crate) fn path_matches(pattern: &[&str], path: &[&str]) -> bool {
    // Where the last `**` stood, and how much of the path it has taken.
    let (mut p, mut t) = (0, 0);
    let mut resume: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() {
            // The pattern is used up: this component and all below it match.
            return true;
        }
        if pattern[p] == "**" {
            if p + 1 == pattern.len() {
                return t < path.len();
            }
            resume = Some((p, t));
            p += 1;
        } else if t < path.len() && component_matches(pattern[p], path[t]) {
            p += 1;
            t += 1;
        } else if let Some((star, taken)) = resume
            && taken < path.len()
        {
            resume = Some((star, taken + 1));
            (p, t) = (star + 1, taken + 1);
        } else {
            return false;
        }
    }
}

/// Whether one component matches: `*`, `?`, `[a-z]`, `[!a]`, `\` before a character that stands for itself.
pub(crate) fn component_matches(pattern: &str, name: &str) -> bool {
    let special = ['*', '?', '[', '\\'];
    if !pattern.contains(special) {
        return pattern == name;
    }
    if let Some(end) = pattern.strip_prefix('*')
        && !end.contains(special)
    {
        return name.ends_with(end);
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut resume: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                resume = Some((p, n));
                p += 1;
                continue;
            }
            Some(_) => one_matches(&pattern, p, name[n]),
            None => None,
        };
        if let Some(next) = step {
            p = next;
            n += 1;
        } else if let Some((star, taken)) = resume {
            resume = Some((star, taken + 1));
            (p, n) = (star + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&character| character == '*')
}

/// Where the pattern goes on when its element at `p` takes this character.
fn one_matches(pattern: &[char], p: usize, character: char) -> Option<usize> {
    match pattern[p] {
        '?' => Some(p + 1),
        '\\' => (pattern.get(p + 1) == Some(&character)).then_some(p + 2),
        '[' => match class_matches(pattern, p, character) {
            Some((true, next)) => Some(next),
            Some((false, _)) => None,
            None => (character == '[').then_some(p + 1),
        },
        literal => (literal == character).then_some(p + 1),
    }
}

/// Whether the class that opens at `open` has the character, and where it ends; `None` when it never closes.
fn class_matches(pattern: &[char], open: usize, character: char) -> Option<(bool, usize)> {
    let mut at = open + 1;
    let negated = matches!(pattern.get(at), Some('!' | '^'));
    at += usize::from(negated);
    let mut found = false;
    let mut first = true;
    loop {
        let mut low = *pattern.get(at)?;
        if low == ']' && !first {
            return Some((found != negated, at + 1));
        }
        first = false;
        if low == '\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let high = match (pattern.get(at), pattern.get(at + 1)) {
            (Some('-'), Some(&high)) if high != ']' => {
                at += 2;
                high
            }
            _ => low,
        };
        found |= (low..=high).contains(&character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_in_text() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(text_matches(pattern, text), expect, "{pattern} | {text}");
        };
        check("git status", "git status", true);
        check("git status", "git status -s", false);
        check("git*", "gitk", true);
        check("*", "", true);
        check("git * main", "git push origin main", true);
        check("git * main", "git main", false);
        check("* --help", "npm --help", true);
        check("a*a", "a", false);
        check("a*b*c", "aXbYc", true);
        check("a*b*c", "acb", false);
        check("echo \\*", "echo *", true);
        check("echo \\*", "echo x", false);
    }

    #[test]
    fn wildcards_in_paths() {
        let check = |pattern: &str, path: &str, expect: bool| {
            let pattern: Vec<&str> = pattern.split('/').collect();
            let path: Vec<&str> = path.split('/').collect();
            assert_eq!(path_matches(&pattern, &path), expect, "{pattern:?} {path:?}");
        };
        check("src", "src", true);
        check("src", "src/a/b", true);
        check("src", "srcs", false);
        check("src/**", "src", false);
        check("src/**", "src/a/b", true);
        check("**/.env", ".env", true);
        check("**/.env", "a/b/.env", true);
        check("**/.env", "a/b/.environment", false);
        check("**/a/**/z", "q/a/z", true);
        check("**/a/**/z", "a/b/c/z/deeper", true);
        check("**/a/**/z", "b/z", false);
        check("*.rs", "lib.rs", true);
        check("*.rs", "lib.rs.bak", false);
        check("a?c", "abc", true);
        check("[a-c]x", "bx", true);
        check("[!a-c]x", "bx", false);
        check("[]x]", "]", true);
        check("[x", "[x", true);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("*a*a*a*b", &"a".repeat(200), false);
    }
}
