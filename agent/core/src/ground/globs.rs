//! Owns the patterns that words can mean: `markdown files` → `**/*.md`.
//! Uses the list of files to prefer endings that exist.
//! Never invents a folder.

use super::words::{Words, unique};

/// Endings, and the words for them.
const LANGUAGES: &[(&str, &[&str])] = &[
    ("rs", &["rust", "rs"]),
    ("py", &["python", "py"]),
    ("js", &["javascript", "js"]),
    ("ts", &["typescript", "ts"]),
    ("tsx", &["tsx", "react"]),
    ("jsx", &["jsx", "react"]),
    ("md", &["markdown", "md"]),
    ("toml", &["toml"]),
    ("json", &["json"]),
    ("yaml", &["yaml", "yml"]),
    ("yml", &["yml", "yaml"]),
    ("go", &["golang", "go"]),
    ("java", &["java"]),
    ("c", &["c"]),
    ("cpp", &["c++", "cpp"]),
    ("cc", &["c++", "cc"]),
    ("h", &["header", "headers"]),
    ("hpp", &["header", "headers", "hpp"]),
    ("html", &["html"]),
    ("css", &["css", "stylesheet", "stylesheets"]),
    ("scss", &["scss", "sass"]),
    ("sh", &["shell", "sh", "bash"]),
    ("sql", &["sql"]),
    ("txt", &["text", "txt"]),
    ("xml", &["xml"]),
    ("csv", &["csv"]),
    ("lock", &["lock", "lockfiles"]),
    ("png", &["png"]),
    ("svg", &["svg"]),
    ("jpg", &["jpg", "jpeg"]),
    ("ini", &["ini"]),
    ("rb", &["ruby", "rb"]),
    ("kt", &["kotlin", "kt"]),
    ("swift", &["swift"]),
    ("php", &["php"]),
    ("cs", &["c#", "csharp"]),
    ("lua", &["lua"]),
    ("ex", &["elixir"]),
    ("hs", &["haskell"]),
    ("zig", &["zig"]),
    ("proto", &["protobuf", "proto"]),
    ("ipynb", &["notebook", "notebooks"]),
    ("log", &["log"]),
];

/// The patterns that the words can mean, the most particular first; `**` always.
pub(crate) fn patterns(words: &Words<'_>, folders: &[String], paths: &[String]) -> Vec<String> {
    let mut found: Vec<String> = explicit(words.text);
    let endings = endings(words.text, paths);
    for folder in folders {
        let folder = folder.trim_end_matches('/');
        found.extend(endings.iter().map(|ending| format!("{folder}/**/*.{ending}")));
    }
    found.extend(endings.iter().map(|ending| format!("**/*.{ending}")));
    found.extend(folders.iter().map(|folder| format!("{}/**", folder.trim_end_matches('/'))));
    // `files named utils` and `Dockerfiles`: a name that is no ending and no folder.
    found.extend(words.paths.iter().filter(|path| !path.contains('/')).map(|path| (*path).to_owned()));
    let lower = words.lower();
    if lower.contains("test") || lower.contains("tests") {
        found.push("**/*test*".into());
    }
    found.push("**".into());
    unique(found)
}

/// Words with a star or a question mark inside are patterns as they stand.
fn explicit(text: &str) -> Vec<String> {
    text.split(|character: char| character.is_whitespace() || "\"`“”‘’«»,;()".contains(character))
        .map(|chunk| chunk.trim_matches(['?', '!', ':', '\'']).trim_end_matches('.'))
        .filter(|chunk| {
            chunk.contains('*')
                && chunk.chars().any(|character| character.is_alphanumeric() || character == '/')
        })
        .filter(|chunk| {
            chunk.chars().all(|character| character.is_alphanumeric() || "*?.{}[],/_-+@".contains(character))
        })
        .map(str::to_owned)
        .collect()
}

fn endings(text: &str, paths: &[String]) -> Vec<String> {
    let exists = |ending: &str| {
        paths.iter().any(|path| path.strip_suffix(ending).is_some_and(|before| before.ends_with('.')))
    };
    let chunks: Vec<String> = text
        .split(|character: char| character.is_whitespace() || "\"`,;()?!:".contains(character))
        .map(|chunk| chunk.trim_end_matches('.').trim_matches('\'').to_lowercase())
        .collect();
    // `.gitignore` is a file; `.proto files` is a kind of file.
    let asks_for_files = chunks.iter().any(|chunk| {
        ["files", "ending", "endings", "extension", "extensions", "every"].contains(&chunk.as_str())
    });
    let mut found: Vec<String> = Vec::new();
    for chunk in &chunks {
        // `.proto` and `*.proto` name the ending themselves.
        if let Some(ending) = chunk.strip_prefix('.')
            && !ending.is_empty()
            && ending.len() <= 10
            && ending.chars().all(char::is_alphanumeric)
            && (exists(ending) || LANGUAGES.iter().any(|(known, _)| *known == ending) || asks_for_files)
        {
            found.push(ending.to_owned());
        }
        let named: Vec<&str> = LANGUAGES
            .iter()
            .filter(|(_, names)| names.contains(&chunk.as_str()))
            .map(|(ending, _)| *ending)
            .collect();
        // `yaml` is `.yml` in a project that has only these.
        let existing: Vec<&str> = named.iter().copied().filter(|ending| exists(ending)).collect();
        found.extend(if existing.is_empty() { named } else { existing }.into_iter().map(str::to_owned));
    }
    unique(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_patterns() {
        let paths: Vec<String> = ["a.py", "b.yml", "src/c.ts", "docs/d.md"].map(str::to_owned).to_vec();
        let check = |text: &str, folders: &[&str], expect: &str| {
            let folders: Vec<String> = folders.iter().map(ToString::to_string).collect();
            let found = patterns(&Words::new(text), &folders, &paths);
            assert_eq!(found.first().map(String::as_str), Some(expect), "{text}: {found:?}");
            assert_eq!(found.last().map(String::as_str), Some("**"));
        };
        check("list all python files", &[], "**/*.py");
        check("which yaml files are in this repo?", &[], "**/*.yml");
        check("which sql files do we ship?", &[], "**/*.sql");
        check("are there files that match *_spec.rb?", &[], "*_spec.rb");
        check("find every file named config*.json", &[], "config*.json");
        check("list everything that matches src/**/*_test.go", &[], "src/**/*_test.go");
        check("typescript files in src", &["src"], "src/**/*.ts");
        check("give me the files inside docs", &["docs"], "docs/**");
        check("Show me every file ending in .proto", &[], "**/*.proto");
        check("what files does this project consist of", &[], "**");
        check("the markdown files", &[], "**/*.md");
        check("2 * 3 = 6", &[], "**");
    }
}
