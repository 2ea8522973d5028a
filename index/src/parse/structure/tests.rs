//! Owns what the structure of each kind of document must be.
//! Uses `super`.
//! Never reads files.

use crate::parse::{languages, tags};

/// Items as `first-last kind name < parent`.
fn check(path: &str, text: &str, expect: &[&str]) {
    let found = tags(text, languages::of(path, text), false).definitions;
    let seen: Vec<String> = found
        .iter()
        .map(|tag| {
            let parent = tag.parent.as_deref().map(|parent| format!(" < {parent}")).unwrap_or_default();
            format!("{}-{} {} {}{parent}", tag.line, tag.end_line, tag.kind, tag.name)
        })
        .collect();
    assert_eq!(seen, expect, "{path}");
}

#[test]
fn markdown() {
    check(
        "a.md",
        "---\ntitle: x\n---\n# One {#one}\ntext\n```\n# not one\n```\n## Two ##\n#nothing\nTitle\n=====\nOf two\nlines\n---\n",
        &["4-10 heading One", "9-10 heading Two < One", "11-15 heading Title"],
    );
    check("a.md", "~~~\n# no\n```\n# no\n~~~\n# Yes\n", &["6-6 heading Yes"]);
    check("a.md", "| a | b |\n|---|---|\n\n    # code\n# Last", &["5-5 heading Last"]);
}

#[test]
fn json() {
    check(
        "package.json",
        "{\n  \"name\": \"loci\",\n  // why\n  \"scripts\": {\n    \"build\": \"make, all: {}\",\n    \"nested\": { \"deep\": { \"deeper\": 1 } }\n  },\n  \"files\": [ { \"hidden\": 1 } ],\n  bare: 'x'\n}\n",
        &[
            "2-2 key name",
            "4-7 key scripts",
            "5-5 key build < scripts",
            "6-6 key nested < scripts",
            "6-6 key deep < nested",
            "8-8 key files",
            "9-9 key bare",
        ],
    );
    check("a.json", "[{\"a\": 1}]", &[]);
    check("a.json", "{\"a\": \"x\\\"y\", \"b\\", &["1-1 key a"]);
    let many: String = (0..3000).map(|number| format!("\"k{number}\": {{\"x\": 1}},\n")).collect();
    let found = tags(&format!("{{{many}}}"), languages::named("json"), false).definitions;
    assert!(!found.is_empty() && found.iter().all(|tag| tag.depth == 0), "a full file shows its upper level");
}

#[test]
fn yaml() {
    check(
        "a.yml",
        "# Top.\nname: build\non:\n  push:\n    branches: [main]\njobs:\n  test:\n    runs-on: ubuntu\n    steps:\n      - name: hidden\n        run: |\n          key: no\n    \"quoted key\": 1\ntext: |\n  inner: no\n\n  more: no\nlist:\n- a: 1\n  b: 2\nlast: {a: 1}\n",
        &[
            "2-2 key name",
            "3-5 key on",
            "4-5 key push < on",
            "5-5 key branches < push",
            "6-13 key jobs",
            "7-13 key test < jobs",
            "8-8 key runs-on < test",
            "9-12 key steps < test",
            "13-13 key quoted key < test",
            "14-17 key text",
            "18-20 key list",
            "21-21 key last",
        ],
    );
    check("a.yaml", "a: 1\n---\n{{ template }}: x\nhttp://x\nb:\n", &["1-1 key a", "5-5 key b"]);
}

#[test]
fn toml() {
    check(
        "a.toml",
        "# The package.\n[package]\nname = \"loci\"\nkeywords = [\n  \"[x]\",\n  \"key = 1\",\n]\ntext = \"\"\"\nkey = no\n\"\"\"\n\n[[bin]]\npath = \"x\"\n[workspace.dependencies]\n\"quoted\" = { version = 1 }\n",
        &[
            "2-10 key package",
            "3-3 key name < package",
            "4-7 key keywords < package",
            "8-10 key text < package",
            "12-13 key bin",
            "13-13 key path < bin",
            "14-15 key workspace.dependencies",
            "15-15 key quoted < workspace.dependencies",
        ],
    );
    let found = tags("# The package.\n[package]\n", languages::named("toml"), false).definitions;
    assert_eq!(found[0].doc.as_deref(), Some("The package."));
}

#[test]
fn html() {
    check(
        "a.html",
        "<!-- <h1>no</h1> -->\n<h1>The <b>title</b></h1>\n<div class=\"a\" id='main'>\n<a name=top></a>\n<my-card data-x=\"a>b\"></my-card><my-card></my-card>\n<h2>Part</h2>\n<div id=\"{{ id }}\"></div>\n<script>\nfunction run() { go(); }\n</script>\n<script type=\"text/template\"><p id=no></p></script>\n",
        &[
            "2-7 heading The title",
            "3-3 element main < The title",
            "4-4 element top < The title",
            "5-5 element my-card < The title",
            "6-7 heading Part < The title",
            "9-9 function run",
        ],
    );
}

#[test]
fn scripts_in_components_are_read_where_they_stand() {
    let text = "<template>\n  <div id=\"app\"></div>\n</template>\n\n<script setup lang=\"ts\">\nimport { ref } from 'vue';\ninterface Props { name: string }\nconst count = ref<Props>();\n</script>\n\n<style>\n.a { color: red }\n</style>\n";
    check(
        "a.vue",
        text,
        &["2-2 element app", "7-7 interface Props", "7-7 field name < interface Props", "8-8 variable count"],
    );
    let uses = tags(text, languages::named("vue"), false).uses;
    let seen: Vec<_> = uses.iter().map(|one| (one.line, one.name.as_str())).collect();
    assert_eq!(seen, [(8, "Props"), (6, "ref"), (8, "ref")]);
    check(
        "a.svelte",
        "<script>\n  export let name;\n</script>\n<h1>Hi {name}</h1>\n",
        &["2-2 variable name", "4-4 heading Hi {name}"],
    );
}

