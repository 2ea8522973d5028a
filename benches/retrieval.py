#!/usr/bin/env python3
"""Compares code search tools on sets of queries: which of them name the right file or span, and how fast.

    benches/retrieval.py --loci target/release/loci --tree tokio=DIR --queries localisation.jsonl [--tools loci,ripgrep]

A line of a set: {"query_id", "task", "repo", "query", "relevant_files": [...], "line"?}. `--tree NAME=DIR` says where the
tree of a "repo" is, `--files NAME=LIST.json` which of its files count (all when absent).

hit@1: the first file is a relevant one. R@10: share of the relevant files among the first ten. span@5: one of the first
five spans holds the line of the definition in a relevant file. ms: median of the time for one query inside a warm process
(loci, semble, ctags) or of a whole process (ripgrep, which has no index).

Tools, each used as its users would without a model from a network:
  loci      loci search --batch
  ripgrep   files by the number of different query words in them, then by the number of lines that hold one
  ctags     universal-ctags: files that define a word of the query, or all of its words joined, by exact name
  semble    its Python package with the weight of vectors at 0, since its vectors need a download
"""

import argparse
import collections
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]+|\d+")
COMMON = set(
    "a an and are as at be but by can do does for from has have how if in into is it its not of on or so that the their "
    "then there these this to was we were what when where which who why will with you your".split()
)


def words(query):
    seen = {}
    for word in WORD.findall(query):
        if word.lower() not in COMMON:
            seen.setdefault(word)
    return list(seen)[:64]


class Loci:
    """One process for each tree; queries go in by lines."""

    def __init__(self, options, tree):
        self.cache = tempfile.mkdtemp()
        self.environment = dict(os.environ, XDG_CACHE_HOME=self.cache)
        begun = time.perf_counter()
        subprocess.run([options.loci, "index", "-q", "-C", tree], check=True, env=self.environment, stdout=subprocess.DEVNULL)
        self.build = time.perf_counter() - begun
        self.command = [options.loci, "search", "--batch", "-", "--json", "-C", tree]

    def ask(self, queries):
        lines = "".join(json.dumps({"query_id": q["query_id"], "query": q["query"]}) + "\n" for q in queries)
        done = subprocess.run(self.command, input=lines, check=True, env=self.environment, capture_output=True, text=True)
        for line in done.stdout.splitlines():
            answer = json.loads(line)
            spans = [(span["file"], span["start"], span["end"]) for span in answer["spans"]]
            yield answer["query_id"], answer["files"], spans, answer["ms"]

    def close(self):
        shutil.rmtree(self.cache, ignore_errors=True)


class Ripgrep:
    def __init__(self, options, tree):
        self.tree, self.build = tree, 0.0

    def ask(self, queries):
        for query in queries:
            begun = time.perf_counter()
            different, lines = collections.Counter(), collections.Counter()
            for word in words(query["query"]):
                command = ["rg", "-c", "-i", "-w", "-F", "--no-messages", "-e", word]
                for line in subprocess.run(command, cwd=self.tree, capture_output=True, text=True).stdout.splitlines():
                    path, _, count = line.rpartition(":")
                    different[path] += 1
                    lines[path] += int(count)
            ms = (time.perf_counter() - begun) * 1e3
            ranked = sorted(different, key=lambda path: (-different[path], -lines[path], path))
            yield query["query_id"], ranked[:100], None, ms

    def close(self):
        pass


class Ctags:
    def __init__(self, options, tree):
        begun = time.perf_counter()
        command = ["ctags", "-R", "--output-format=json", "--fields=+n", "-f", "-", "."]
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, errors="replace")
        self.tags = collections.defaultdict(list)
        for line in done.stdout.splitlines():
            tag = json.loads(line)
            if tag.get("_type") == "tag":
                path = tag["path"].removeprefix("./")
                self.tags[plain(tag["name"])].append((tag["name"], path, tag.get("line", 0)))
        self.build = time.perf_counter() - begun

    def ask(self, queries):
        for query in queries:
            begun = time.perf_counter()
            found = {}
            asked = words(query["query"])
            for number, name in enumerate(["".join(asked), *asked]):
                for written, path, line in self.tags.get(plain(name), []):
                    found.setdefault((path, line), (number > 0, written != name))
            ranked = sorted(found, key=lambda place: found[place])
            ms = (time.perf_counter() - begun) * 1e3
            files = list(dict.fromkeys(path for path, _ in ranked))
            yield query["query_id"], files[:100], [(path, line, line) for path, line in ranked], ms

    def close(self):
        pass


