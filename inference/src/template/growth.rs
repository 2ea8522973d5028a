//! Owns the limit on text that a template makes while it runs: one that doubles a text forty times stops early.
//! Uses a filter behind each operand of `~` and `+`, put there before the template is parsed, and checks before filters
//! and methods that make text longer.
//! Never changes what a template writes within the limits.

use std::cell::Cell;

use minijinja::value::Rest;
use minijinja::{Environment, Error, ErrorKind, State, Value};

/// No text within a template is longer, nor is a list.
const MAX_VALUE: usize = super::MAX_OUTPUT_BYTES;
/// All texts that one rendering joins: memory and time end here. The longest known conversation needs a hundredth.
const MAX_TOTAL: usize = 1 << 30;
/// The filter behind operands. The name cannot be one that a template uses.
const GUARD: &str = "loci_within_limits";
/// Filters that make text longer, each kept under a second name.
const GROWING: [(&str, &str); 4] = [
    ("join", "loci_inner_join"),
    ("replace", "loci_inner_replace"),
    ("indent", "loci_inner_indent"),
    ("format", "loci_inner_format"),
];

thread_local! {
    /// What the rendering on this thread has joined so far.
    static SPENT: Cell<usize> = const { Cell::new(0) };
}

/// Begin a rendering on this thread.
pub(super) fn begin() {
    SPENT.set(0);
}

/// Count what is about to be made.
pub(super) fn spend(size: usize) -> Result<(), Error> {
    let total = SPENT.get().saturating_add(size);
    SPENT.set(total);
    if size > MAX_VALUE || total > MAX_TOTAL {
        return Err(Error::new(ErrorKind::InvalidOperation, "the template makes too much text"));
    }
    Ok(())
}

/// The size of a value as an operand.
fn size(value: &Value) -> usize {
    value.as_str().map_or_else(|| value.len().unwrap_or(0).saturating_mul(16), str::len)
}

/// Put the checks in.
pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter(GUARD, |value: Value| -> Result<Value, Error> {
        spend(size(&value))?;
        Ok(value)
    });
    environment.add_filter(GROWING[0].1, minijinja::filters::join);
    environment.add_filter(GROWING[1].1, minijinja::filters::replace);
    environment.add_filter(GROWING[2].1, minijinja::filters::indent);
    environment.add_filter(GROWING[3].1, minijinja::filters::format);
    for (name, inner) in GROWING {
        environment.add_filter(name, move |state: &mut State<'_, '_>, args: Rest<Value>| {
            spend(made_by(name, &args)?)?;
            state.apply_filter(inner, &args)
        });
    }
    environment.set_unknown_method_callback(|state, value, method, args| {
        // `joiner.join(items)` has its arguments the other way round.
        let all: Vec<Value> = match method {
            "join" => args.iter().chain([value]).cloned().collect(),
            _ => std::iter::once(value).chain(args).cloned().collect(),
        };
        spend(made_by(method, &all)?)?;
        minijinja_contrib::pycompat::unknown_method_callback(state, value, method, args)
    });
}

/// About how many bytes a filter or a method will make.
fn made_by(name: &str, args: &[Value]) -> Result<usize, Error> {
    let text = |at: usize| args.get(at).and_then(Value::as_str).unwrap_or_default();
    let whole = args.first().map(size).unwrap_or_default();
    Ok(match name {
        "join" => {
            let Some(items) = args.first().filter(|items| items.as_str().is_none()) else { return Ok(whole) };
            spend(whole)?;
            let mut made = 0_usize;
            for item in items.try_iter()? {
                made = made.saturating_add(size(&item) + text(1).len() + 8);
                if made > MAX_VALUE {
                    break;
                }
            }
            made
        }
        "replace" => {
            let times = if text(1).is_empty() { whole + 1 } else { text(0).matches(text(1)).count() };
            whole.saturating_add(times.saturating_mul(text(2).len()))
        }
        "indent" => {
            let width = args.get(1).and_then(Value::as_usize).unwrap_or(4);
            whole.saturating_add((text(0).lines().count() + 1).saturating_mul(width))
        }
        "format" => {
            // A width in the form makes as many letters as it says.
            let widths = text(0).split(|letter: char| !letter.is_ascii_digit());
            let widths = widths
                .map(|digits| digits.parse::<usize>().unwrap_or(usize::from(!digits.is_empty()) * MAX_VALUE));
            let widths = widths.fold(0_usize, usize::saturating_add);
            let longest = args.iter().skip(1).map(size).fold(0_usize, usize::saturating_add);
            let holes = text(0).matches(['%', '{']).count();
            whole.saturating_add(widths).saturating_add(holes.saturating_mul(longest))
        }
        _ => 0,
    })
}

