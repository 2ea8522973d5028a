"""Words of users: templates are expanded, wrapped in politeness and context, and roughened the way people type."""

import os
import random
import re
import string

HERE = os.path.dirname(os.path.abspath(__file__))
CHOICE = re.compile(r"\{([^{}]*)\}")
SLOT = re.compile(r"<([A-Z]+2?)(?:\+([^<>]*))?>")
BASE = 0xE000  # placeholders stand for slots while the words around them are roughened


def phrases(name):
    with open(os.path.join(HERE, "phrases", name + ".txt"), encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file if line.strip()]


class Phrases(dict):
    def __missing__(self, name):
        self[name] = phrases(name)
        return self[name]


PHRASES = Phrases()


def expand(r, template):
    """Resolves `{a|b}` from the inside out."""
    while True:
        found = CHOICE.search(template)
        if not found:
            return re.sub(r"  +", " ", template).strip()
        template = template[:found.start()] + r.choice(found[1].split("|")) + template[found.end():]


BEFORE_COMMAND = "please|hey,|hi,|can you|could you|could you please|can you please|ok,|okay|now|hey loci,|loci,|i need you to|i want you to|i'd like you to|pls|next,|alright,|so|go ahead and|just|would you|um|right,|let's|help me|first,|one more thing:|then|also|yo|is it possible to|any chance you could|would it be possible to|i wonder if you could|it would be great if you could|try to|you should|we need to|i have to|time to|your task:|next step:|do me a favor and|be so kind and|kindly|i was hoping you could|are you able to|will you|mind if you|here is what i want:|can u|could u|plz|quick task:|when you're ready,|would you mind to|let us|actually,|hmm,|well,".split("|")
BEFORE_QUESTION = "hey,|hi,|quick question:|ok,|so|loci,|sorry,|i was wondering,|do you know|can you tell me|tell me|could you tell me|i'm trying to find out|um,|any idea|i forgot,|remind me|i'm curious,|please tell me|hm|wait,|and|right,|one thing:|find out|i wonder|i need to know|i'd like to know|not sure|i have no idea|figure out|check|can you find out|question:|my question:|does anyone know|let me know|i want to know|what i need to know:|help me find out|please check|by the way,|btw|just wondering,|hey quick q -|again:|mind telling me|honestly,|actually,|hmm,|well,|do u know|can u tell me|please,|once more,|dumb question:|maybe you know:|idk".split("|")
AFTER = "please|thanks|for me|pls|asap|now|thank you|in this repo|in this project|here|in the codebase|in this repository|again|real quick|if you can|when you have a moment|in our code|ta|then|right now|quickly|cheers|thx|plz|if possible|ok|okay|would you|will you|man|mate|exactly|by any chance|today|first|somehow|at the moment".split("|")
FILLERS = "just really actually maybe also kindly quickly basically exactly currently again simply perhaps somehow still even probably like literally".split()
DETERMINERS = set("the a this that our my some all any your its".split())
SHORT = {"you": "u", "please": "pls", "are": "r", "your": "ur", "want to": "wanna", "going to": "gonna", "because": "bc", "thanks": "thx", "with": "w/", "about": "abt", "function": "func", "directory": "dir", "and": "&", "what": "wat", "the": "teh", "know": "kno", "before": "b4", "people": "ppl", "to": "2", "repository": "repo", "message": "msg"}


def misspell(r, word):
    """One slip of the fingers; the first and last letters stay."""
    if len(word) < 4 or not word.isalpha():
        return word
    i, kind = r.randrange(1, len(word) - 1), r.random()
    if kind < 0.35:
        return word[:i] + word[i + 1:]
    if kind < 0.7:
        return word[:i] + word[i + 1] + word[i] + word[i + 2:]
    if kind < 0.85:
        return word[:i] + word[i] + word[i:]
    return word[:i] + r.choice(string.ascii_lowercase) + word[i + 1:]


def roughen(r, text, slips):
    """Misspells about `slips` of the longer words, never a slot."""
    words = text.split(" ")
    for i, word in enumerate(words):
        if len(word) >= 4 and r.random() < slips:
            words[i] = misspell(r, word)
    return " ".join(words)


def quoted(r, text, always=False):
    """How people write a literal: bare or in one of three kinds of quotes."""
    if not always and r.random() < 0.5:
        return text
    marks = ["`", '"', "'"] if always else r.choices([["`"], ["'"], ['"']], [5, 3, 3])[0]
    r.shuffle(marks)
    for mark in marks:
        if mark not in text:
            return mark + text + mark
    return text


