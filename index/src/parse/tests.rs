//! Owns what each language must yield: source in, definitions and uses out.
//! Uses `tags`.
//! Never checks places in the store.

mod fixtures;

use super::*;

/// Definitions as `line kind name < parent`, `[test]` where it is one; uses as `line kind name`.
fn read(path: &str, text: &str) -> (Vec<String>, Vec<String>) {
    let tags = tags(text, languages::of(path, text), crate::rank::is_test_path(path));
    let definitions = tags.definitions.iter().map(|tag| {
        let parent = tag.parent.as_deref().map(|parent| format!(" < {parent}")).unwrap_or_default();
        let test = if tag.is_test { " [test]" } else { "" };
        format!("{} {} {}{parent}{test}", tag.line, tag.kind, tag.name)
    });
    let mut uses = tags.uses.clone();
    uses.sort_by(|one, other| (one.line, &one.name).cmp(&(other.line, &other.name)));
    let uses =
        uses.iter().map(|one| format!("{} {} {}", one.line, USE_KINDS[usize::from(one.kind)], one.name));
    (definitions.collect(), uses.collect())
}

fn check(path: &str, text: &str, definitions: &[&str], uses: &[&str]) {
    let seen = read(path, text);
    assert_eq!(seen.0, definitions, "definitions of {path}");
    assert_eq!(seen.1, uses, "uses of {path}");
}

fn signatures(path: &str, text: &str) -> Vec<(String, Option<String>)> {
    let tags = tags(text, languages::of(path, text), false);
    tags.definitions.into_iter().map(|tag| (tag.signature, tag.doc)).collect()
}

fn check_signatures(path: &str, text: &str, expect: &[(&str, Option<&str>)]) {
    let seen = signatures(path, text);
    let seen: Vec<_> = seen.iter().map(|(signature, doc)| (signature.as_str(), doc.as_deref())).collect();
    assert_eq!(seen, expect, "{path}");
}

#[test]
fn rust() {
    check(
        "a.rs",
        "\
use std::fmt::{self, Display};
use crate::other as another;
const LIMIT: usize = 3;
static NAME: &str = \"x\";
type Pair = (u8, u8);
macro_rules! twice { ($x:expr) => { $x } }
pub enum Shape { Round, Square(f32) }
pub trait Area { type Unit; fn area(&self) -> f32; }
impl<T: Copy> Area for Holder<T> {
    fn area(&self) -> f32 { compute(self.value, Other::make()) }
}
fn free() { let x = twice!(inner()); list.iter().map(f).collect::<Vec<_>>(); }
#[cfg(test)]
mod tests {
    fn supports() {}
}
",
        &[
            "3 constant LIMIT",
            "4 static NAME",
            "5 type Pair",
            "6 macro twice",
            "7 enum Shape",
            "7 variant Round < enum Shape",
            "7 variant Square < enum Shape",
            "8 trait Area",
            "8 type Unit < trait Area",
            "8 method area < trait Area",
            "9 impl Holder",
            "10 method area < impl Area for Holder<T>",
            "12 function free",
            "14 module tests [test]",
            "15 function supports < mod tests [test]",
        ],
        &[
            "1 import Display",
            "1 import fmt",
            "2 import other",
            "9 type Area",
            "9 type Copy",
            "9 type Holder",
            "10 type Other",
            "10 call compute",
            "10 call make",
            "12 type Vec",
            "12 call collect",
            "12 call inner",
            "12 call iter",
            "12 call map",
            "12 call twice",
        ],
    );
    check_signatures(
        "a.rs",
        "/// Adds, e.g. one. And more.\n#[inline]\npub(crate) async fn add<T>(\n    one: T,\n    other: T,\n) -> T\nwhere\n    T: Add,\n{\n}\n\n/// A size.\nconst SIZE: usize = 4;\n",
        &[
            ("pub(crate) async fn add<T>( one: T, other: T, ) -> T where T: Add", Some("Adds, e.g. one.")),
            ("const SIZE: usize = 4", Some("A size.")),
        ],
    );
}

