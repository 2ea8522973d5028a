"""Collects names, paths, code lines and doc sentences from sources that lie on this machine, as material for `generate.py`.

    python harvest.py OUT.json

Reads the crates in the local cargo registry and the Python packages of this interpreter. The result is never committed:
the model learns to copy names, not these names.
"""

import glob
import json
import os
import random
import re
import sys

DEFINITIONS = {
    "rust": re.compile(r"^\s*(?:pub(?:\([a-z]+\))?\s+)?(?:const\s+|async\s+|unsafe\s+)*(fn|struct|enum|trait|mod|type|const|static)\s+([A-Za-z_]\w*)"),
    "python": re.compile(r"^\s*(?:async\s+)?(def|class)\s+([A-Za-z_]\w*)"),
}
SUFFIX = {"rust": ".rs", "python": ".py"}
DULL = set("new fmt from main test tests default drop next len get into eq clone run init __init__ __repr__ setUp".split())


def sentence(line):
    """A doc line when it is one short plain sentence, else an empty string."""
    line = re.sub(r"\[`?([^\]`]+)`?\](\([^)]*\))?", r"\1", line).replace("`", "").strip().rstrip(".")
    if not re.match(r"^[A-Za-z][A-Za-z0-9 ,'\-_/]*[A-Za-z0-9]$", line):
        return ""
    return line if 3 <= len(line.split()) <= 11 and len(line) <= 70 else ""


def scan(path, relative, language):
    """Definitions, doc sentences and some code lines of one file."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except (OSError, UnicodeDecodeError):
        return None
    if len(lines) > 4000 or max(map(len, lines)) > 400:
        return None
    symbols, docs = [], []
    for number, line in enumerate(lines, 1):
        found = DEFINITIONS[language].match(line)
        if found and 3 <= len(found[2]) <= 36 and found[2] not in DULL:
            symbols.append([number, found[1], found[2]])
        text = line.strip()
        if text.startswith(("///", "//!", '"""')):
            docs.append(sentence(text.strip('/!" ')))
    if not symbols:
        return None
    code = [line.strip() for line in lines if 12 < len(line.strip()) < 48 and line.strip()[0] not in "#/*"]
    pick = lambda items, most: random.sample(items, most) if len(items) > most else items
    return {"path": relative, "lines": len(lines), "symbols": pick(symbols, 40), "docs": pick([d for d in docs if d], 12), "code": pick(code, 12)}


def project(root, files, language, out):
    """Adds one project of at most thirty files."""
    found = []
    for path in files:
        relative = os.path.relpath(path, root)
        if len(relative) <= 52 and len(found) < 30:
            one = scan(path, relative, language)
            if one:
                found.append(one)
    if len(found) >= 2:
        out.append({"language": language, "files": found})


def main(target):
    random.seed(7)
    out = []
    for root in sorted(glob.glob(os.path.expanduser("~/.cargo/registry/src/*/*/"))):
        files = sorted(glob.glob(root + "src/**/*.rs", recursive=True) + glob.glob(root + "tests/**/*.rs", recursive=True))
        random.shuffle(files)
        if "/windows" not in root:
            project(root, files[:60], "rust", out)
    for base in [path for path in sys.path if os.path.isdir(path)]:
        for root in sorted(glob.glob(base + "/*/")):
            files = sorted(glob.glob(root + "**/*.py", recursive=True))
            random.shuffle(files)
            for start in range(0, min(len(files), 400), 50):
                project(base, files[start:start + 50], "python", out)
    with open(target, "w", encoding="utf-8") as file:
        json.dump(out, file)
    print(len(out), "projects,", sum(len(f["symbols"]) for p in out for f in p["files"]), "names,", sum(len(f["docs"]) for p in out for f in p["files"]), "sentences")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "harvest.json")
