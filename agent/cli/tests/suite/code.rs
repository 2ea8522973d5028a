//! Owns the answers of the commands about code, as people and programs read them, on a project of several languages.
//! Uses the built binary and snapshots.
//! Never looks at scores or times.

use serde_json::{Value, json};

use super::world::World;

/// What differs from run to run or from weight to weight.
const LEFT_OUT: [&str; 4] = ["rank", "score", "why", "ms"];

/// A shop in Rust, Python, TypeScript and Go.
const SHOP: &[(&str, &str)] = &[
    ("Cargo.toml", "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n"),
    (
        "src/price.rs",
        "/// What something costs, in cents.\npub struct Price(pub u64);\n\nimpl Price {\n    /// Read a price.\n    pub fn parse(text: &str) -> Self {\n        Self(digits(text))\n    }\n}\n\nfn digits(text: &str) -> u64 {\n    text.parse().unwrap_or(0)\n}\n\npub const LIMIT: u64 = 100;\n",
    ),
    (
        "src/order.rs",
        "use crate::price::{LIMIT, Price};\n\npub struct Order {\n    prices: Vec<Price>,\n}\n\nimpl Order {\n    pub fn read(text: &str) -> Self {\n        Self { prices: text.lines().map(Price::parse).collect() }\n    }\n\n    pub fn total(&self) -> u64 {\n        self.prices.iter().map(|price| price.0).sum::<u64>().min(LIMIT)\n    }\n}\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n\n    #[test]\n    fn totals_are_limited() {\n        assert_eq!(Order::read(\"70\\n80\").total(), LIMIT);\n    }\n}\n",
    ),
    (
        "src/main.rs",
        "mod order;\nmod price;\n\nfn main() {\n    let order = order::Order::read(\"1\");\n    let extra = price::Price::parse(\"2\");\n    println!(\"{} {}\", order.total(), extra.0);\n}\n",
    ),
    (
        "py/shop.py",
        "class Cart:\n    def add_item(self, item):\n        self.items.append(check_item(item))\n\n\ndef check_item(item):\n    \"\"\"Refuse what has no name.\"\"\"\n    return item\n",
    ),
    ("py/pyproject.toml", "[project]\nname = \"shop\"\n"),
    (
        "py/test_shop.py",
        "from shop import Cart, check_item\n\n\ndef test_add_item():\n    Cart().add_item(\"a\")\n\n\ndef test_check():\n    check_item(\"b\")\n",
    ),
    ("web/package.json", "{ \"name\": \"shop\" }\n"),
    (
        "web/cart.ts",
        "export function renderCart(items: string[]): string {\n  return items.map(renderItem).join('');\n}\n\nfunction renderItem(item: string): string {\n  return `<li>${item}</li>`;\n}\n",
    ),
    (
        "web/cart.test.ts",
        "import { renderCart } from './cart';\n\ntest('renders', () => {\n  renderCart(['a']);\n});\n",
    ),
    ("go/go.mod", "module shop\n"),
    (
        "go/cart/cart.go",
        "package cart\n\n// Checkout ends the cart.\nfunc Checkout(items []string) int {\n\treturn count(items)\n}\n\nfunc count(items []string) int {\n\treturn len(items)\n}\n",
    ),
    (
        "go/cart/cart_test.go",
        "package cart\n\nimport \"testing\"\n\nfunc TestCheckout(t *testing.T) {\n\tCheckout(nil)\n}\n",
    ),
    ("README.md", "# Shop\n\n`Price` is in cents; see `Order`.\n"),
];

fn shop() -> World {
    let world = World::new();
    for (path, text) in SHOP {
        world.write(path, text);
    }
    world
}

/// One command as a person reads it, and as a program does.
fn snapshot(world: &World, name: &str, arguments: &[&str], code: i32) {
    let run = world.loci(arguments).ended(code);
    let with_json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let mut value = world.loci(&with_json).ended(code).json();
    leave_out(&mut value);
    let value = serde_json::to_string_pretty(&value).expect("JSON");
    insta::assert_snapshot!(
        name,
        format!("$ loci {}\n{}{}\n--json\n{value}", arguments.join(" "), run.out, run.err)
    );
}

fn leave_out(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
            fields.values_mut().for_each(leave_out);
        }
        Value::Array(list) => list.iter_mut().for_each(leave_out),
        _ => {}
    }
}

#[test]
fn where_and_what_is_like_it() {
    let world = shop();
    snapshot(&world, "where", &["where", "Price::parse"], 0);
    snapshot(&world, "where_nothing", &["where", "pirce"], 1);
}

#[test]
fn callers_callees_and_uses() {
    let world = shop();
    snapshot(&world, "callers", &["callers", "Price::parse"], 0);
    snapshot(&world, "callers_deep", &["callers", "digits", "--depth", "3"], 0);
    snapshot(&world, "callers_in_tests", &["callers", "Order::read", "--tests"], 0);
    snapshot(&world, "callers_nothing", &["callers", "main"], 1);
    snapshot(&world, "callees", &["callees", "Price::parse", "--depth", "2"], 0);
    snapshot(&world, "callees_python", &["callees", "add_item"], 0);
    snapshot(&world, "refs", &["refs", "Price"], 0);
    snapshot(&world, "refs_of_a_kind", &["refs", "LIMIT", "--kind", "import,mention", "--no-tests"], 0);
    snapshot(&world, "refs_cut", &["refs", "Price", "-n", "1"], 0);
}

