"""Owns: what is said in a session and when: which directives, corrections and decisions fall into which task, and in what surroundings.
Uses: the wordings and a seeded generator.
Never: reads the repository, or asks the questions."""

from dataclasses import dataclass, field

import wordings

PLACES = ["alone", "in a paragraph", "after pasted text", "before pasted text", "in pasted text", "own turn", "answer", "several", "list"]


@dataclass
class Said:
    """One statement: `old` is the one it replaces. Its turn is known when it has been said."""

    topic: wordings.Topic
    value: str
    text: str
    needle: str
    place: str
    task: int
    ways: list = field(default_factory=list)
    ask: str = ""
    old: "Said | None" = None
    new: "Said | None" = None
    turn: int = -1


class Plan:
    """Statements by task: `user[n]` and `assistant[n]`."""

    def __init__(self, rng, topics, pools, tasks, directives, decisions):
        self.rng, self.pools, self.tasks, self.used = rng, pools, tasks, set()
        self.user = [[] for _ in range(tasks)]
        self.assistant = [[] for _ in range(tasks)]
        chosen = rng.sample([t for t in topics if t.what == "directive"], directives)
        corrected = 0
        for topic in chosen:
            first = self.state(topic, rng.randrange(0, tasks - 2), "-")
            self.user[first.task].append(first)
            if topic.get("+") and corrected < 4 and rng.random() < 0.5:
                corrected += 1
                self.user_later(topic, first)
            for template in topic.get("x"):
                other = wordings.value(rng, topic.kind, self.used)
                text, needle = wordings.fill(template, v=other)
                self.user[rng.randrange(tasks)].append(Said(None, other, text, needle, rng.choice(PLACES[:6]), 0))
        for _ in range(tasks // 2):
            text, needle = wordings.fill(rng.choice(pools["aside"]), w=wordings.value(rng, "pair", self.used))
            self.user[rng.randrange(tasks)].append(Said(None, "", text, needle, rng.choice(PLACES[:6]), 0))
        reversed_ = 0
        for topic in rng.sample([t for t in topics if t.what == "decision"], decisions):
            first = self.state(topic, rng.randrange(0, tasks - 2), "-")
            self.assistant[first.task].append(first)
            if topic.get("+") and reversed_ < 2:
                reversed_ += 1
                later = self.state(topic, rng.randrange(first.task + 1, tasks), "+", first)
                self.assistant[later.task].append(later)

    def user_later(self, topic, first):
        later = self.state(topic, self.rng.randrange(first.task + 1, self.tasks), "+", first)
        self.user[later.task].append(later)
        if len(topic.get("+")) > 1 and self.rng.random() < 0.15 and later.task + 1 < self.tasks:
            last = self.state(topic, self.rng.randrange(later.task + 1, self.tasks), "+", later)
            self.user[last.task].append(last)

    def state(self, topic, task, mark, old=None):
        made = wordings.value(self.rng, topic.kind, self.used)
        template = self.rng.choice(topic.get(mark))
        other = wordings.value(self.rng, topic.kind, self.used) if "{d}" in template else ""
        text, needle = wordings.fill(template, v=made, d=other, o=old.value if old else "")
        place, ways, ask = self.rng.choice(PLACES), [], ""
        if topic.what == "decision":
            place = self.rng.choice(["own turn", "in notes", "before a call"])
        elif place == "answer" and topic.get("q") and not old:
            ask = self.rng.choice(topic.get("q"))
            text, needle = wordings.fill(self.rng.choice(topic.get(">")), v=made)
        else:
            place = "own turn" if place == "answer" else place
            text, ways = wordings.register(self.rng, text, needle, self.pools)
        said = Said(topic, made, text, needle, place, task, ways, ask, old)
        if old:
            old.new = said
        return said

    def chat(self, number):
        return " ".join(self.rng.sample(self.pools["chat"], number))

    def compose(self, request, pasted, statements):
        """The message that opens a task: the request, the pasted text, and what is said around and inside of them."""
        rng, parts = self.rng, [request]
        alone = [s for s in statements if s.place == "alone"]
        paragraph = [s for s in statements if s.place == "in a paragraph"]
        several = [s for s in statements if s.place == "several"]
        listed = [s for s in statements if s.place == "list"]
        before = [s.text for s in statements if s.place == "before pasted text"]
        after = [s.text for s in statements if s.place == "after pasted text"]
        inside = [s.text for s in statements if s.place == "in pasted text"]
        parts += [s.text for s in alone]
        for said in paragraph:
            sentences = rng.sample(self.pools["chat"], 3)
            sentences.insert(rng.randrange(1, 3), ended(said.text))
            parts.append(" ".join(sentences))
        if several:
            parts.append(" ".join([self.chat(1), *[ended(s.text) for s in several]]))
        if listed:
            parts.append("\n".join(f"{rng.choice(['-', '-', '*'])} {s.text}" for s in listed))
        rng.shuffle(parts)
        lead = rng.choice(self.pools["paste"])
        if before:
            glue = "\n" if rng.random() < 0.4 else "\n\n"
            lead = glue.join([*before, lead]) if lead else "\n".join(before)
        pieces = pasted.split("\n\n") if "\n\n" in pasted else pasted.split("\n")
        joint = "\n\n" if "\n\n" in pasted else "\n"
        for text in inside:
            pieces.insert(rng.randrange(1, max(2, len(pieces))), text)
        body = joint.join(pieces)
        if rng.random() < 0.3 and not inside and "```" not in body:
            body = f"```\n{body}\n```"
        blocks = [lead + ("\n" if lead else "") + body] if body else [lead] if before else []
        if after:
            blocks[-1:] = [blocks[-1] + ("\n" if rng.random() < 0.4 else "\n\n") + "\n\n".join(after)] if blocks else after
        if rng.random() < 0.25 and blocks:
            parts, blocks = blocks, parts
        return "\n\n".join(p for p in [*parts, *blocks] if p)


def ended(text):
    return text if text[-1] in ".!?:" else text + "."
