//! Owns which other words stand for a word: its derivations and the abbreviations that code uses.
//! Uses nothing but a table.
//! Never knows which of them a tree holds.

/// Abbreviations and what they stand for.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("alloc", "allocate"),
    ("app", "application"),
    ("arg", "argument"),
    ("async", "asynchronous"),
    ("attr", "attribute"),
    ("auth", "authentication"),
    ("buf", "buffer"),
    ("calc", "calculate"),
    ("cert", "certificate"),
    ("char", "character"),
    ("cmd", "command"),
    ("cmp", "compare"),
    ("col", "column"),
    ("cond", "condition"),
    ("config", "configuration"),
    ("cfg", "configuration"),
    ("conn", "connection"),
    ("ctx", "context"),
    ("db", "database"),
    ("decl", "declaration"),
    ("def", "definition"),
    ("del", "delete"),
    ("dep", "dependency"),
    ("desc", "descriptor"),
    ("dir", "directory"),
    ("doc", "document"),
    ("dst", "destination"),
    ("dest", "destination"),
    ("elem", "element"),
    ("env", "environment"),
    ("err", "error"),
    ("eval", "evaluate"),
    ("exec", "execute"),
    ("expr", "expression"),
    ("ext", "extension"),
    ("fmt", "format"),
    ("func", "function"),
    ("fn", "function"),
    ("gen", "generate"),
    ("id", "identifier"),
    ("ident", "identifier"),
    ("idx", "index"),
    ("img", "image"),
    ("impl", "implementation"),
    ("info", "information"),
    ("init", "initialize"),
    ("init", "initialise"),
    ("iter", "iterator"),
    ("lang", "language"),
    ("len", "length"),
    ("lib", "library"),
    ("max", "maximum"),
    ("mem", "memory"),
    ("min", "minimum"),
    ("msg", "message"),
    ("num", "number"),
    ("obj", "object"),
    ("op", "operator"),
    ("opt", "option"),
    ("param", "parameter"),
    ("perm", "permission"),
    ("pkg", "package"),
    ("pos", "position"),
    ("pred", "predicate"),
    ("prev", "previous"),
    ("proc", "process"),
    ("prop", "property"),
    ("ptr", "pointer"),
    ("recv", "receive"),
    ("ref", "reference"),
    ("regex", "regular"),
    ("repo", "repository"),
    ("req", "request"),
    ("res", "response"),
    ("resp", "response"),
    ("ret", "return"),
    ("sep", "separator"),
    ("spec", "specification"),
    ("src", "source"),
    ("stat", "statistics"),
    ("stmt", "statement"),
    ("str", "string"),
    ("sync", "synchronous"),
    ("temp", "temporary"),
    ("tmp", "temporary"),
    ("tx", "transaction"),
    ("util", "utility"),
    ("val", "value"),
    ("var", "variable"),
    ("vec", "vector"),
    ("win", "window"),
];

/// What ends a derivation, and what stands in its place in the word it comes from.
const ENDINGS: &[(&str, &[&str])] = &[
    ("ization", &["ize"]),
    ("isation", &["ise"]),
    ("ation", &["e", "ate", ""]),
    ("ition", &["e", "it"]),
    ("ion", &["", "e"]),
    ("izer", &["ize"]),
    ("er", &["", "e"]),
    ("or", &["", "e"]),
    ("ment", &[""]),
    ("able", &["", "e"]),
    ("ible", &["", "e"]),
    ("al", &["", "e"]),
    ("ity", &["", "e"]),
    ("ly", &[""]),
];

/// The endings of words that are made from a verb.
const MADE: &[&str] = &["er", "or", "ion", "ation", "ment", "able"];

/// Words that may stand for a word in lower case, itself excluded.
pub(super) fn relatives(word: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if word.len() < 2 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return found;
    }
    let single = word.strip_suffix('s').filter(|rest| rest.len() > 2 && !rest.ends_with('s')).unwrap_or(word);
    for (short, long) in ABBREVIATIONS {
        if *short == single {
            found.push((*long).to_owned());
        } else if *long == single {
            found.push((*short).to_owned());
        }
    }
    if word.len() < 5 {
        return found;
    }
    let ending = ENDINGS.iter().find_map(|(ending, instead)| {
        single.strip_suffix(ending).filter(|base| base.len() > 2).map(|base| (base, *instead))
    });
    let base = match ending {
        Some((base, instead)) => {
            found.extend(instead.iter().map(|ending| format!("{base}{ending}")));
            base
        }
        None => {
            let base = single.strip_suffix("ing").or_else(|| single.strip_suffix("ed")).unwrap_or(single);
            base.strip_suffix('e').unwrap_or(base)
        }
    };
    if base.len() > 2 {
        found.extend(MADE.iter().map(|ending| format!("{base}{ending}")));
    }
    found.retain(|other| other != word && other.len() > 1);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_relatives() {
        for (word, expect) in [
            ("configuration", "config"),
            ("parameters", "param"),
            ("msg", "message"),
            ("serialization", "serialize"),
            ("parse", "parser"),
            ("parsing", "parser"),
            ("connection", "connect"),
            ("connect", "connection"),
            ("removal", "remove"),
            ("handler", "handle"),
        ] {
            assert!(relatives(word).iter().any(|other| other == expect), "{word}: {:?}", relatives(word));
        }
        assert!(relatives("größe").is_empty() && relatives("a").is_empty());
    }
}
