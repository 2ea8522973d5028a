"""Scores a checkpoint on natural requests with an approximation of the program's grounding.

    python evaluate.py WEIGHTS TOKENIZER [--split dev|test|all] [--show] [--q8]

The figures that count come from the program itself (`benches/src/bin/builtin_eval.rs`); this one needs no build. Every
name and path of every request exists in the imagined project, so a request's other names are real candidates.
"""

import argparse
import collections
import json
import os
import re

import torch

import model as M
from generate import LANGUAGES, TOOLS
from tokens import ARGUMENT, ASSISTANT, CALL, CLOSE, END, FINISH, USER, Encoder

HERE = os.path.dirname(os.path.abspath(__file__))
OPTIONAL = {("read", "start"), ("read", "end"), ("edit", "all"), ("insert", "line"), ("rename", "path"), ("grep", "path"), ("grep", "glob"), ("grep", "ignore_case"), ("callers", "tests"), ("run", "filter"), ("bash", "timeout"), ("git", "path"), ("git", "revision"), ("git", "line"), ("git", "count"), ("git", "message"), ("todo", "text")}
ENUMS = {"task": ["test", "build", "lint", "format", "run"], ("git", "action"): ["status", "diff", "log", "blame", "commit"], ("todo", "action"): ["add", "done", "list"], "all": ["true"], "tests": ["true"], "ignore_case": ["true"]}
IDLE = set("a an the of for to in on with from this that its it is are be do does did we our i you my how where what which code get gets use used place part function some any when if".split())
WORD = re.compile(r"\w+|\s|[^\w\s]")
PATH = re.compile(r"[\w.@\-/+]+")


def path_like(word):
    return bool(re.search(r"/\w|\.\w{1,5}$|^\.\w", word) and not re.fullmatch(r"v?[\d.]+", word) or word in ("Makefile", "Dockerfile", "LICENSE", "VERSION", "NOTES"))


class World:
    """What exists: the names, paths and folders of all requests."""

    def __init__(self, requests):
        calls = [(x["tool"], x["args"]) for x in requests] + [tuple(a) for x in requests for a in x["alt"]]
        self.symbols, self.paths = set(), set()
        for _, args in calls:
            self.symbols |= {args[k] for k in ("symbol",) if k in args}
            self.paths |= {args[k].rstrip("/") for k in ("path",) if k in args}
        for x in requests:
            for word in re.findall(r"\w+", x["user"]):
                if "_" in word.strip("_") or re.search(r"[a-z][A-Z]", word):
                    self.symbols.add(word)
            for word in PATH.findall(x["user"]):
                if path_like(word.rstrip(".:-")):
                    self.paths.add(re.sub(r":\d.*$", "", word.rstrip(".:-")))

    def candidates(self, tool, key, user):
        words = re.findall(r"\w+", user)
        if key == "symbol":
            return [w for w in dict.fromkeys(words) if w in self.symbols]
        if key == "path":
            return [p for p in sorted(self.paths, key=len, reverse=True) if re.search(r"(?<![\w/.-])%s(?![\w-])" % re.escape(p), user)]
        if key in ("pattern", "glob") and (tool, key) != ("grep", "pattern"):
            out = [w.rstrip("?,.") for w in re.findall(r"[\w*./{}-]*\*[\w*./{}-]*", user)]
            ends = [e for e, names in LANGUAGES.items() if any(re.search(r"(?<![\w.])%s(?!\w)" % re.escape(n), user.lower()) for n in names)]
            ends += [w[1:] for w in re.findall(r"(?<![\w/])\.\w+", user)]
            folders = [w.rstrip("/.?,") for w in words + PATH.findall(user)]
            out += ["**/*." + e for e in ends]
            out += [f + "/**" for f in folders if f and not path_like(f) or "/" in f] + [f + "/**/*." + e for f in folders for e in ends]
            return list(dict.fromkeys(out + ["**"]))
        return ENUMS.get((tool, key)) or ENUMS.get(key)