/// A template with the check behind each operand of `~` and `+`.
pub(super) fn guarded(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + source.len() / 8);
    let mut rest = source;
    while let Some(at) = rest.find("{") {
        let open = &rest[at..];
        let (text, from) = rest.split_at(at);
        out.push_str(text);
        if from.starts_with("{#") {
            let end = open.find("#}").map_or(open.len(), |end| end + 2);
            out.push_str(&open[..end]);
            rest = &open[end..];
        } else if from.starts_with("{{") || from.starts_with("{%") {
            let raw = open[2..].trim_start_matches(['-', '+']).trim_start().starts_with("raw");
            if raw && from.starts_with("{%") {
                let end = open.find("endraw").map_or(open.len(), |end| end + "endraw".len());
                out.push_str(&open[..end]);
                rest = &open[end..];
                continue;
            }
            let used = guard_block(open, &mut out);
            rest = &open[used..];
        } else {
            out.push('{');
            rest = &open[1..];
        }
    }
    out.push_str(rest);
    out
}

/// Copy one block, from `{{` or `{%` to its end; the bytes read.
fn guard_block(block: &str, out: &mut String) -> usize {
    let close = if block.starts_with("{{") { "}}" } else { "%}" };
    let head = 2 + usize::from(block[2..].starts_with(['-', '+']));
    out.push_str(&block[..head]);
    let mut at = head;
    // For each bracket that is open, whether the operand that is being read stands behind `~` or `+`.
    let mut pending = vec![false];
    // Whether what stands before is an operand, so that a sign joins two.
    let mut operand = false;
    while at < block.len() {
        let rest = &block[at..];
        let depth = pending.len() - 1;
        let ends = depth == 0
            && (rest.starts_with(close) || (rest.starts_with(['-', '+']) && rest[1..].starts_with(close)));
        let letter = rest.chars().next().unwrap_or_default();
        let word: usize = rest
            .chars()
            .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
            .map(char::len_utf8)
            .sum();
        let keyword = matches!(&rest[..word], "if" | "else" | "and" | "or" | "in" | "is" | "not");
        let joins = operand && matches!(letter, '~' | '+') && !ends;
        let stops =
            ends || keyword || matches!(letter, ',' | ')' | ']' | '}' | '-' | '=' | '<' | '>' | '!' | ':');
        if (joins || (stops && pending[depth])) && operand {
            let blank = out.len() - out.trim_end().len();
            let tail = out.split_off(out.len() - blank);
            out.push('|');
            out.push_str(GUARD);
            out.push_str(&tail);
        }
        if ends {
            let size = rest.find(close).unwrap_or(0) + close.len();
            out.push_str(&rest[..size]);
            return at + size;
        }
        if joins || stops {
            pending[depth] = joins;
        }
        let size = match letter {
            '"' | '\'' => {
                operand = true;
                string_length(rest)
            }
            _ if word > 0 => {
                operand = !keyword;
                word
            }
            '(' | '[' | '{' => {
                pending.push(false);
                operand = false;
                1
            }
            ')' | ']' | '}' => {
                if pending.len() > 1 {
                    pending.pop();
                }
                operand = true;
                1
            }
            _ => {
                if !letter.is_whitespace() {
                    operand = false;
                }
                letter.len_utf8()
            }
        };
        out.push_str(&rest[..size]);
        at += size;
    }
    at
}

/// The bytes of a string with its quotes.
fn string_length(text: &str) -> usize {
    let quote = text.as_bytes()[0];
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_are_checked() {
        let check = |source: &str, expect: &str| {
            assert_eq!(guarded(source).replace("|loci_within_limits", "|G"), expect, "from {source}");
        };
        check("a ~ b + c", "a ~ b + c");
        check("{{ a ~ b }}", "{{ a|G ~ b|G }}");
        check("{{- a ~ b -}}", "{{- a|G ~ b|G -}}");
        check("{% set x = x ~ x %}", "{% set x = x|G ~ x|G %}");
        check("{{ f(a ~ b[c + 1], d) ~ e }}", "{{ f(a|G ~ b[c|G + 1|G]|G, d)|G ~ e|G }}");
        check("{{ 'a ~ b' ~ \"c\\\" ~ d\" }}", "{{ 'a ~ b'|G ~ \"c\\\" ~ d\"|G }}");
        check("{{ a ~ b if c ~ d else e }}", "{{ a|G ~ b|G if c|G ~ d|G else e }}");
        check("{{ a ~ (b if c else d) | trim ~ e }}", "{{ a|G ~ (b if c else d) | trim|G ~ e|G }}");
        check("{{ {'a': b ~ c} }}", "{{ {'a': b|G ~ c|G} }}");
        check("{%+ if a + 1 == 2 +%}", "{%+ if a|G + 1|G == 2 +%}");
        check("{{ -1 }}{{ +1 }}{{ [+1, a] }}", "{{ -1 }}{{ +1 }}{{ [+1, a] }}");
        check(
            "{# a ~ b #}{% raw %}{{ a ~ b }}{% endraw %}{{ a }}",
            "{# a ~ b #}{% raw %}{{ a ~ b }}{% endraw %}{{ a }}",
        );
        check("{ a ~ b } {{ a ~", "{ a ~ b } {{ a|G ~");
    }
}
