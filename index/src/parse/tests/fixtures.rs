//! Owns one source for each language with all that it can define, and what must be found in it.
//! Uses the files beside it: `sample.EXT` is read, `sample.EXT.tags` expected.
//! Never compares signatures; `super` does.

use super::*;

fn check_sample(path: &str, text: &str, expect: &str) {
    // Half a file is a file too.
    for at in (0..text.len()).step_by(97).filter(|&at| text.is_char_boundary(at)) {
        check_places(path, &text[..at]);
        check_places(path, &text[at..]);
    }
    let (definitions, uses) = read(path, text);
    let seen = format!("{}\n\n{}\n", definitions.join("\n"), uses.join("\n"));
    let first = seen.lines().zip(expect.lines()).find(|(seen, expect)| seen != expect);
    assert_eq!(seen, expect, "{path}, first difference: {first:?}");
}

macro_rules! sample {
    ($name:ident, $ending:literal) => {
        #[test]
        fn $name() {
            check_sample(
                concat!("sample.", $ending),
                include_str!(concat!("sample.", $ending)),
                include_str!(concat!("sample.", $ending, ".tags")),
            );
        }
    };
    ($name:ident, $ending:literal, $feature:literal) => {
        #[cfg(feature = $feature)]
        sample!($name, $ending);
    };
}

sample!(rust, "rs");
sample!(python, "py");
sample!(javascript, "jsx");
sample!(typescript, "ts");
sample!(go, "go");
sample!(java, "java");
sample!(c, "c");
sample!(cpp, "cpp");
sample!(shell, "sh");
sample!(lua, "lua");
sample!(zig, "zig");
sample!(csharp, "cs", "csharp");
sample!(ruby, "rb", "ruby");
sample!(php, "php", "php");
sample!(kotlin, "kt", "kotlin");
sample!(swift, "swift", "swift");
sample!(scala, "scala", "scala");
sample!(haskell, "hs", "haskell");
sample!(elixir, "ex", "elixir");