#[test]
fn items_in_macros_count() {
    check(
        "a.rs",
        "\
cfg_rt! {
    /// Spawns.
    pub fn spawn<F>(future: F) -> Handle { start(future) }

    cfg_net! {
        mod net { pub struct Socket; }
    }
}
impl Pool {
    cfg_rt! {
        pub(crate) fn get(&self) -> Guard { self.lock() }
    }
}
thread_local! { static CURRENT: Cell<u8> = const { Cell::new(0) }; }
assert_eq!(one, other(2));
",
        &[
            "3 function spawn",
            "6 module net",
            "6 struct Socket < mod net",
            "9 impl Pool",
            "11 method get < impl Pool",
            "14 static CURRENT",
        ],
        &[
            "1 call cfg_rt",
            "3 type Handle",
            "3 call start",
            "5 call cfg_net",
            "9 type Pool",
            "10 call cfg_rt",
            "11 type Guard",
            "11 call lock",
            "14 type Cell",
            "14 call new",
            "14 call thread_local",
            "15 call assert_eq",
            "15 call other",
        ],
    );
}

#[test]
fn python() {
    check(
        "a.py",
        "\
import os.path
from json import loads as parse, dumps
LIMIT = 3
cache = {}
class Base(Parent, metaclass=Meta):
    field: int = 0
    @property
    def size(self) -> Number:
        local = 1
        return len(self.items)
async def main():
    def inner(): pass
    Base().size()
",
        &[
            "3 constant LIMIT",
            "4 variable cache",
            "5 class Base",
            "6 field field < class Base",
            "8 method size < class Base",
            "11 function main",
            "12 function inner < fn main",
        ],
        &[
            "1 import os",
            "1 import path",
            "2 import dumps",
            "2 import loads",
            "5 type Parent",
            "6 type int",
            "7 call property",
            "8 type Number",
            "10 call len",
            "13 call Base",
            "13 call size",
        ],
    );
    check("tests/test_a.py", "def test_it(): pass\n", &["1 function test_it [test]"], &[]);
    check_signatures(
        "a.py",
        "def load(path: str,\n         strict=False) -> dict:\n    \"\"\"Load a file.\n\n    More.\n    \"\"\"\n    return {}\n",
        &[("def load(path: str, strict=False) -> dict", Some("Load a file."))],
    );
}

#[test]
fn javascript() {
    check(
        "a.jsx",
        "\
import React, { useState as state } from 'react';
export const LIMIT = 3;
export class Store extends Base {
  #items = [];
  add(item) { this.push(item); new Event('x'); }
}
const handler = async (event) => { const local = 1; };
function* walk() {}
module.exports.make = function () {};
export default () => <Panel onClick={handler} />;
",
        &[
            "2 constant LIMIT",
            "3 class Store",
            "4 field #items < class Store",
            "5 method add < class Store",
            "7 function handler",
            "8 function walk",
            "9 function make",
        ],
        &[
            "1 import React",
            "1 import useState",
            "3 type Base",
            "5 call Event",
            "5 call push",
            "10 call Panel",
        ],
    );
    check("src/a.test.js", "function helper() {}\n", &["1 function helper [test]"], &[]);
    check_signatures(
        "a.js",
        "/**\n * Add two numbers.\n * @param {number} a\n */\nexport const add = (a, b) => {\n  return a + b;\n};\n",
        &[("export const add = (a, b)", Some("Add two numbers."))],
    );
}

#[test]
fn typescript() {
    check(
        "a.ts",
        "\
import { type Ref, computed } from 'vue';
export interface Options { deep?: boolean; run(): void }
export type Id = string | number;
export enum Color { Red, Green = 2 }
namespace Inner { export function hidden(): Ref {} }
export abstract class Box<T> extends Base implements Shape {
  private value: T;
  constructor(v: T) { super(); }
  abstract open(): Id;
}
declare function outside(x: Options): void;
export const make = <T>(x: T): Box<T> => computed(x);
",
        &[
            "2 interface Options",
            "2 field deep < interface Options",
            "2 method run < interface Options",
            "3 type Id",
            "4 enum Color",
            "4 variant Red < enum Color",
            "4 variant Green < enum Color",
            "5 module Inner",
            "5 function hidden < mod Inner",
            "6 class Box",
            "7 field value < class Box",
            "8 method constructor < class Box",
            "9 method open < class Box",
            "11 function outside",
            "12 function make",
        ],
        &[
            "1 import Ref",
            "1 import computed",
            "5 type Ref",
            "6 type Base",
            "6 type Shape",
            "9 type Id",
            "11 type Options",
            "12 type Box",
            "12 call computed",
        ],
    );
    check("a.tsx", "const App: FC = () => <List />;\n", &["1 function App"], &["1 type FC", "1 call List"]);
}