def plain(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


class Semble:
    def __init__(self, options, tree):
        import numpy
        from model2vec import StaticModel
        from semble.index import index as module
        from tokenizers import Tokenizer, models, pre_tokenizers

        # Vectors of one word, which nobody asks: their weight is 0.
        tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[PAD]": 1}, unk_token="[UNK]"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        model = StaticModel(numpy.ones((2, 8), dtype="float32"), tokenizer)
        module.load_model = lambda path=None: (model, "none")
        module.get_validated_cache = lambda *arguments: None
        module.load_previous_for_incremental = lambda *arguments: None
        begun = time.perf_counter()
        self.index = module.SembleIndex.from_path(tree)
        self.build = time.perf_counter() - begun

    def ask(self, queries):
        for query in queries:
            begun = time.perf_counter()
            results = self.index.search(query["query"], top_k=100, alpha=0.0)
            ms = (time.perf_counter() - begun) * 1e3
            spans = [(r.chunk.file_path.removeprefix("./"), r.chunk.start_line, r.chunk.end_line) for r in results]
            files = list(dict.fromkeys(path for path, _, _ in spans))
            yield query["query_id"], files, spans, ms

    def close(self):
        pass


TOOLS = {"loci": Loci, "ripgrep": Ripgrep, "ctags": Ctags, "semble": Semble}


def score(query, files, spans, counted):
    relevant = set(query["relevant_files"])
    files = list(dict.fromkeys(f.removeprefix("./") for f in files if counted is None or f.removeprefix("./") in counted))
    found = [place for place, path in enumerate(files[:100]) if path in relevant]
    figures = {"hit@1": float(found[:1] == [0]), "R@10": sum(place < 10 for place in found) / len(relevant)}
    if "line" in query and spans is not None:
        figures["span@5"] = float(any(path in relevant and start <= query["line"] <= end for path, start, end in spans[:5]))
    return figures


def pair(text):
    name, _, value = text.partition("=")
    if not value:
        raise argparse.ArgumentTypeError("NAME=PATH")
    return name, os.path.abspath(value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loci", default="target/release/loci")
    parser.add_argument("--tools", default="loci,ripgrep,ctags")
    parser.add_argument("--tree", type=pair, action="append", required=True)
    parser.add_argument("--files", type=pair, action="append", default=[])
    parser.add_argument("--queries", action="append", required=True)
    parser.add_argument("--by-repo", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    options.loci = os.path.abspath(options.loci)
    counted = {name: set(json.load(open(path))) for name, path in options.files}
    queries = collections.defaultdict(list)
    for path in options.queries:
        for line in open(path, encoding="utf-8"):
            query = json.loads(line)
            queries[query["repo"]].append(query)
    results = []
    for name, tree in options.tree:
        for tool in options.tools.split(","):
            engine = TOOLS[tool](options, tree)
            try:
                known = {query["query_id"]: query for query in queries[name]}
                answered = set()
                for identifier, files, spans, ms in engine.ask(queries[name]):
                    query = known[identifier]
                    answered.add(identifier)
                    task = f"{query['task']}/{name}" if options.by_repo else query["task"]
                    results.append({"tool": tool, "task": task, "repo": name, "ms": ms, "build_s": engine.build,
                                    **score(query, files, spans, counted.get(name))})
                for identifier in known.keys() - answered:
                    sys.exit(f"{tool} did not answer {identifier}")
            finally:
                engine.close()
            print(f"{tool} on {name}: index in {engine.build:.2f} s", file=sys.stderr)
    print("| task | tool | queries | hit@1 | R@10 | span@5 | ms, median | ms, p99 |\n|---|---|---|---|---|---|---|---|")
    for task in sorted({result["task"] for result in results}):
        for tool in options.tools.split(","):
            rows = [result for result in results if (result["task"], result["tool"]) == (task, tool)]
            if not rows:
                continue

            def mean(figure):
                values = [row[figure] for row in rows if figure in row]
                return f"{statistics.mean(values):.3f}" if values else ""

            times = sorted(row["ms"] for row in rows)
            late = times[min(len(times) - 1, len(times) * 99 // 100)]
            print(f"| {task} | {tool} | {len(rows)} | {mean('hit@1')} | {mean('R@10')} | {mean('span@5')} "
                  f"| {statistics.median(times):.2f} | {late:.2f} |")
    if options.json:
        with open(options.json, "w") as out:
            json.dump(results, out, indent=1)


if __name__ == "__main__":
    main()
