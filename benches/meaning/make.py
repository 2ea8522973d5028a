"""Makes the set "words that differ from the code": a doc comment's first sentence asks for its function, in a tree from which
the doc comments of all the functions that are asked for were blanked.

    make.py --repo NAME=GIT_DIR[@COMMIT] … --out FOLDER [--count 60]

writes FOLDER/trees/NAME and FOLDER/queries.jsonl, a line each: query_id, query, repo, file, line (of the name), end.
"""

import argparse
import collections
import io
import json
import pathlib
import random
import re
import subprocess
import tarfile

from functions import functions, language_of, query_of

ASIDE = re.compile(
    r"(^|/)(tests?|testing|testdata|__tests__|specs?|e2e|examples?|samples?|demos?|bench(es|marks?)?|vendor|third_party|deps|fixtures|"
    r"docs?|node_modules|dist|generated|scripts?|tools?|playground)(/|$)|[_.](test|spec|pb|gen)\.|_test\.|Tests?\.|\.d\.ts$|\.min\.", re.I)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repo", action="append", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=60)
    arguments = parser.parse_args()
    lines = []
    for repo in arguments.repo:
        name, source = repo.split("=", 1)
        made = make(name, source, arguments.out / "trees" / name, arguments.count)
        print(f"{name}: {len(made)} queries")
        lines += made
    with open(arguments.out / "queries.jsonl", "w", encoding="utf-8") as out:
        out.writelines(json.dumps(line) + "\n" for line in lines)


def make(name, source, tree, count):
    git, _, commit = source.partition("@")
    archive = subprocess.run(["git", f"--git-dir={git}", "archive", commit or "HEAD"], check=True, capture_output=True).stdout
    tree.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        members.extractall(tree, filter="data")
    candidates, said = collections.defaultdict(list), collections.Counter()
    for path in sorted(tree.rglob("*")):
        relative = path.relative_to(tree).as_posix()
        if not path.is_file() or path.is_symlink() or language_of(relative) is None:
            continue
        try:
            text = path.read_bytes().decode()
        except (UnicodeDecodeError, OSError):
            continue
        for function in functions(relative, text):
            said[function.sentence] += 1
            query = query_of(function)
            if query and function.doc and not ASIDE.search(relative) and function.end - function.line >= 2:
                candidates[relative].append((query, function))
    chance = random.Random(name)
    files = sorted(candidates)
    chance.shuffle(files)
    for file in files:
        chance.shuffle(candidates[file])
    # A round takes one function a file, so that large files do not speak for the whole.
    chosen = []
    for turn in range(8):
        for file in files:
            options = [one for one in candidates[file] if said[one[1].sentence] == 1]
            if turn < len(options) and len(chosen) < count:
                chosen.append((file, *options[turn]))
    for file in {file for file, _, _ in chosen}:
        path = tree / file
        text = path.read_bytes().decode().split("\n")
        for _, _, function in (one for one in chosen if one[0] == file):
            first, last = function.doc
            text[first - 1:last] = [""] * (last - first + 1)
        path.write_bytes("\n".join(text).encode())
    return [
        {"query_id": f"meaning-{name}-{number}", "query": query, "repo": name, "file": file, "line": function.line, "end": function.end}
        for number, (file, query, function) in enumerate(chosen)
    ]


if __name__ == "__main__":
    main()
