"""Runs the real program with the built-in model on a copy of a real repository and checks what it cites and touches.

    python closed_loop.py LOCI REPOSITORY [--count 60] [--show]

The requests only ask. Counted are places cited that no tool returned, files changed, tools that change or run something,
and how often the request ended with an answer. Each request is one process: this also says how long a whole answer takes.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import time

from harvest import DEFINITIONS, SUFFIX
from wording import PHRASES, Speaker

CHANGING = {"write", "edit", "insert", "delete", "rename", "undo", "run", "bash"}
PLACE = re.compile(r"([\w./@-]+\.\w+):(\d+)")


def material(root):
    """Names and files of the repository."""
    names, paths = [], []
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith(".") and f != "target"]
        for file in files:
            language = next((l for l, s in SUFFIX.items() if file.endswith(s)), None)
            if not language:
                continue
            path = os.path.join(folder, file)
            paths.append(os.path.relpath(path, root))
            with open(path, encoding="utf-8", errors="replace") as text:
                names += [m[2] for line in text for m in [DEFINITIONS[language].match(line)] if m and len(m[2]) > 3]
    return sorted(set(names)), sorted(paths)


class Other:
    def __init__(self, r, names, paths):
        self.r, self.names, self.paths = r, names, paths

    def symbol(self):
        return self.r.choice(self.names)

    def path(self):
        return self.r.choice(self.paths)


def state(root):
    out = {}
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", ".loci", "target")]
        for file in files:
            path = os.path.join(folder, file)
            with open(path, "rb") as data:
                out[os.path.relpath(path, root)] = hashlib.sha256(data.read()).hexdigest()
    return out


def ask(loci, root, home, words):
    environment = {**os.environ, "HOME": home, "XDG_CACHE_HOME": home + "/cache", "XDG_DATA_HOME": home + "/data", "XDG_CONFIG_HOME": home + "/config", "XDG_STATE_HOME": home + "/state"}
    run = subprocess.run([loci, "-p", words, "-C", root, "--output-format", "stream-json", "--permission-mode", "bypassPermissions"], capture_output=True, text=True, timeout=120, env=environment, stdin=subprocess.DEVNULL)
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")], run


def main():
    p = argparse.ArgumentParser()
    p.add_argument("loci")
    p.add_argument("repository")
    p.add_argument("--count", type=int, default=60)
    p.add_argument("--show", action="store_true")
    a = p.parse_args()
    r = random.Random(3)
    with tempfile.TemporaryDirectory() as home:
        root = os.path.join(home, "repository")
        shutil.copytree(a.repository, root, ignore=shutil.ignore_patterns("target", ".git"))
        subprocess.run("git init -q && git add -A && git -c user.name=a -c user.email=a@b commit -qm start", shell=True, cwd=root, check=True)
        names, paths = material(root)
        before, other = state(root), Other(r, names, paths)
        counts, times = collections.Counter(), []
        for _ in range(a.count):
            family = r.choice(["define", "callers", "tests", "explain", "outline", "read", "show_source", "git_log_path", "contrast"])
            slots = {"S": r.choice(names), "P": r.choice(paths), "K": "function"}
            template = r.choice(PHRASES["callers"]) + " - " + r.choice(PHRASES["only_look"]) if family == "contrast" else r.choice(PHRASES[family])
            words = Speaker(r, other).say(template, slots, question=True, mutates=False)
            begin = time.time()
            events, run = ask(a.loci, root, home, words)
            times.append(time.time() - begin)
            known, text, called = set(), "", []
            for event in events:
                event = event.get("event", event)
                if event.get("type") == "tool_started":
                    called.append(event["tool"])
                    counts["changing calls"] += event["tool"] in CHANGING
                elif event.get("type") == "tool_finished":
                    known |= {(l["path"], l["line"]) for l in event["locations"]}
                    known |= {(path, int(line)) for path, line in PLACE.findall(event["output"])}
                elif event.get("type") == "turn_finished":
                    counts[event["status"]] += 1
                    text = event["answer"]
                    cited = {(l["path"], l["line"]) for l in event["citations"]} | {(path, int(line)) for path, line in PLACE.findall(text)}
                    counts["cited"] += len(cited)
                    counts["cited and not returned"] += len(cited - known)
                    if a.show and cited - known:
                        print("INVENTED", words, cited - known)
            counts["answered from a tool"] += bool(called)
            if a.show:
                print("-", repr(words), called, "->", repr(text[:120]) if text else run.stderr[-200:])
        counts["files changed"] = sum(before.get(k) != v for k, v in state(root).items()) + len(set(before) - set(state(root)))
    times.sort()
    print(a.count, "requests;", ", ".join("%s %d" % item for item in sorted(counts.items())), "; median %.2f s" % times[len(times) // 2])


if __name__ == "__main__":
    main()
