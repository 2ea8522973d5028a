"""Scores answers to the set: `score.py QUERIES.jsonl RESULTS.jsonl [--by-repo]`.

A result is {"query_id", "spans": [{"file", "start", "end"}, …], "ms"}. A span is right when it holds the line of the
function's name. Prints a Markdown table: span@1, span@5, span@10, MRR (cut at 10), the file among the first 5 spans, p50 of ms.
"""

import collections
import json
import sys


def main():
    queries = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    results = {}
    for line in open(sys.argv[2], encoding="utf-8"):
        result = json.loads(line)
        results[result["query_id"]] = result
    rows = collections.defaultdict(list)
    for query in queries:
        result = results.get(query["query_id"], {})
        spans = result.get("spans", [])[:10]
        right = [s["file"] == query["file"] and s["start"] <= query["line"] <= s["end"] for s in spans]
        rank = right.index(True) + 1 if True in right else 0
        row = (rank == 1, 1 <= rank <= 5, rank >= 1, 1 / rank if rank else 0.0,
               any(s["file"] == query["file"] for s in spans[:5]), result.get("ms", 0.0))
        rows["all"].append(row)
        if "--by-repo" in sys.argv:
            rows[query["repo"]].append(row)
    print("| repository | n | span@1 | span@5 | span@10 | MRR | file@5 | p50 ms |\n|---|---|---|---|---|---|---|---|")
    for name in sorted(rows, key=lambda name: (name == "all", name)):
        columns = list(zip(*rows[name]))
        means = [sum(column) / len(column) for column in columns[:5]]
        middle = sorted(columns[5])[len(columns[5]) // 2]
        print(f"| {name} | {len(rows[name])} | " + " | ".join(f"{mean:.3f}" for mean in means) + f" | {middle:.1f} |")


if __name__ == "__main__":
    main()