#[test]
fn css() {
    check(
        "a.css",
        "@charset \"utf-8\";\n:root {\n  --main: url(data:a;b{);\n}\n/* .no {} */\n.card, #id > a:hover {\n  color: red;\n}\n@media (max-width: 1px) {\n  .card { color: \"}\" }\n}\n@keyframes spin {\n  from { left: 0 }\n}\n",
        &[
            "2-4 selector :root",
            "3-3 variable --main < :root",
            "6-6 selector .card",
            "6-8 selector #id > a:hover",
            "10-10 selector .card",
            "12-14 keyframes spin",
        ],
    );
    check(
        "a.scss",
        "// $no: 1;\n$size: 3px;\n@mixin center($a) {\n  left: 0;\n}\n@function half($x) { @return $x; }\n.a {\n  &:hover { left: 1px }\n  .b-#{$size} { left: 2px }\n  @include center;\n}\n",
        &[
            "2-2 variable $size",
            "3-5 macro center",
            "6-6 function half",
            "7-11 selector .a",
            "8-8 selector &:hover < .a",
            "9-9 selector .b-#{$size} < .a",
        ],
    );
    check(
        "a.less",
        "@color: red;\n.mixin() { color: @color }\n",
        &["1-1 variable @color", "2-2 selector .mixin()"],
    );
}

#[test]
fn sql() {
    check(
        "a.sql",
        "-- The users.\nCREATE TABLE IF NOT EXISTS app.users (\n  id serial PRIMARY KEY,\n  \"full name\" varchar(20) DEFAULT 'a;b, c',\n  CONSTRAINT one UNIQUE (id),\n  total numeric(10, 2)\n);\nCREATE UNIQUE INDEX by_name ON users (name);\ncreate or replace function grow(x int) returns int as $$\n  create table no (a int);\n$$ language sql;\nCREATE MATERIALIZED VIEW `recent` AS SELECT 1;\nSELECT created FROM users;\nCREATE TYPE mood AS ENUM ('a');\nCREATE TRIGGER t BEFORE UPDATE ON users BEGIN\n  SELECT 1;\nEND;\n",
        &[
            "2-7 table users",
            "3-3 column id < users",
            "4-5 column full name < users",
            "6-7 column total < users",
            "8-8 index by_name",
            "9-11 function grow",
            "12-12 view recent",
            "14-14 type mood",
            "15-17 trigger t",
        ],
    );
    let found =
        tags("-- The users.\nCREATE TABLE users (id int);\n", languages::named("sql"), false).definitions;
    assert_eq!(found[0].doc.as_deref(), Some("The users."));
    assert_eq!(found[0].signature, "CREATE TABLE users (id int)");
}

#[test]
fn protobuf() {
    check(
        "a.proto",
        "syntax = \"proto3\";\n// A person.\nmessage Person {\n  string name = 1;\n  map<string, int32> tags = 2;\n  oneof kind { int32 age = 3; }\n  enum Sex { OTHER = 0; }\n}\nservice People {\n  rpc Get (Person) returns (Person);\n}\n",
        &[
            "3-8 struct Person",
            "4-4 field name < Person",
            "5-5 field tags < Person",
            "6-6 field kind < Person",
            "7-7 enum Sex < Person",
            "9-11 service People",
            "10-10 method Get < People",
        ],
    );
}

#[test]
fn build_files() {
    check(
        "Makefile",
        "CC := gcc\nCC += x\n.PHONY: all\nall: main.o \\\n  other.o\n\t$(CC) x\n\nclean install::\n\trm x\n%.o: %.c\n\tcc\nifdef X\n  FLAG = 1\nendif\n",
        &[
            "1-1 variable CC",
            "4-6 target all",
            "8-9 target clean",
            "8-9 target install < clean",
            "10-11 target %.o",
            "13-13 variable FLAG",
        ],
    );
    check(
        "justfile",
        "set shell := [\"bash\"]\nversion := \"1\"\n# Builds.\nbuild target=\"x\": check\n    cargo build\n@check:\n  x\nalias b := build\n",
        &["2-2 variable version", "4-5 target build", "6-7 target check", "8-8 target b"],
    );
    check(
        "Dockerfile.dev",
        "FROM --platform=x rust:1 AS build\nARG VERSION=1\nRUN make\nfrom debian\nENV A=1\n",
        &["1-3 target build", "2-3 variable VERSION < build", "4-5 target debian", "5-5 variable A < debian"],
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn any_text_is_survived(text in "([a-zé]+|[(){}<>;:=\"'#@$,.|>*/\\\\\\-\n\t &!]|CREATE |TABLE |<h1>|<script>|</script>|<!--|```|\\[\\[|\"\"\"|: \\||- |  ){0,80}") {
        for path in ["a.md", "a.json", "a.yml", "a.toml", "a.html", "a.vue", "a.scss", "a.sql", "a.proto", "Makefile", "justfile", "Dockerfile"] {
            let lines = crate::parse::LineIndex::new(&text).count();
            let mut before = 0;
            for tag in tags(&text, languages::of(path, &text), false).definitions {
                proptest::prop_assert!(tag.start_line >= 1 && tag.start_line <= tag.line, "{path}: {tag:?}");
                proptest::prop_assert!(tag.line <= tag.end_line && tag.end_line <= lines, "{path}: {tag:?}");
                proptest::prop_assert!(tag.start_line >= before, "{path}: {tag:?}");
                before = tag.start_line;
            }
        }
    }
}
