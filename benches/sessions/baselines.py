#!/usr/bin/env python3
"""Owns: contexts that simpler ways would assemble, for the same questions.
Uses: the files of a set.
Never: looks at needles, or at turns after the question.

    benches/sessions/baselines.py --dir DIR --out DIR [--budget 8000]

last      the newest turns that fit
users     what Codex keeps without its summary: messages of the user, newest first, up to 20,000 tokens or the budget
masking   tool output cleared but for the newest, then the newest turns that fit
bm25      chunks of twelve lines by BM25, identifiers split
pinned    half of the budget for short statements of the user and the assistant, newest first; bm25 for the rest
"""

import argparse
import collections
import json
import math
import os
import re
import time

WORD = re.compile(r"[^\W_]+")
PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
COMMON = set("a an and are as at be by did do does for from how i in into is it of on or that the there this to was we were what when where which who will with you".split())


def tokens(text):
    return -(-len(text.encode()) // 4)


def words(text):
    found = []
    for word in WORD.findall(text):
        pieces = PIECE.findall(word)
        if len(pieces) > 1:
            found.append(word.lower())
        found += [p.lower() for p in pieces]
    return [w.rstrip("s") if len(w) > 3 else w for w in found if w not in COMMON]


def shown(turn):
    head = f"[{turn['turn']}] {turn['role']}"
    about = [str(turn[k]) for k in ("tool", "path", "pattern", "cmd") if turn.get(k)] + list(turn.get("paths", []))
    if turn["role"] == "assistant" and turn.get("args"):
        about.append(json.dumps(turn["args"], ensure_ascii=False)[:4000])
    return f"{head} {' '.join(about)}\n{turn['content']}"


def fitting(pieces, budget):
    """Pieces, best first, that fit together; a first one that does not fit is cut at its end."""
    kept, left = [], budget * 4
    for key, piece in pieces:
        size = len(piece.encode()) + 1
        if size <= left:
            kept.append((key, piece))
            left -= size
        elif not kept:
            kept.append((key, piece.encode()[: left - 4].decode("utf-8", "ignore")))
            break
    return "\n".join(p for _, p in sorted(kept))


def newest(pieces, budget):
    """Pieces in order, as many from the end as fit one after the other."""
    kept, left = [], budget * 4
    for key, piece in reversed(pieces):
        size = len(piece.encode()) + 1
        if size > left:
            if not kept:
                kept.append(piece.encode()[-(left - 4) :].decode("utf-8", "ignore"))
            break
        kept.append(piece)
        left -= size
    return "\n".join(reversed(kept))


class Chunks:
    """Twelve lines at a time of every turn, with what the turn is about; each knows its turn."""

    def __init__(self, turns):
        self.chunks = []
        for turn in turns:
            head, *lines = shown(turn).split("\n")
            for start in range(0, max(1, len(lines)), 12):
                body = "\n".join(lines[start : start + 12])
                for part in range(0, max(1, len(body)), 4000):
                    text = f"{head}\n{body[part : part + 4000]}"
                    self.chunks.append((turn["turn"], text, collections.Counter(words(text))))

    def ranked(self, query, before):
        chunks = [(k, c) for k, c in enumerate(self.chunks) if c[0] < before]
        mean = sum(sum(c[2].values()) for _, c in chunks) / max(1, len(chunks))
        scores = collections.Counter()
        for word in set(words(query)):
            having = [(k, c) for k, c in chunks if word in c[2]]
            rarity = math.log(1 + (len(chunks) - len(having) + 0.5) / (len(having) + 0.5))
            for k, (_, _, counts) in having:
                n, size = counts[word], sum(counts.values())
                scores[k] += rarity * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * size / mean))
        return [(k, self.chunks[k][1]) for k, _ in scores.most_common(400)]


def last(turns, _chunks, question, budget):
    return newest([(t["turn"], shown(t)) for t in turns[: question["asked_at"]]], budget)


def users(turns, _chunks, question, budget):
    return newest([(t["turn"], t["content"]) for t in turns[: question["asked_at"]] if t["role"] == "user"], min(budget, 20_000))


def masking(turns, _chunks, question, budget):
    turns = turns[: question["asked_at"]]
    tools = [t["turn"] for t in turns if t["role"] == "tool"][:-1]
    cleared = set(tools)
    return newest([(t["turn"], shown({**t, "content": "[cleared]"} if t["turn"] in cleared else t)) for t in turns], budget)


def bm25(_turns, chunks, question, budget):
    return fitting(chunks.ranked(question["question"], question["asked_at"]), budget)


def pinned(turns, chunks, question, budget):
    kept = []
    for turn in turns[: question["asked_at"]]:
        if turn["role"] == "user" or turn["role"] == "assistant" and not turn.get("tool"):
            short = [p for p in re.split(r"\n\s*\n", turn["content"]) if len(p) < 200]
            if short:
                kept.append((turn["turn"], "\n".join(short)))
    first = newest(kept, budget // 2)
    return first + "\n" + fitting(chunks.ranked(question["question"], question["asked_at"]), budget - tokens(first) - 1)


METHODS = [last, users, masking, bm25, pinned]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--dir", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--budget", type=int, default=8000)
    chosen = parser.parse_args()
    with open(os.path.join(chosen.dir, "questions.jsonl"), encoding="utf-8") as lines:
        asked = [json.loads(line) for line in lines]
    os.makedirs(chosen.out, exist_ok=True)
    results = {m: [] for m in METHODS}
    for name in sorted({q["session"] for q in asked}):
        with open(os.path.join(chosen.dir, f"{name}.jsonl"), encoding="utf-8") as lines:
            turns = [json.loads(line) for line in lines]
        chunks = Chunks(turns)
        for question in (q for q in asked if q["session"] == name):
            for method in METHODS:
                start = time.perf_counter()
                context = method(turns, chunks, question, chosen.budget)
                took = (time.perf_counter() - start) * 1000
                results[method].append({"question_id": question["question_id"], "context": context, "ms": round(took, 2)})
    for method, rows in results.items():
        with open(os.path.join(chosen.out, f"{method.__name__}.jsonl"), "w", encoding="utf-8") as out:
            out.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)


if __name__ == "__main__":
    main()