#[test]
fn go() {
    check(
        "a.go",
        "\
package main
const Limit = 3
var (
\tcache map[string]Entry
)
type Server struct { addr string }
type Handler interface { Serve(r Request) error }
type Id int
func (s *Server) Run(ctx Context) error { return listen(s.addr, fmt.Sprint(1)) }
func New() *Server { x := 1; return nil }
",
        &[
            "2 constant Limit",
            "4 variable cache",
            "6 struct Server",
            "6 field addr < struct Server",
            "7 interface Handler",
            "7 method Serve < interface Handler",
            "8 type Id",
            "9 method Run < type Server",
            "10 function New",
        ],
        &[
            "4 type Entry",
            "4 type string",
            "6 type string",
            "7 type Request",
            "7 type error",
            "8 type int",
            "9 type Context",
            "9 type Server",
            "9 call Sprint",
            "9 type error",
            "9 call listen",
            "10 type Server",
        ],
    );
    check_signatures(
        "a.go",
        "// Server serves. It runs.\ntype Server struct {\n\taddr string\n}\n",
        &[("type Server struct", Some("Server serves.")), ("addr string", None)],
    );
}

#[test]
fn java() {
    check(
        "src/main/java/A.java",
        "\
import java.util.List;
public class A extends Base implements Calm {
  static final int LIMIT = 3;
  private List<String> names;
  public A(int x) { super(x); }
  @Override
  public String name() { return helper(new Dot()); }
  enum Kind { ONE, TWO }
  interface Shape { int SIZE = 1; void draw(); }
  record Point(int x) {}
}
",
        &[
            "2 class A",
            "3 constant LIMIT < class A",
            "4 field names < class A",
            "5 constructor A < class A",
            "7 method name < class A",
            "8 enum Kind < class A",
            "8 variant ONE < enum Kind",
            "8 variant TWO < enum Kind",
            "9 interface Shape < class A",
            "9 constant SIZE < interface Shape",
            "9 method draw < interface Shape",
            "10 class Point < class A",
            "10 field x < class Point",
        ],
        &[
            "1 import List",
            "2 type Base",
            "2 type Calm",
            "4 type List",
            "4 type String",
            "6 type Override",
            "7 call Dot",
            "7 type String",
            "7 call helper",
        ],
    );
    check(
        "A.java",
        "class A {\n  @Test void runs() {}\n  @Override\n  void plain() {}\n}\n",
        &["1 class A", "2 method runs < class A [test]", "4 method plain < class A"],
        &["2 type Test", "3 type Override"],
    );
}

#[test]
fn c() {
    check(
        "a.c",
        "\
#define LIMIT 3
#define MAX(a, b) ((a) > (b) ? (a) : (b))
typedef struct node { int value; struct node *next; } node_t;
enum color { RED, GREEN };
static int count = 0;
int add(int a, int b);
char *name(node_t *n) { int local = 1; return find(n->next, run(n)); }
static int table[] = { 1 };
",
        &[
            "1 macro LIMIT",
            "2 macro MAX",
            "3 type node_t",
            "3 struct node < type node_t",
            "3 field value < struct node",
            "3 field next < struct node",
            "4 enum color",
            "4 variant RED < enum color",
            "4 variant GREEN < enum color",
            "5 variable count",
            "6 declaration add",
            "7 function name",
            "8 variable table",
        ],
        &["3 type node", "7 call find", "7 type node_t", "7 call run"],
    );
}

