//! Owns the structure of Protocol Buffers: messages, enums, services, their members.
//! Uses words and braces.
//! Never resolves types.

use super::{Items, count, numbered, word};
use crate::parse::Tag;

/// What a `.proto` file declares.
pub(in crate::parse) fn protobuf(text: &str) -> Vec<Tag> {
    let mut items = Items::default();
    let mut depth = 0usize;
    // What each open brace belongs to.
    let mut around: Vec<&str> = Vec::new();
    let mut in_comment = false;
    for (number, line) in numbered(text) {
        let code = line.split("//").next().unwrap_or_default().trim();
        if in_comment || code.starts_with("/*") {
            in_comment = !code.contains("*/");
            continue;
        }
        let (first, rest) = word(code);
        let rest = rest.trim_start();
        let (name, _) = word(rest);
        let block = match first {
            "message" => "struct",
            "enum" => "enum",
            "service" => "service",
            "rpc" => "method",
            "oneof" => "oneof",
            _ => "",
        };
        if matches!(block, "struct" | "enum" | "service" | "method") {
            items.push(depth, block, name, number, code.trim_end_matches(['{', ' ', ';']));
        } else if block == "oneof" {
            items.push(depth, "field", name, number, code.trim_end_matches(['{', ' ']));
        } else if block.is_empty() && code.contains('=') && !matches!(first, "option" | "reserved" | "syntax")
        {
            let before = code.split('=').next().unwrap_or_default().trim_end();
            let name = before.rsplit([' ', '>']).next().unwrap_or_default();
            match around.last() {
                Some(&"enum") => items.push(depth, "variant", name, number, code.trim_end_matches(';')),
                Some(&("struct" | "oneof")) => {
                    items.push(depth, "field", name, number, code.trim_end_matches(';'))
                }
                _ => {}
            }
        }
        if !code.contains('{') && !matches!(block, "struct" | "enum" | "service") {
            items.close(depth, number);
        }
        for byte in code.bytes() {
            match byte {
                b'{' => {
                    around.push(block);
                    depth += 1;
                }
                b'}' => {
                    around.pop();
                    depth = depth.saturating_sub(1);
                    items.close(depth, number);
                }
                _ => {}
            }
        }
    }
    items.finish(count(text))
}
