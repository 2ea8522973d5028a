//! Owns how a symbol is written by whoever asks: a name, and what it is narrowed by.
//! Uses nothing but the standard library.
//! Never looks anything up.

/// A symbol as it was asked for: the name, and the parents it is narrowed by, innermost last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    pub(crate) name: &'a str,
    pub(crate) parents: Vec<&'a str>,
}

/// `a::Type::method()`, `Type.method`, `Type#method`, `name!`.
pub(crate) fn wanted(symbol: &str) -> Wanted<'_> {
    let symbol = symbol.trim().trim_matches('`');
    let symbol = symbol.strip_suffix("()").or_else(|| symbol.strip_suffix('!')).unwrap_or(symbol);
    let mut pieces: Vec<&str> = symbol
        .split("::")
        .flat_map(|piece| piece.split("->"))
        .flat_map(|piece| piece.split(['.', '#', '/']))
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
        .collect();
    let name = pieces.pop().unwrap_or(symbol);
    Wanted { name, parents: pieces }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(symbol: &str, name: &str, parents: &[&str]) {
        assert_eq!(wanted(symbol), Wanted { name, parents: parents.to_vec() }, "{symbol}");
    }

    #[test]
    fn symbols_are_read_as_people_write_them() {
        check("load", "load", &[]);
        check("Type::method", "method", &["Type"]);
        check("a::b::Type::method()", "method", &["a", "b", "Type"]);
        check("Type.method", "method", &["Type"]);
        check("Type#method", "method", &["Type"]);
        check("`vec!`", "vec", &[]);
        check("", "", &[]);
    }
}