#[test]
fn outlines_and_the_map() {
    let world = shop();
    snapshot(&world, "outline", &["outline", "src/price.rs"], 0);
    snapshot(&world, "outline_folder", &["outline", "go", "py/shop.py", "--depth", "1"], 0);
    snapshot(&world, "map", &["map", "--tokens", "120"], 0);
    snapshot(&world, "map_focus", &["map", "--tokens", "30", "--focus", "checkout"], 0);
}

#[test]
fn tests_and_impact() {
    let world = shop();
    snapshot(&world, "tests_for", &["tests-for", "Order::read"], 0);
    snapshot(&world, "tests_for_python", &["tests-for", "check_item"], 0);
    snapshot(&world, "tests_for_go", &["tests-for", "Checkout"], 0);
    snapshot(&world, "tests_for_typescript", &["tests-for", "renderCart"], 0);
    snapshot(&world, "impact_symbol", &["impact", "digits"], 0);
    snapshot(&world, "impact_file", &["impact", "src/price.rs"], 0);
    let diff = "--- a/src/price.rs\n+++ b/src/price.rs\n@@ -11,3 +11,3 @@\n fn digits(text: &str) -> u64 {\n-    0\n+    text.parse().unwrap_or(0)\n }\n";
    let run = world.loci_with_input(&["impact", "--diff"], diff.as_bytes()).ended(0);
    insta::assert_snapshot!("impact_diff", run.out);
    world.loci_with_input(&["impact", "--diff"], b"nothing of the kind").ended(2).explains("diff");
}

#[test]
fn batches_are_answered_line_by_line() {
    let world = shop();
    let lines = "{\"query_id\": 1, \"query\": \"Price::parse\"}\nnot json\n\n{\"query_id\": \"b\", \"query\": \"checkout\"}\n{\"query\": \"no id\"}\n{\"query_id\": \"c\", \"query\": \"zzyzx\"}";
    let run = world.loci_with_input(&["search", "--batch", "-", "--json"], lines.as_bytes()).ended(1);
    assert!(run.err.contains("standard input, line 2: ") && run.err.contains("line 5: "), "{}", run.err);
    let answers = run.json_lines();
    let ids: Vec<&Value> = answers.iter().map(|one| &one["query_id"]).collect();
    assert_eq!(ids, [&json!(1), &json!("b"), &json!("c")]);
    assert_eq!(answers[0]["files"][0], "src/price.rs");
    let span = &answers[0]["spans"][0];
    assert!(span["file"] == "src/price.rs" && span["start"].is_u64() && span["end"].is_u64());
    assert!(span["score"].is_f64() && answers[0]["ms"].is_f64());
    assert_eq!(answers[1]["files"][0], "go/cart/cart.go");
    assert_eq!(answers[2]["files"], json!([]));
    world.write("queries.jsonl", "{\"query_id\": 7, \"query\": \"renderCart\"}\n");
    let run = world.loci(&["search", "--batch", "queries.jsonl", "-n", "2"]).ended(0);
    assert_eq!(run.json_lines()[0]["files"][0], "web/cart.ts");
    world.loci(&["search", "--batch", "missing.jsonl"]).ended(2).explains("missing.jsonl");
}

#[test]
fn searches_are_filtered_and_explained() {
    let world = shop();
    let run = world.loci(&["search", "Price::parse", "--explain", "-n", "1"]).ended(0);
    assert!(
        run.out.starts_with("read as symbol\nsrc/price.rs:6  ") && run.out.contains("score"),
        "{}",
        run.out
    );
    let paths = |arguments: &[&str]| -> Vec<String> {
        let mut all = vec!["search", "cart"];
        all.extend(arguments);
        all.push("--json");
        let value = world.loci(&all).ended(0).json();
        let hits = value["hits"].as_array().expect("hits").iter();
        let mut paths: Vec<String> =
            hits.map(|hit| hit["path"].as_str().expect("a path").to_owned()).collect();
        paths.sort();
        paths.dedup();
        paths
    };
    assert_eq!(paths(&["--lang", "go"]), ["go/cart/cart.go", "go/cart/cart_test.go"]);
    assert_eq!(paths(&["--lang", "go", "--no-tests"]), ["go/cart/cart.go"]);
    assert_eq!(paths(&["--path", "web/**", "--tests"]), ["web/cart.test.ts"]);
    assert_eq!(paths(&["--kind", "class"]), ["py/shop.py"]);
    let run = world.loci(&["search", "cart", "--lang", "haskell"]).ended(1);
    assert!(run.err.contains("without the filters"), "{}", run.err);
}

#[test]
fn the_index_says_what_it_holds() {
    let world = shop();
    let value = world.loci(&["index", "--status", "--json"]).ended(0).json();
    assert_eq!((value["files"].as_u64(), &value["age_seconds"]), (Some(0), &Value::Null));
    world.loci(&["index"]).ended(0);
    let value = world.loci(&["index", "--status", "--json"]).ended(0).json();
    assert_eq!(
        (value["files"].as_u64(), value["languages"]["rust"].as_u64()),
        (Some(14), Some(3)),
        "{value}"
    );
    assert!(value["spans"].as_u64() > Some(10) && value["disk_bytes"].as_u64() > Some(1_000), "{value}");
    let run = world.loci(&["index", "--status"]).ended(0);
    assert!(run.out.contains("languages") && run.out.contains("rust 3"), "{}", run.out);
    let value = world.loci(&["index", "--rebuild", "--json"]).ended(0).json();
    assert_eq!(value["indexed"].as_u64(), Some(14), "{value}");
    world.loci(&["index", "--rebuild", "--status"]).ended(2);
}