class Reader:
    def __init__(self, model, encoder, world):
        self.model, self.encoder, self.world, self.id = model.eval(), encoder, world, encoder.id

    @torch.no_grad()
    def feed(self, tokens):
        h = self.model.hidden(torch.tensor([tokens]), self.caches, self.position)
        self.position += len(tokens)
        self.logits = self.model.logits(h[0, -1])

    def best(self, allowed):
        allowed = list(allowed)
        choice = allowed[int(self.logits[torch.tensor(allowed)].argmax())]
        self.feed([choice])
        return choice

    def one_of(self, texts):
        close = self.id[CLOSE]
        spans, written = [self.encoder.text(t) + [close] for t in texts], []
        while True:
            spans = [s for s in spans if s[:len(written)] == written]
            token = self.best({s[len(written)] for s in spans})
            if token == close:
                return self.encoder.tokenizer.decode(written, skip_special_tokens=False)
            written.append(token)

    def quotation(self, user, digits=False):
        """A run of whole words of the user's, token by token."""
        pieces = WORD.findall(user)
        starts, flat, seams = [], [], {0}
        tokens = self.encoder.tokenizer.encode(user, add_special_tokens=False)
        seams = {0, len(user)}
        at = 0
        for piece in pieces:
            seams.add(at)
            at += len(piece)
        flat, offsets = tokens.ids, tokens.offsets
        text = [user[a:b] for a, b in offsets]
        close = self.id[CLOSE]
        live, written, begun = None, [], None
        while True:
            if live is None:
                allowed = {flat[i]: None for i, (a, _) in enumerate(offsets) if a in seams and text[i].strip() and (not digits or text[i].isdigit())}
                if not allowed:
                    return None
            else:
                allowed = {flat[i]: None for i in live if i < len(flat) and (not digits or text[i].isdigit())}
                if any(offsets[i - 1][1] in seams for i in live):
                    allowed[close] = None
            token = self.best(allowed)
            if token == close:
                return self.encoder.tokenizer.decode(written, skip_special_tokens=False)
            written.append(token)
            if live is None:
                live = [i + 1 for i, (a, _) in enumerate(offsets) if a in seams and flat[i] == token]
            else:
                live = [i + 1 for i in live if i < len(flat) and flat[i] == token]

    def options(self, tool, user):
        """Arguments of a tool with their candidates, or None when a required one has none."""
        out = []
        for key in TOOLS[tool]:
            found = self.world.candidates(tool, key, user)
            if found is not None and not found:
                if (tool, key) not in OPTIONAL:
                    return None
                continue
            if key in ("start", "end", "line", "count", "timeout") and not re.search(r"\d", user):
                continue
            out.append((key, found))
        return out

    def reply(self, user):
        self.caches, self.position = [[] for _ in self.model.layers], 0
        self.feed([self.id[USER], *self.encoder.text(user), self.id[ASSISTANT]])
        tools = {self.id[CALL[t]]: (t, o) for t in TOOLS if t != "ask_user" for o in [self.options(t, user)] if o is not None}
        ends = {self.id[FINISH[e]]: e for e in ("decline", "smalltalk")}
        token = self.best([*tools, *ends])
        if token in ends:
            return ends[token], {}
        tool, options = tools[token]
        args = {}
        while options:
            required = next((i for i, (k, _) in enumerate(options) if (tool, k) not in OPTIONAL), len(options))
            allowed = {self.id[ARGUMENT[k]]: i for i, (k, _) in enumerate(options[:required + 1])}
            if required == len(options):
                allowed[self.id[END]] = None
            at = allowed[self.best(allowed)]
            if at is None:
                break
            key, found = options[at]
            value = self.one_of(found) if found else self.content(user) if key == "content" else self.quotation(user, key in ("start", "end", "line", "count", "timeout"))
            if value is None:
                break
            args[key] = value
            options = options[at + 1:]
        return tool, args

    def content(self, user):
        if int(self.logits.argmax()) == self.id[CLOSE]:
            self.feed([self.id[CLOSE]])
            return ""
        return self.quotation(user)


def stem(word):
    for end in ("ing", "ed", "es", "s"):
        if word.endswith(end) and len(word) - len(end) > 2:
            return word[:-len(end)]
    return word


def alike(a, b):
    """F1 of the telling words."""
    a, b = ({stem(w) for w in re.findall(r"\w+", t.lower()) if w not in IDLE} for t in (a, b))
    return 2 * len(a & b) / (len(a) + len(b)) if a and b else 0


def right(tool, args, want_tool, want):
    if tool != want_tool:
        return False
    if tool == "search":
        return alike(args.get("query", ""), want["query"]) >= 0.66
    loose = lambda d: {k: v.rstrip("/") if k == "path" else v for k, v in d.items() if k != "all"}
    return loose(args) == loose(want)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("weights")
    p.add_argument("tokenizer")
    p.add_argument("--split", default="dev")
    p.add_argument("--file", default=os.path.join(HERE, "eval", "natural.jsonl"))
    p.add_argument("--show", action="store_true")
    p.add_argument("--q8", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(1)
    with open(a.file, encoding="utf-8") as file:
        requests = [json.loads(line) for line in file]
    world, encoder = World(requests), Encoder(a.tokenizer)
    model = M.load(a.weights, encoder.size)
    if a.q8:
        with torch.no_grad():
            for w in (w for w in model.parameters() if w.ndim == 2):
                blocks = w.view(-1, 32)
                scale = (blocks.abs().amax(1, keepdim=True) / 127).half().float().clamp_min(1e-9)
                w.copy_(((blocks / scale).round().clamp(-127, 127) * scale).view_as(w))
    reader = Reader(model, encoder, world)
    by_style, by_family = (collections.defaultdict(lambda: [0, 0, 0]) for _ in range(2))
    for x in requests:
        if a.split not in ("all", x["split"]):
            continue
        tool, args = reader.reply(x["user"])
        wanted = [(x["tool"], x["args"])] + [tuple(y) for y in x["alt"]]
        tool_right, all_right = any(tool == t for t, _ in wanted), any(right(tool, args, *w) for w in wanted)
        for key, table in ((x["style"], by_style), (x["family"], by_family)):
            table[key][0] += 1
            table[key][1] += tool_right
            table[key][2] += all_right
        if a.show and not all_right:
            print("  %s %s | %s -> %s %s" % (x["style"], x["family"], x["user"], tool, args))
    for style, (n, t, r) in sorted(by_style.items()):
        print("%s %s: %d requests, tool %.1f %%, tool and arguments %.1f %%" % (a.split, style, n, 100 * t / n, 100 * r / n))
    print("; ".join("%s %d/%d/%d" % (f, r, t, n) for f, (n, t, r) in sorted(by_family.items())))


if __name__ == "__main__":
    main()
