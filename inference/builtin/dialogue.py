"""Requests that lean on the exchange before: "and who calls it?", "now run the tests", "undo that"."""

import re

from generate import ANSWER, count, definitions, files, hits, lines_of, ran, sha, uses
from wording import Speaker, quoted

IT = "{it|that|this|that one|this one|that thing}"
PHRASES = {
    "callers": ["{and|} {who|what} {calls|uses} IT", "{and|} where {is|was} IT {used|called}", "{and|} {its|the} {callers|usages|uses|references}", "{and|ok,|} who {else|} {uses|calls|depends on} IT", "where do we {call|use} IT", "show {me|} {its|the} {callers|usages}", "is IT used anywhere {else|}", "who's calling IT"],
    "tests": ["{and|} is IT tested", "{and|} {are there|do we have} tests for IT", "{its|the} tests", "which tests cover IT", "{and|} {what about|where are} {its|the} tests", "does IT have tests"],
    "where": ["{and|} where is IT {defined|declared|implemented}", "{and|} {its|the} definition", "where {does|did} IT come from", "show me {its|the} definition", "go to {its|the} definition", "where is IT"],
    "explain": ["what does IT do", "{explain|describe} IT", "what is IT {for|about}", "{and|} how does IT work", "{could you|please|} explain IT {to me|}", "why do we have IT", "what is {its|the} purpose", "tell me what IT does", "what's IT good for"],
    "read_file": ["{open|show|read|show me|print} IT", "let me see IT", "what's in IT", "{print|show|cat} {the file|it}", "show me {that file|the file|its contents}"],
    "read": ["{open|show|read|show me} IT", "{open|show me|read|show} {the|its|} {code|source|file}", "{open|show me|read} the {first|first one|first hit|top one|top result|first result}", "let me see {it|the code|the first one}", "what does {it|the code} look like", "go there", "open that {file|place}"],
    "rename": ["{now|ok,|please|} rename IT to <N>", "{call|name} IT <N> {instead|}", "{change|make} {its|the} name {to|} <N>", "{and|} rename IT to <N> {everywhere|}"],
    "run_test": ["{now|and|then|ok,|great,|} {run|execute|rerun} {the|all|} tests {again|}", "{and|} do the tests {still|} pass {now|}", "test {it|that|again}", "now test", "does everything still pass", "are we {still|} green"],
    "run_build": ["{now|and|then|ok,|} {build|compile} {it|again|the project}", "does it {still|} {build|compile} {now|}"],
    "run_lint": ["{now|and|then|} {run|} the linter {too|as well|}", "and lint {it|}", "any lint {warnings|errors} now"],
    "undo": ["{undo|revert|take back} {that|it|this}", "{no,|oops,|hmm,|wait,|} {undo|revert|roll back} {that|it} {again|please|}", "that was {wrong|a mistake}, undo {it|}", "put it back", "go back", "i changed my mind, undo"],
    "diff": ["{show|show me} {the diff|what changed|what you changed|the changes}", "{and|} what did you change", "git diff", "let me see the diff"],
    "commit": ["{now|ok,|good,|great,|} commit {it|that|this|everything|} {as|with|with message|:} <M>", "{and|} commit <M>", "{looks good,|nice,} commit {that|it} with {the|} message <M>"],
    "thanks": ["thanks", "thank you", "great", "perfect, thanks", "cool", "ok", "nice", "got it", "thx", "that helps", "awesome", "good", "great, that's it", "wonderful", "ok thank you"],
    "again": ["{and|what about|how about|same for|now|and for|the same for} <T>", "<T> {too|as well}", "{and|what about} <T> then"],
    "outline": ["{just|} list {its|the} {functions|classes|definitions}", "{only|just} the {names|structure|outline} {please|}", "give me an {overview|outline}", "{and|} {its|the} outline", "what {functions|definitions|classes} {are in|does} IT {have|}", "outline {it|that file}"],
    "lines": ["{now|and|} lines <A> to <B>", "show {me|} lines <A>-<B> {of it|}", "{and|} {from|lines} <A> to <B>"],
    "history": ["who changed IT {last|}", "{and|} its history", "{show|} the {log|history} of {it|that file}", "when did it change"],
    "delete": ["{delete|remove} {it|that file|the file}", "{ok,|now|} {delete|remove} {it|that}"],
}


def say(g, w, name, slots=None):
    template = g.r.choice(PHRASES[name]).replace("IT", IT)
    return [("user", Speaker(g.r, w).say(template, slots or {}, calm=g.r.random() < 0.6))]


