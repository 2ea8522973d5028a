#!/usr/bin/env python3
"""Owns: what assembled contexts are worth, by kind of question, and whether two runs differ.
Uses: questions.jsonl of a set and results, a line each: {"question_id", "context", "ms"?}.
Never: looks at how a context was made.

    benches/sessions/score.py RESULTS… --dir DIR [--budget 8000] [--misses]

A question is answered when each of its needles is in the context once runs of white space count as one blank. A context of
more tokens (UTF-8 bytes / 4, rounded up) than the budget is worth nothing, neither is a missing one. `stale`: of the questions
about something that was replaced, those whose context shows the old value and not the new one.
With two or more runs, each is compared with the first: difference of the share answered and its 95 % interval (bootstrap by question).
"""

import argparse
import collections
import json
import os
import random
import re

SPACE = re.compile(r"\s+")
SHORT = {"paraphrase": "other words", "action": "action"}


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def label(question):
    return " ".join(filter(None, [question["kind"], SHORT.get(question["style"])]))


def quantile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))] if sorted_values else 0.0


def judge(question, answer, budget):
    """(answered, share of needles, stale without its correction, tokens)"""
    if answer is None:
        return False, 0.0, False, 0
    tokens = (len(answer["context"].encode()) + 3) // 4
    if tokens > budget:
        return False, 0.0, False, tokens
    text = SPACE.sub(" ", answer["context"])
    found = [SPACE.sub(" ", n) in text for n in question["needles"]]
    stale = "stale" in question and SPACE.sub(" ", question["stale"]) in text and not all(found)
    return all(found), sum(found) / len(found), stale, tokens


def interval(rng, differences, rounds=2000):
    n = len(differences)
    means = sorted(sum(rng.choices(differences, k=n)) / n for _ in range(rounds))
    return means[int(rounds * 0.025)], means[int(rounds * 0.975)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("results", nargs="+")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--budget", type=int, default=8000)
    parser.add_argument("--misses", action="store_true", help="list the unanswered questions of the last run")
    chosen = parser.parse_args()
    at = os.path.join(chosen.dir, "questions.jsonl")
    asked = read(at if os.path.exists(at) else os.path.join(chosen.dir, "sessions", "questions.jsonl"))
    kinds = sorted({label(q) for q in asked})
    names = [os.path.basename(p).removesuffix(".jsonl") for p in chosen.results]
    judged = []
    for path in chosen.results:
        answers = {a["question_id"]: a for a in read(path)}
        times = sorted(a.get("ms", 0.0) for a in answers.values())
        judged.append(([judge(q, answers.get(q["question_id"]), chosen.budget) for q in asked], times))
    print("| kind | n | " + " | ".join(names) + " |\n|---|---|" + "---|" * len(names))
    cell = collections.defaultdict(list)
    for run, (rows, _) in enumerate(judged):
        for q, row in zip(asked, rows):
            cell[label(q), run].append(row)
            cell["all", run].append(row)
    for kind in ["all", *kinds]:
        shares = [sum(r[0] for r in cell[kind, run]) / len(cell[kind, run]) for run in range(len(names))]
        print(f"| {kind} | {len(cell[kind, 0])} | " + " | ".join(f"{s:.3f}" for s in shares) + " |")
    replaced = [k for k, q in enumerate(asked) if "stale" in q]
    lines = {
        "stale without its correction": lambda rows, _: f"{sum(rows[k][2] for k in replaced)}/{len(replaced)}",
        "share of needles": lambda rows, _: f"{sum(r[1] for r in rows) / len(rows):.3f}",
        "tokens, mean / most": lambda rows, _: f"{sum(r[3] for r in rows) / len(rows):.0f} / {max(r[3] for r in rows)}",
        "over the budget": lambda rows, _: str(sum(r[3] > chosen.budget for r in rows)),
        "ms p50 / p99": lambda _, times: f"{quantile(times, 0.5):.1f} / {quantile(times, 0.99):.1f}",
    }
    for name, tell in lines.items():
        print(f"| {name} | | " + " | ".join(tell(*j) for j in judged) + " |")
    rng = random.Random(1)
    for run in range(1, len(names)):
        differences = [int(b[0]) - int(a[0]) for a, b in zip(judged[0][0], judged[run][0])]
        low, high = interval(rng, differences)
        won, lost = differences.count(1), differences.count(-1)
        print(f"\n{names[run]} against {names[0]}: {sum(differences) / len(asked):+.3f} [{low:+.3f}, {high:+.3f}], {won} won, {lost} lost")
    if chosen.misses:
        for q, row in zip(asked, judged[-1][0]):
            if not row[0]:
                print(f"- {q['question_id']} {label(q)} at {q['asked_at']} from {q['source_turns']}: {q['question'][:90]!r} needs {q['needles'][:3]} ({row[1]:.2f})")


if __name__ == "__main__":
    main()
