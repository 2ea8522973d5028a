"""Owns: the questions about a made session: their needles, the turns these stand in, when they are asked.
Uses: the facts that the session kept while it was made.
Never: asks for what stands elsewhere by accident; such a question is left out."""

import re

import history

SPACE = re.compile(r"\s+")


def flat(text):
    return SPACE.sub(" ", text)


class Asker:
    def __init__(self, session):
        self.session, self.rng = session, session.rng
        self.texts = [flat(t["content"]) for t in session.turns]
        self.end = len(session.turns)
        self.made = []

    def alone(self, needle, turn, until=None):
        """The needle stands in its turn and in no other before `until`."""
        needle = flat(needle)
        found = [k for k, text in enumerate(self.texts[:until]) if needle in text]
        return found == [turn]

    def add(self, kind, style, text, needles, turns, asked_at=None, **more):
        self.made.append(
            {
                "question_id": f"{self.session.name}-{len(self.made):03}", "session": self.session.name, "split": "made", "kind": kind, "style": style,
                "question": text, "needles": needles, "source_turns": turns, "asked_at": asked_at or self.end, **more,
            }  # fmt: skip
        )
        return self.made[-1]

    def midway(self, turn, until=None):
        """Some time after a turn; mostly at the end."""
        until = until or self.end
        if self.rng.random() < 0.75 or turn + 12 >= until:
            return until
        return self.rng.randrange(turn + 10, until + 1)

    def word(self, pool, **values):
        return self.session.pick(pool, **values)[0]

    def statements(self):
        plan = self.session.plan
        everything = [s for task in [*plan.user, *plan.assistant] for s in task if s.topic]
        for said in everything:
            what = "constraint" if said.topic.what == "directive" else "decision"
            if said.turn < 0 or not self.alone(said.needle, said.turn, said.new.turn if said.new else None):
                continue
            styles = [("lexical", "l"), ("paraphrase", "p"), ("action", "a")]
            if said.new:
                # Asked before it was replaced, it is the answer.
                if not said.old and said.new.turn - said.turn > 12:
                    style, mark = self.rng.choice([s for s in styles if said.topic.get(s[1])])
                    asked = self.rng.randrange(said.turn + 10, said.new.turn + 1)
                    self.add(what, style, self.rng.choice(said.topic.get(mark)), [said.needle], [said.turn], asked)
                continue
            asked = self.midway(said.turn)
            for style, mark in styles:
                if not said.topic.get(mark):
                    continue
                text = self.rng.choice(said.topic.get(mark))
                if said.old:
                    self.add("update", style, text, [said.needle], [said.turn], asked, stale=said.old.needle)
                else:
                    self.add(what, style, text, [said.needle], [said.turn], asked)

    def edits(self):
        for commit, (_, _, turns) in zip(self.session.commits, self.session.facts["edits"]):
            needles, sources = [], []
            for edit in commit.edits:
                for at, path, start, shown in self.session.facts["reads"]:
                    if path != edit.path or at > turns[0]:
                        continue
                    for number in edit.removed:
                        line = shown[number - start].strip() if start <= number < start + len(shown) else ""
                        if len(line) > 24 and line not in needles and self.alone(line, at, turns[0] - 1):
                            needles.append(line)
                            sources.append(at)
            keep = sorted(self.rng.sample(range(len(needles)), min(3, len(needles))))
            if keep:
                text = commit.title + (f"\n{commit.body[:400]}" if commit.body and self.rng.random() < 0.5 else "")
                asked = self.rng.choice([turns[0] - 1, self.end])
                self.add("next_edit", "task", text, [needles[k] for k in keep], [sources[k] for k in keep], asked)

    def runs(self):
        runs = self.session.facts["runs"]
        singles = []
        for k, (turn, run) in enumerate(runs):
            for fail in run.failures:
                later = [(t, f) for t, r in runs[k + 1 :] for f in r.failures if f.name == fail.name]
                earlier = [f for _, r in runs[:k] for f in r.failures if f.name == fail.name]
                if later:
                    continue
                if earlier and self.alone(fail.value, turn):
                    text = self.word("ask-latest", name=fail.name)
                    self.add("test_update", "lexical", text, [fail.value], [turn], stale=earlier[-1].value)
                elif self.alone(fail.value, turn):
                    text = self.word("ask-value", name=fail.name)
                    singles.append(self.add("test_failure", "lexical", text, [fail.value], [turn], self.midway(turn)))
                if self.rng.random() < 0.4 and self.alone(fail.where, turn):
                    self.add("test_failure", "lexical", self.word("ask-where", name=fail.name), [fail.where], [turn], self.midway(turn))
        return singles

    def code(self):
        rng, facts = self.rng, self.session.facts
        hits = [(turn, symbol, hit) for turn, symbol, found in facts["greps"] for hit in found if sum(h[0] == hit[0] for h in found) == 1]
        for turn, symbol, (path, number, _) in rng.sample(hits, min(5, len(hits))):
            needle = f"{path}:{number}:"
            if self.alone(needle, turn):
                self.add("grep_hit", "lexical", self.word("ask-grep", path=path, s=f"`{symbol}`"), [needle], [turn], self.midway(turn))
        constants = []
        for turn, path, _, shown in facts["reads"]:
            for line in shown:
                named = history.CONSTANT.match(line)
                if named and 16 < len(line.strip()) < 110 and self.alone(line.strip(), turn):
                    constants.append((turn, named[1], line.strip()))
        for turn, name, line in rng.sample(constants, min(4, len(constants))):
            if rng.random() < 0.5:
                self.add("const_value", "lexical", self.word("ask-const", s=name), [line], [turn], self.midway(turn))
            else:
                words = name.replace("_", " ").strip().lower()
                self.add("const_value", "paraphrase", self.word("ask-const-words", s=words), [line], [turn], self.midway(turn))

    def ledger(self):
        rng, facts = self.rng, self.session.facts
        for asked in (self.end, rng.randrange(self.end // 2, self.end)):
            edits = [(paths, turns) for t, paths, turns in facts["edits"] if t < asked]
            if edits:
                changed, turns = sorted({p for e in edits for p in e[0]}), [t for e in edits for t in e[1]]
                self.add("ledger", "state", self.word("ask-files"), changed, turns, asked)
            runs = [(t, r) for t, r in facts["runs"] if t < asked]
            if runs:
                turn, run = runs[-1]
                if self.alone(run.summary, turn, asked):
                    self.add("ledger", "state", self.word("ask-tests"), [run.summary], [turn], asked)
                    if run.failures:
                        self.add("ledger", "state", self.word("ask-failing"), [run.summary] + [f.line for f in run.failures], [turn], asked)
            done = [(t, n) for t, n in facts["next"] if t < asked]
            if done:
                self.add("ledger", "state", self.word("ask-next"), [done[-1][1]], [done[-1][0]], asked)
            tried = [(t, n) for t, n in facts["tried"] if t < asked]
            if tried:
                self.add("ledger", "state", self.word("ask-tried"), [n for _, n in tried], [t for t, _ in tried], asked)
        self.add("ledger", "state", self.word("ask-first"), [facts["first"]], [0])

    def pairs(self, number):
        """Two questions in one; what they ask for stands far apart."""
        plain = [q for q in self.made if q["style"] == "lexical" and "stale" not in q and q["kind"] != "next_edit"]
        for _ in range(number):
            a, b = self.rng.sample(plain, 2)
            text = self.rng.choice(["{a} And {b}", "Two things. {a} {b}", "{a} Also: {b}"]).format(a=a["question"], b=b["question"])
            self.add("multi", "lexical", text, a["needles"] + b["needles"], a["source_turns"] + b["source_turns"], max(a["asked_at"], b["asked_at"]))


def ask(session):
    asker = Asker(session)
    asker.statements()
    asker.edits()
    asker.runs()
    asker.code()
    asker.ledger()
    asker.pairs(6)
    return asker.made
