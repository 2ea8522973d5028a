"""Mines (first sentence of a doc comment, function) pairs for training: `mine.py OUT.tsv SOURCE …`.

A SOURCE is a bare git directory or a plain folder. A line of OUT: source, language, sentence, title (name), path, then the
code without its doc comment, the last three as terms. What must not be trained on is left out by `--without WORD`, a word
that no path and no source may hold.
"""

import argparse
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benches" / "meaning"))
from functions import STOP_WORDS, functions, language_of  # noqa: E402
from terms import terms  # noqa: E402

PERMISSIVE = re.compile(r"MIT|Apache|BSD|ISC|Zlib|Unlicense|CC0|0BSD|BSL-1.0", re.I)
SKIP = re.compile(r"(^|/)(vendor|third_party|node_modules|dist|generated|testdata|fixtures|nvidia|certifi|tqdm)(/|$)|[_.](pb|gen|g)\.|\.d\.ts$|\.min\.|\.lproj", re.I)
LONGEST = 400  # terms of a body


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("sources", nargs="+", type=pathlib.Path)
    parser.add_argument("--without", action="append", default=[])
    arguments = parser.parse_args()
    banned = re.compile("|".join(map(re.escape, arguments.without)) or "$^", re.I)
    seen = set()
    with open(arguments.out, "w", encoding="utf-8") as out:
        for source in arguments.sources:
            if banned.search(str(source)):
                continue
            count = 0
            for path, text in files(source):
                if SKIP.search(path) or banned.search(path):
                    continue
                lines = None
                for function in functions(path, text):
                    sentence = wanted(function)
                    if not sentence:
                        continue
                    lines = lines or text.split("\n")
                    code = body(lines, function)
                    key = (sentence, function.name)
                    if key in seen or len(code) < 5:
                        continue
                    seen.add(key)
                    count += 1
                    out.write("\t".join((label(source), function.language, " ".join(terms(sentence)), " ".join(terms(function.name)),
                                         " ".join(terms(path.rsplit(".", 1)[0])), " ".join(code))) + "\n")
            print(f"{label(source)}: {count}", file=sys.stderr, flush=True)


def label(source):
    return source.parent.name if source.name in ("repo", ".git") else source.name


def wanted(function):
    words = function.sentence.split()
    if words and words[0].strip("().:") == function.name:
        words = words[1:]
    sentence = " ".join(words)
    content = {word.lower() for word in re.findall(r"[A-Za-z]{2,}", sentence)} - STOP_WORDS
    if len(content) < 3 or not sentence.isascii() or len(sentence) > 400:
        return None
    if re.match(r"(?i)(see|deprecated|todo|fixme|copyright|inherit|http|generated|nolint|alias|@)\b", sentence):
        return None
    return sentence


def body(lines, function):
    """The terms of a function's code, its doc comment left out."""
    first, last = function.start - 1, function.end
    code = lines[first:last]
    if function.doc and function.doc[0] > first:
        code = lines[first:function.doc[0] - 1] + lines[function.doc[1]:last]
    return terms("\n".join(code))[:LONGEST]


def files(source):
    if source.name in ("repo", ".git"):
        git = ["git", f"--git-dir={source}"]
        listed = subprocess.run([*git, "ls-tree", "-r", "-l", "HEAD"], check=True, capture_output=True).stdout.decode("utf-8", "replace")
        batch = subprocess.Popen([*git, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for line in listed.splitlines():
            (_, kind, name, size), path = line.split("\t", 1)[0].split(), line.split("\t", 1)[1]
            if kind != "blob" or language_of(path) is None or size == "-" or int(size) > 1_000_000:
                continue
            batch.stdin.write(f"{name}\n".encode())
            batch.stdin.flush()
            answer = batch.stdout.readline().split()
            if answer[-1] == b"missing":
                continue
            yield path, batch.stdout.read(int(answer[2]) + 1)[:-1].decode("utf-8", "replace")
        batch.stdin.close()
        batch.wait()
        return
    manifest = source / "Cargo.toml"
    if manifest.exists():
        license = re.search(r"^license\s*=\s*\"([^\"]*)\"", manifest.read_text(errors="replace"), re.M)
        if not license or not PERMISSIVE.search(license.group(1)):
            return
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source).as_posix()
        if path.is_file() and language_of(relative) and path.stat().st_size < 1_000_000:
            yield relative, path.read_text(encoding="utf-8", errors="replace")


if __name__ == "__main__":
    main()
