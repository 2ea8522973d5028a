#!/usr/bin/env python3
"""Owns: made agent sessions from the history of repositories: the turns, and the questions about them.
Uses: history (commits, files), runs (test output), wordings and talk (what is said).
Never: a model, a network, or a turn that was recorded anywhere.

    benches/sessions/make.py REPO… --seed N --out DIR [--sessions 1] [--wordings FILE]
"""

import argparse
import json
import os
import random
import re

import history
import questions
import runs
import talk
import wordings

BYTES = 520_000  # about 130,000 tokens at four bytes each, sixteen times the window that is asked for
DIALECTS = [
    {"read": "read", "grep": "grep", "edit": "edit", "shell": "shell"},
    {"read": "read", "grep": "grep", "edit": "edit", "shell": "shell"},
    {"read": "read", "grep": "grep", "edit": "edit", "shell": "shell"},
    {"read": "read_file", "grep": "search_files", "edit": "apply_patch", "shell": "run"},
    {"read": "view", "grep": "rg", "edit": "str_replace", "shell": "bash"},
]


class Session:
    def __init__(self, name, repo, tree, rng, topics, pools):
        self.name, self.repo, self.tree, self.rng, self.pools = name, repo, tree, rng, pools
        self.turns, self.size = [], 0
        self.dialect = rng.choice(DIALECTS)
        self.style = rng.choice(["{n:>5}\t{t}", "{n:>5}\t{t}", "{n}: {t}", "{n:>6}→{t}"])
        self.notes = rng.sample(pools["note"], min(3, len(pools["note"])))
        self.facts = {"reads": [], "greps": [], "runs": [], "edits": [], "tried": [], "next": [], "edit_needles": []}
        self.tasks = rng.randrange(8, 11)
        span = 300 + rng.randrange(300)
        self.commits = tree.commits(rng, self.tasks, span)
        self.tasks = len(self.commits)
        languages = [history.kind(e.path) for c in self.commits for e in c.edits]
        self.language = max(set(languages), key=languages.count)
        self.plan = talk.Plan(rng, topics, pools, self.tasks, rng.randrange(13, 18), rng.randrange(6, 9))

    # turns

    def say(self, role, content, **more):
        self.turns.append({"turn": len(self.turns), "role": role, **more, "content": content})
        self.size += len(content.encode()) + 40
        return len(self.turns) - 1

    def pick(self, pool, **values):
        return wordings.fill(self.rng.choice(self.pools[pool]), **values)

    def call(self, tool, args, said, result, **keys):
        name = self.dialect[tool]
        self.say("assistant", said, tool=name, args=args)
        return self.say("tool", result, tool=name, **keys)

    def read(self, revision, path, around=None, limit=None):
        """Reads lines of a file; what was shown is kept as (turn, path, first line, lines)."""
        text = self.tree.file(revision, path)
        if not text:
            return None
        lines = text.split("\n")
        limit = limit or self.rng.choice([200, 260, 330])
        around = around and 1 + (around - 1) % len(lines)
        start = 1 if around is None or len(lines) <= limit else max(1, around - self.rng.randrange(20, limit - 60))
        shown = lines[start - 1 : start - 1 + limit]
        end = start + len(shown) - 1
        ending = "\r\n" if self.rng.random() < 0.04 else "\n"
        name = self.dialect["read"]
        if name == "view":
            args = {"path": path, "view_range": [start, end]}
        elif name == "read_file":
            args = {"file_path": path, "start_line": start, "end_line": end}
        else:
            args = {"path": path, "offset": start, "limit": limit}
        said = self.rng.choice([f"Reading {path} from line {start}.", f"{path}:{start}-{end}", "", f"Now {path.rsplit('/', 1)[-1]}."])
        if self.dialect["shell"] == "bash" and self.rng.random() < 0.4:
            cmd = f"sed -n '{start},{end}p' {path}"
            body = ending.join(shown)
            turn = self.call("shell", {"command": cmd}, said, body, cmd=cmd)
        else:
            body = ending.join(self.style.format(n=start + k, t=t) for k, t in enumerate(shown))
            turn = self.call("read", args, said, body, path=path)
        self.facts["reads"].append((turn, path, start, shown))
        return shown

    def note(self, path, shown, decision=None):
        words = " ".join(history.comments(shown)[:6])[:700] or "Mostly plumbing."
        named = ", ".join(history.names(shown)[:7]) or "nothing of its own"
        text = self.rng.choice(self.notes).format(path=path, c=words, n=named)
        if decision:
            text = f"{text} {decision.text}" if self.rng.random() < 0.5 else f"{decision.text} {text}"
            decision.turn = len(self.turns)
        self.say("assistant", text)

    def grep(self, revision, symbol):
        hits, total = self.tree.grep(revision, symbol, most=self.rng.choice([20, 40, 60]))
        if not hits:
            return
        name = self.dialect["grep"]
        args = {"grep": {"pattern": symbol}, "search_files": {"regex": symbol, "path": "."}, "rg": {"query": symbol}}[name]
        body = "\n".join(f"{p}:{n}:{t}" for p, n, t in hits) + f"\n({len(hits)} matches)"
        turn = self.call("grep", args, self.pick("plan", s=f"`{symbol}`")[0], body, pattern=symbol)
        self.facts["greps"].append((turn, symbol, hits))

    def edit(self, commit, said):
        paths = [e.path for e in commit.edits]
        diff = "".join(e.diff for e in commit.edits)
        name, turns = self.dialect["edit"], []
        if name == "edit":
            turn = self.call("edit", {"files": paths}, said, diff, paths=paths)
        elif name == "apply_patch":
            turn = self.call("edit", {"patch": diff}, said, "Success. Updated the following files:\n" + "\n".join(f"M {p}" for p in paths), paths=paths)
        else:
            for n, edit in enumerate(commit.edits):
                hunk = edit.diff.split("\n@@", 1)[-1].split("\n")[1:]
                old = "\n".join(l[1:] for l in hunk if l[:1] in "- ")
                new = "\n".join(l[1:] for l in hunk if l[:1] in "+ ")
                args = {"path": edit.path, "old_str": old, "new_str": new}
                turn = self.call("edit", args, said if n == 0 else "", f"The file {edit.path} has been edited.", paths=[edit.path])
                turns.append(turn)
        self.facts["edits"].append((turn, paths, turns or [turn]))

    def run(self, runner, tests, failing):
        made = runner(self.rng, tests, failing)
        text = made.text
        if self.rng.random() < 0.15:
            text = runs.paint(self.rng, text)
        key = "command" if self.dialect["shell"] != "shell" else "cmd"
        turn = self.call("shell", {key: made.cmd}, self.rng.choice(["Running the tests.", "", "Now the suite."]), text, cmd=made.cmd)
        self.facts["runs"].append((turn, made))
        return made

    # the course of a session

    def build(self):
        self.say("user", self.open())
        tests = self.tree.tests(self.commits[0].parent, self.language, self.rng, 400)
        for n, commit in enumerate(self.commits):
            self.task(n, commit, tests)
        return self

    def open(self):
        template = self.rng.choice(self.pools["opener"])
        text, self.facts["first"] = wordings.fill(template, repo=self.repo)
        return text

    def interject(self, statements):
        """Statements that come in turns of their own; an answer is asked for first."""
        for said in statements:
            if said.place == "answer":
                self.say("assistant", said.ask)
                said.turn = self.say("user", said.text)
            else:
                text = said.text if self.rng.random() < 0.5 else f"{self.plan.chat(1)} {said.text}"
                said.turn = self.say("user", text)
                if self.rng.random() < 0.5:
                    self.say("assistant", self.rng.choice(self.pools["ack"]))

    def task(self, n, commit, tests):
        rng = self.rng
        mine = self.plan.user[n]
        rng.shuffle(mine)
        apart = [s for s in mine if s.place in ("own turn", "answer")]
        together = [s for s in mine if s not in apart]
        title = commit.title + (f"\n{commit.body[:600]}" if commit.body and rng.random() < 0.4 else "")
        request = self.pick("request", title=title, n=str(n + 1))[0]
        wanted = any("pasted" in s.place for s in together) or rng.random() < 0.6
        pasted = self.pasted(commit, tests) if wanted else ""
        message = self.plan.compose(request, pasted, together)
        turn = self.say("user", message.replace("\n", "\r\n") if rng.random() < 0.05 else message)
        for said in together:
            said.turn = turn
        decisions = list(self.plan.assistant[n])
        half = rng.randrange(len(apart) + 1)
        self.interject(apart[:half])
        self.survey(n, commit)
        self.distract(n, commit, decisions)
        if rng.random() < 0.7:
            lead = rng.choice(self.pools["paste"])
            self.say("user", f"{lead}\n{self.pasted(commit, tests)}".strip())
        self.interject(apart[half:])
        self.conclude(n, commit, tests, decisions)

    def pasted(self, commit, tests):
        """Text of the project, or somebody's test log."""
        if tests and self.rng.random() < 0.2:
            some = self.rng.sample(tests, min(len(tests), 40))
            return self.rng.choice(runs.RUNNERS[self.language])(self.rng, some, [some[0][1], some[1][1]]).text
        return self.tree.pasted(commit.parent, self.rng).strip()

    def survey(self, n, commit):
        added = " ".join(l for e in commit.edits for l in e.diff.split("\n") if l[:1] in "+-")
        symbols = [w for w in history.WORD.findall(added) if re.search(r"[a-z][A-Z]|_", w)]
        self.rng.shuffle(symbols)
        for symbol in symbols[: self.rng.choice([1, 1, 2])]:
            self.grep(commit.parent, symbol)
        for edit in commit.edits[:3]:
            shown = self.read(commit.parent, edit.path, around=(edit.removed or edit.touched)[0])
            if shown and self.rng.random() < 0.6:
                self.note(edit.path, shown)

    def distract(self, n, commit, decisions):
        """Reads of other files until the session is as long as it should be at this point."""
        paths = [p for p in self.tree.paths(commit.parent) if history.kind(p)]
        near = [p for p in paths if p.rsplit("/", 1)[0] == commit.edits[0].path.rsplit("/", 1)[0]]
        aim = BYTES * (n + 1) / self.tasks - 9000
        if self.rng.random() < 0.12:
            self.long_line()
        while self.size < aim:
            path = self.rng.choice(near if near and self.rng.random() < 0.4 else paths)
            before = sum(r[1] == path for r in self.facts["reads"])
            if len(self.tree.file(commit.parent, path) or "") < 1200 or before and self.rng.random() < 0.9:
                aim -= 100
                continue
            shown = self.read(commit.parent, path, around=self.rng.randrange(1, 900))
            inside = [d for d in decisions if d.place == "in notes" and d.turn < 0]
            if shown and (inside or self.rng.random() < 0.5):
                self.note(path, shown, inside[0] if inside and self.rng.random() < 0.7 else None)

    def long_line(self):
        blob = ";".join(f"function {a}{self.rng.randrange(99)}(e,t){{return e.{b}(t)}}" for a, b in (self.rng.sample(wordings.NOUNS, 2) for _ in range(400)))
        self.call("shell", {"cmd": "head -c 20000 dist/bundle.min.js"}, "What does the bundle contain?", blob[:20000], cmd="head -c 20000 dist/bundle.min.js")

    def conclude(self, n, commit, tests, decisions):
        rng = self.rng
        left = [d for d in decisions if d.turn < 0]
        call = next((d for d in left if d.place == "before a call"), None)
        for decision in left:
            if decision is not call:
                decision.turn = self.say("assistant", decision.text)
        if rng.random() < 0.5:
            text, needle = self.pick("tried", w=wordings.value(rng, "pair", self.plan.used))
            self.facts["tried"].append((self.say("assistant", text), needle))
        if call:
            call.turn = len(self.turns)
        self.edit(commit, call.text if call else rng.choice(["Making the change.", "", f"Editing {len(commit.edits)} file(s)."]))
        if tests:
            self.check(tests)
        todo, needle = self.pick("todo", w=wordings.value(rng, "pair", self.plan.used))
        text, needle = self.pick("status", v=todo)
        self.facts["next"].append((self.say("assistant", text), needle))

    def check(self, tests):
        """A run or two; what fails may fail again with another value, or pass."""
        rng = self.rng
        runner = rng.choice(runs.RUNNERS[self.language])
        some = rng.sample(tests, min(len(tests), rng.randrange(18, 46)))
        failing = [t[1] for t in rng.sample(some, rng.choice([0, 1, 1, 2, 3]))]
        made = self.run(runner, some, failing)
        while made.failures and rng.random() < 0.6:
            self.say("assistant", self.pick("red", k=str(len(made.failures)))[0])
            failing = [f for f in failing if rng.random() < 0.5]
            made = self.run(runner, some, failing)
        if not made.failures and rng.random() < 0.5:
            self.say("assistant", self.pick("green")[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("repos", nargs="+", metavar="REPO")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", required=True)
    parser.add_argument("--sessions", type=int, default=1, help="sessions of each repository")
    parser.add_argument("--wordings", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), "wordings.txt"))
    chosen = parser.parse_args()
    topics, pools = wordings.load(chosen.wordings)
    os.makedirs(chosen.out, exist_ok=True)
    asked = []
    for repo in chosen.repos:
        folder = os.path.abspath(repo)
        name = os.path.basename(folder if os.path.basename(folder) != "repo" else os.path.dirname(folder)).split("+")[-1].removesuffix(".git")
        for k in range(chosen.sessions):
            tree = history.History(folder)
            label = name if chosen.sessions == 1 else f"{name}{k + 1}"
            rng = random.Random(f"{chosen.seed} {name} {k}")
            session = Session(label, name, tree, rng, topics, pools).build()
            with open(os.path.join(chosen.out, f"{label}.jsonl"), "w", encoding="utf-8") as out:
                for turn in session.turns:
                    out.write(json.dumps(turn, ensure_ascii=False) + "\n")
            made = questions.ask(session)
            asked += made
            tree.close()
            print(f"{label}: {len(session.turns)} turns, {session.size // 4} tokens, {len(made)} questions, {session.language}, head {session.commits[-1].sha}")
    with open(os.path.join(chosen.out, "questions.jsonl"), "w", encoding="utf-8") as out:
        for question in asked:
            out.write(json.dumps(question, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
