#!/usr/bin/env python3
"""Owns: the quality of a made set: needles stand where they should, paraphrases share no words, everything can be answered.
Uses: the files of the set.
Never: mends them.

    benches/sessions/check.py DIR [--oracle results.jsonl]
"""

import argparse
import collections
import json
import os
import re

SPACE = re.compile(r"\s+")
COMMON = set(
    "a about after all am an and any are as at be been before but by can could did do does else ever every for from get gets go goes had has have how i if in into "
    "is it its just may me might more must my no not nothing of off on one only or our out over should so some still than that the their them then there these "
    "they this those to under until up use used us was we were what when where which who whom whose why will with would you your now new here please".split()
)


def flat(text):
    return SPACE.sub(" ", text)


def stems(text):
    words = re.findall(r"[^\W\d_]{3,}", text.lower())
    return {re.sub(r"(ing|ed|es|s|ly|er|ers|ion|ions|ation)$", "", w)[:6] for w in words if w not in COMMON}


def load(folder):
    asked = [json.loads(l) for l in open(os.path.join(folder, "questions.jsonl"), encoding="utf-8")]
    names = sorted({q["session"] for q in asked})
    return asked, {n: [json.loads(l) for l in open(os.path.join(folder, f"{n}.jsonl"), encoding="utf-8")] for n in names}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("folder")
    parser.add_argument("--oracle", help="write results that show the lines with the needles: they must score 1")
    chosen = parser.parse_args()
    asked, sessions = load(chosen.folder)
    texts = {n: [flat(t["content"]) for t in turns] for n, turns in sessions.items()}
    problems, repeated = collections.Counter(), collections.Counter()
    results = []
    for q in asked:
        said = texts[q["session"]]
        for needle in q["needles"]:
            needle = flat(needle)
            homes = [k for k in range(q["asked_at"]) if needle in said[k]]
            if not set(homes) & set(q["source_turns"]):
                problems["needle not in its source turns"] += 1
                print("missing:", q["question_id"], needle)
            if set(homes) - set(q["source_turns"]):
                repeated[q["kind"]] += 1
            if len(needle) < 4:
                problems["short needle"] += 1
                print("short:", q["question_id"], needle)
            if needle in flat(q["question"]):
                problems["needle in the question"] += 1
                print("given away:", q["question_id"], needle)
        if q["style"] in ("paraphrase", "action") and q["kind"] in ("constraint", "decision", "update"):
            sentences = re.split(r"(?<=[.;!?]) |\n", sessions[q["session"]][q["source_turns"][0]]["content"])
            source = next((s for s in sentences if q["needles"][0] in s), "")
            shared = stems(source) & stems(q["question"])
            if shared:
                problems[f"{q['style']} shares words"] += 1
                print(f"{q['style']}:", q["question_id"], sorted(shared), "|", q["question"], "|", source[:160])
        parts = []
        for needle in q["needles"]:
            at = next(k for k in q["source_turns"] if flat(needle) in said[k])
            place = said[at].find(flat(needle))
            parts.append(said[at][max(0, place - 80) : place + len(needle) + 80])
        results.append({"question_id": q["question_id"], "context": "\n".join(parts), "ms": 0})
    print(len(asked), "questions;", dict(problems), "; needles that stand in other turns too:", dict(repeated))
    if chosen.oracle:
        with open(chosen.oracle, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in results)


if __name__ == "__main__":
    main()