#[test]
fn cpp() {
    check(
        "a.cpp",
        "\
namespace app {
template <typename T> class Box : public Base {
 public:
  T get() const { return value_; }
  void set(T v);
  ~Box() {}
 private:
  T value_;
};
using Id = int;
void Box::set(int v) { std::move(v); other::call<int>(v); }
}
",
        &[
            "1 module app",
            "2 class Box < mod app",
            "4 method get < class Box",
            "5 method set < class Box",
            "6 method ~Box < class Box",
            "8 field value_ < class Box",
            "10 type Id < mod app",
            "11 method set < type Box",
        ],
        &["2 type Base", "11 type Box", "11 call call", "11 call move"],
    );
}

#[test]
fn markdown() {
    check(
        "a.md",
        "# One\ntext\n```\n# not one\n```\n## Two ##\n#nothing\n# Three\n",
        &["1 heading One", "6 heading Two < One", "8 heading Three"],
        &[],
    );
}

#[test]
fn other_texts_have_no_symbols() {
    check("a.txt", "fn not_code() {}\n", &[], &[]);
    check("a.min.js", &format!("function f(){{}}{}", ";".repeat(LONGEST_LINE)), &[], &[]);
    check("empty.rs", "", &[], &[]);
}

#[test]
fn stored_tags_are_read_back() {
    let text = "/// D.\nstruct Abc { b: u8 }\nimpl Abc { fn c() { call(); Abc::c(); call(); } }\n";
    let tags = tags(text, languages::named("rust"), true);
    let bytes = tags.encode();
    assert_eq!(Tags::decode_definitions(&bytes).as_ref(), Some(&tags.definitions));
    for at in 0..bytes.len() {
        assert_ne!(Tags::decode_definitions(&bytes[..at]).as_ref(), Some(&tags.definitions));
    }
}

const EVERY_LANGUAGE: [&str; 24] = [
    "a.rs", "a.py", "a.jsx", "a.ts", "a.tsx", "a.go", "a.java", "a.c", "a.cpp", "a.cs", "a.rb", "a.php",
    "a.kt", "a.swift", "a.scala", "a.lua", "a.sh", "a.ex", "a.zig", "a.hs", "a.md", "a.vue", "a.html",
    "a.scss",
];

/// Places are in order and inside the text.
fn check_places(path: &str, text: &str) {
    let lines = LineIndex::new(text).count();
    let found = tags(text, languages::of(path, text), false);
    for tag in &found.definitions {
        assert!(tag.start_line >= 1 && tag.start_line <= tag.line, "{path}: {tag:?}");
        assert!(tag.line <= tag.end_line && tag.end_line <= lines, "{path}: {tag:?}");
        assert!(!tag.name.is_empty(), "{path}: {tag:?}");
    }
    assert!(found.uses.iter().all(|one| one.line >= 1 && one.line <= lines), "{path}");
}

#[test]
fn what_is_open_ends_with_the_text() {
    for text in ["\0{\n", "a {\n", "[x]\n", "fn f() {\n", "<script>\n"] {
        for path in EVERY_LANGUAGE {
            check_places(path, text);
        }
    }
}

/// The scanner of the grammar of bash read beyond a table for a character like the last one here.
#[test]
fn characters_beyond_tables_are_survived() {
    let text = "größe() {\n  echo {\u{10ffff}..2} \u{d3c85}\n}\nplain() { ls; }\n";
    check("a.sh", text, &["1 function größe", "4 function plain"], &["2 call echo", "4 call ls"]);
}

#[test]
fn deep_nesting_is_survived() {
    for open in ["(", "{", "[", "a(", "if x { ", "<a>", "f(function() {", "\n  ", "/*", "\"", "- "] {
        let text = open.repeat(500);
        for path in EVERY_LANGUAGE {
            check_places(path, &text);
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
    #[test]
    fn any_text_is_survived(text in "(fn |struct |impl |def |class |func |[a-z]+|[(){}<>;:=\"'#@\n\t ]|é|/\\*\\*|\\*/|//|#\\[|-- \\||end|do |defmodule A|\\$|where |namespace a\\.b){0,120}") {
        for path in EVERY_LANGUAGE {
            check_places(path, &text);
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>) {
        let text = String::from_utf8_lossy(&bytes);
        for path in EVERY_LANGUAGE {
            check_places(path, &text);
        }
    }
}