class Speaker:
    """Puts one request into words. `other` supplies names and paths that are mentioned but not meant."""

    def __init__(self, r, other):
        self.r, self.other, self.slots = r, other, []

    def hold(self, text):
        self.slots.append(text)
        return chr(BASE + len(self.slots) - 1)

    def fill(self, template, slots):
        def put(found):
            name = found[1]
            if name in slots:
                return self.hold(slots[name])
            if name == "S2":
                return self.hold(quoted(self.r, self.other.symbol()))
            if name == "P2":
                return self.hold(self.other.path())
            raise KeyError(f"{found[0]} in {template}")
        return SLOT.sub(put, expand(self.r, template))

    def context(self, name):
        return self.fill(self.r.choice(PHRASES[name]), {})

    def core(self, template, slots, question, rough):
        r, text = self.r, self.fill(template, slots)
        if r.random() < 0.10:
            words = text.split(" ")
            at = [i for i, word in enumerate(words) if word in DETERMINERS]
            if at:
                words[r.choice(at)] = r.choice(["", r.choice(sorted(DETERMINERS))])
                text = re.sub(" +", " ", " ".join(words)).strip()
        if r.random() < 0.08 + rough * 0.1:
            words = text.split(" ")
            words.insert(r.randrange(len(words) + 1), r.choice(FILLERS))
            text = " ".join(words)
        if r.random() < 0.45:
            text = r.choice(BEFORE_QUESTION if question else BEFORE_COMMAND) + " " + text
        if r.random() < 0.25:
            text = text.rstrip("?.! ") + r.choice([" ", ", "]) + r.choice(AFTER)
        return text

    def say(self, template, slots, question=False, mutates=None, calm=False):
        """`mutates` picks the reassurances that fit; `calm` keeps the words as they are (a literal runs to the end)."""
        r = self.r
        rough = 0 if calm else r.choices([0, 1, 2], [40, 33, 27])[0]
        core = self.fill(template, slots) if calm else self.core(template, slots, question, rough)
        sentences = [core]
        if rough:
            if r.random() < (0.3, 0.75)[rough - 1]:
                sentences.insert(0, self.context("context_before"))
                if rough == 2 and r.random() < 0.4:
                    sentences.insert(0, self.context("context_before"))
            if r.random() < (0.1, 0.4)[rough - 1]:
                sentences.append(self.context("context_after"))
            if mutates is not None and r.random() < (0.06, 0.16)[rough - 1]:
                sentences.insert(r.choice([0, len(sentences)]), self.context("only_this" if mutates else "only_look"))
        ends_in_question = question and r.random() < 0.6
        out = []
        typing = r.random()  # one hand for the whole message: careful, lower case, no punctuation
        for sentence in sentences:
            if not calm and r.random() < 0.5:
                sentence = roughen(r, sentence, (0.06, 0.08, 0.15)[rough])
            if rough == 2 and r.random() < 0.25:
                for long, short in r.sample(sorted(SHORT.items()), 6):
                    sentence = re.sub(r"\b%s\b" % long, short, sentence)
            if typing < 0.4 and sentence[:1].islower():
                sentence = sentence[0].upper() + sentence[1:]
            mark = "" if sentence[-1:] in ".?!:," else ("?" if sentence is core or sentence == core else "") if ends_in_question else ""
            out.append(sentence + mark)
        if ends_in_question and len(out) == 1 and out[0][-1:] not in "?.!:":
            out[0] += "?"
        text = out[0]
        joint = r.choice([". ", ". ", ". ", ", ", " - ", "\n", "... ", " "]) if typing > 0.25 else ". "
        for sentence in out[1:]:
            text += (" " if text[-1:] in "?!.," else joint) + sentence
        if not question and r.random() < 0.18 and text[-1:] not in ".?!" and not calm:
            text += r.choice([".", ".", "!", "!!", "...", "?"])
        if typing > 0.85 and not calm:
            text = re.sub(r"(?<=[a-z])'(?=[a-z])", "", text)
        elif rough and r.random() < 0.03:
            text = text.upper()
        return re.sub("[\ue000-\uf8ff]", lambda m: self.slots[ord(m[0]) - BASE], text)


def demo():
    r = random.Random(1)
    for name in ("callers", "search"):
        print(expand(r, r.choice(PHRASES[name])))


if __name__ == "__main__":
    demo()