def follow(g, w, before):
    """A request about the last call of `before`, or None."""
    r = g.r
    calls = [i for i, turn in enumerate(before) if turn[0] == "call"]
    if not calls:
        return None
    at = calls[-1]
    _, tool, arguments = before[at]
    brief = before[at + 1][1]
    if r.random() < 0.1:
        return say(g, w, "thanks") + [("end", "smalltalk")]
    symbol = arguments.get("symbol")
    place = re.search(r": (\S+):(\d+)", brief)
    options = []
    if tool in ("where", "callers") or tool == "read" and at > 1 and before[at - 2][1] == "where":
        symbol = symbol or before[at - 2][2]["symbol"]
        options += ["callers", "tests", "rename", "again_symbol"] if tool != "callers" else ["where", "where", "again_symbol", "rename"]
        if tool == "callers" and "tests" not in arguments:
            options += ["tests"]
    if tool in ("where", "search", "grep", "callers") and place:
        options += ["read"]
    if tool in ("write", "edit", "insert", "delete", "rename") and not brief.startswith("failed"):
        options += ["run_test", "run_test", "run_build", "run_lint", "undo", "undo", "diff", "commit"]
    if tool == "run":
        options += ["run_test", "run_build", "run_lint", "commit"]
    if tool == "outline" or tool == "read":
        options += ["history", "again_path", "delete"] + (["outline"] if tool == "read" else ["read_path"]) + (["lines"] if tool == "read" else [])
    if tool == "search":
        options += ["again_query"]
    if tool == "glob" and brief != "no files":
        options += ["first_file"]
    if not options:
        return None
    name = r.choice(options)
    path = arguments.get("path")
    if name in ("callers", "tests"):
        extra = {"tests": "true"} if name == "tests" else {}
        return say(g, w, name) + [("call", "callers", {"symbol": symbol, **extra}), ("result", uses(g, w, symbol, r.choice([0, 1, 4])))] + ANSWER
    if name == "where":
        return say(g, w, name) + [("call", "where", {"symbol": symbol}), ("result", definitions(g, w, symbol, 1))] + ANSWER
    if name == "read":
        return say(g, w, name) + [("call", "read", {"path": place[1], "start": place[2]}), ("result", lines_of(g, w, place[1], place[2]))] + ANSWER
    if name == "first_file":
        path = brief.split(": ", 1)[1].split("; ")[0]
        return say(g, w, "read") + [("call", "read", {"path": path}), ("result", lines_of(g, w, path))] + ANSWER
    if name == "read_path":
        return say(g, w, "read") + [("call", "read", {"path": path}), ("result", lines_of(g, w, path))] + ANSWER
    if name == "rename":
        new = w.symbol()
        return say(g, w, name, {"N": quoted(r, new)}) + [("call", "rename", {"symbol": symbol, "to": new}), ("result", "renamed %s to %s in %s" % (symbol, new, count(r.randint(1, 9), "file")))] + ANSWER
    if name.startswith("run_"):
        return say(g, w, name) + [("call", "run", {"task": name[4:]}), ("result", ran(g, w))] + ANSWER
    if name == "undo":
        return say(g, w, name) + [("call", "undo", {}), ("result", "undone: " + (path or w.path()))] + ANSWER
    if name == "diff":
        return say(g, w, name) + [("call", "git", {"action": "diff"}), ("result", "diff: " + count(r.randint(1, 4), "file"))] + ANSWER
    if name == "commit":
        message = w.message()
        return say(g, w, name, {"M": quoted(r, message, always=True)}) + [("call", "git", {"action": "commit", "message": message}), ("result", "committed " + sha(g))] + ANSWER
    if name == "history":
        return say(g, w, name) + [("call", "git", {"action": "log", "path": path}), ("result", "log: " + count(r.randint(0, 10), "commit"))] + ANSWER
    if name == "outline":
        return say(g, w, name) + [("call", "outline", {"path": path}), ("result", count(r.randint(1, 60), "definition") + " in " + path)] + ANSWER
    if name == "lines":
        a = r.randint(1, 300)
        b = a + r.randint(1, 60)
        return say(g, w, name, {"A": str(a), "B": str(b)}) + [("call", "read", {"path": path, "start": str(a), "end": str(b)}), ("result", lines_of(g, w, path, a, b))] + ANSWER
    if name == "delete":
        return say(g, w, name) + [("call", "delete", {"path": path}), ("result", "deleted " + path)] + ANSWER
    if name == "again_path":
        other = w.path()
        brief = lines_of(g, w, other) if tool == "read" else count(r.randint(1, 60), "definition") + " in " + other
        return say(g, w, "again", {"T": quoted(r, other)}) + [("call", tool, {"path": other}), ("result", brief)] + ANSWER
    if name == "again_query":
        other = w.concept()[1]
        return say(g, w, "again", {"T": other}) + [("call", "search", {"query": other}), ("result", hits(g, w, r.choice([0, 1, 4])))] + ANSWER
    other = w.symbol()
    turns = say(g, w, "again", {"T": quoted(r, other)})
    if tool == "callers":
        return turns + [("call", "callers", {**arguments, "symbol": other}), ("result", uses(g, w, other, r.choice([0, 1, 4])))] + ANSWER
    return turns + [("call", "where", {"symbol": other}), ("result", definitions(g, w, other, 1))] + ANSWER
