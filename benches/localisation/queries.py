#!/usr/bin/env python3
"""Queries with known answers, from the history and the definitions of repositories.

    queries.py MIRRORS OUT [NAME ...]

MIRRORS holds bare clones as OWNER+NAME/repo. For each, OUT/trees/NAME becomes the tree of a commit some way back, OUT/trees/NAME__nodoc
the same without the comments that became queries, and OUT/NAME.jsonl the queries: one object a line with `query_id`, `task`, `repo` (the
tree), `query`, `relevant_files` and, where a line is meant, `line`. Tasks: localisation (a later commit's words, the files it changed),
symbol_ident and symbol_phrase (a definition's name, its words), doc (a comment's first sentence, its function), error (a message as a
user would see it, where it is raised). Needs git and universal-ctags. The same seed gives the same queries.
"""
import collections, json, os, random, re, subprocess, sys

SOURCE = set("rs py js mjs cjs jsx ts tsx mts go java c h cc cpp hpp cxx cs rb php kt swift scala lua sh ex exs zig hs ml svelte vue".split())
ASIDE = re.compile(r"(^|/)(tests?|testing|__tests__|specs?|e2e|examples?|samples?|benches|benchmarks?|docs?|docs_src|vendor|third_party|fixtures|testdata|deps|dist|playgrounds?|changelog[^/]*|integration|templates|testsuite)(/|$)|(^|/)(test_[^/]*|conftest\.py|[^/]*(_tests?|_spec|Tests?|Spec|\.test|\.spec|\.test-d)\.[a-z]+)$|[^/]*[tT]ests?/", re.I)
COMMITS, SYMBOLS, DOCS, ERRORS = 70, 40, 50, 30
NOISE = re.compile(r"^(merge|revert|bump|release|version|chore|build\(deps|update dependenc|prepare|v?\d+\.\d+|\[maven|ci\b|lint|fmt|rustfmt|docs?[:(]|changelog|typo|fix typo|style|update changelog|backport|deps|auto|translat|\[pre-commit|pre-commit)", re.I)
TRAILER = re.compile(r"^(signed-off-by|co-authored-by|reviewed-by|closes?|fix(es)?|refs?|resolves?|see|pr-url|bug|change-id|acked-by|reported-by|tested-by|cc|approved-by|ticket|assisted-by|follow-?up to|part of|related)\b[:\s#]", re.I)


def git(repo, *arguments, **options):
    return subprocess.run(["git", f"--git-dir={repo}", *arguments], capture_output=True, check=True, **options).stdout


def export(repo, commit, tree):
    """Write a commit's files. Blobs that a partial clone lacks are left out, which `git archive` would die of."""
    index = os.path.abspath(f"{tree}.index")
    environment = {**os.environ, "GIT_INDEX_FILE": index}
    git(repo, "read-tree", commit, env=environment)
    subprocess.run(["git", f"--git-dir={repo}", "checkout-index", "-a", "-f", "-q", f"--prefix={os.path.abspath(tree)}/"], env=environment, capture_output=True)
    os.remove(index)


def is_source(path):
    return path.rsplit(".", 1)[-1] in SOURCE and "." in path and not ASIDE.search(path) and not path.endswith(".d.ts")


def clean(message, dice):
    """The words of a message: no trailers, numbers of requests or links; the prefix mostly gone."""
    lines = message.replace("\r", "").split("\n")
    title = re.sub(r"\s*\((?:[\w./-]*#\d+|GH-\d+)(?:,\s*#\d+)*\)", "", lines[0]).strip()
    title = re.sub(r"\s*\(?(?:fix(?:es)?|close[sd]?|issue|refs?)?:?\s*#\d+\)?", "", title, flags=re.I).strip()
    title = re.sub(r"^(\[?fix(?:es|ed)? ?#?\d+\]?:?)\s*", "", title, flags=re.I)
    if dice.random() < 0.8:
        title = re.sub(r"^(?:[\w*/.,+-]+(?:\([^)]*\))?!?|\[[^\]]*\]|[\w-]+, [\w-]+): ?", "", title)
        title = re.sub(r"^\[[^\]]*\]:? ?", "", title)
    body = []
    for line in lines[1:]:
        line = line.strip()
        if TRAILER.match(line) or re.match(r"^[-=#*_ ]*$", line):
            continue
        line = re.sub(r"https?://\S+|(?<!\w)#\d+|\(cherry picked[^)]*\)", "", line)
        if line.strip():
            body.append(line)
    text = title + (" \n" + "\n".join(body) if body else "")
    return text[:2000]


def commits(repo, dice):
    """Later commits that change one to five sources of the base, newest first, and the base."""
    log = git(repo, "log", "--no-merges", "-n", "2500", "--format=%x00%H%x01%ct%x01%B%x02", "--name-status", "-M", "HEAD").decode("utf-8", "replace")
    found, oldest = [], None
    seen = set()
    for record in log.split("\0")[1:]:
        head, _, changes = record.partition("\x02")
        commit, time, message = head.split("\x01", 2)
        title = message.strip().split("\n")[0]
        if NOISE.match(title) or len(title.split()) < 3 or title in seen:
            continue
        rows = [line.split("\t") for line in changes.strip().split("\n") if "\t" in line]
        if len(rows) > 15:
            continue
        sources = [row[-1] for row in rows if is_source(row[-1])]
        if not 1 <= len(sources) <= 5 or any(row[0][0] not in "MA" for row in rows if is_source(row[-1])):
            continue
        seen.add(title)
        found.append((commit, message.strip(), [row[-1] for row in rows if row[0] == "M" and is_source(row[-1])], len(sources)))
        oldest = time
        if len(found) >= COMMITS * 2:
            break
    base = git(repo, "rev-list", "--first-parent", "-n", "1", f"--before={int(oldest) - 1}", "HEAD").decode().strip()
    present = set(git(repo, "ls-tree", "-r", "--name-only", "-z", base).decode("utf-8", "replace").split("\0"))
    kept = []
    for commit, message, sources, count in found:
        if sources and len(sources) == count and all(path in present for path in sources):
            kept.append((clean(message, dice), sources))
    return base, kept[:COMMITS]


def parts(name):
    return re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", name)


def texts(tree):
    found = {}
    for folder, folders, names in os.walk(tree):
        folders[:] = [one for one in folders if one != ".git"]
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), tree)
            full = os.path.join(folder, name)
            if name.rsplit(".", 1)[-1] in SOURCE and not os.path.islink(full) and os.path.getsize(full) < 400_000:
                found[path] = open(full, encoding="utf-8", errors="replace").read()
    return found


def definitions(tree):
    out = subprocess.run(["ctags", "-R", "--output-format=json", "--fields=+nKe", "-f", "-", "."], cwd=tree, capture_output=True).stdout
    for line in out.decode("utf-8", "replace").split("\n"):
        if line.startswith("{"):
            tag = json.loads(line)
            if tag.get("_type") == "tag" and "line" in tag:
                tag["path"] = tag["path"].removeprefix("./")
                yield tag


KINDS = set("function method class struct interface enum macro typedef type constant const trait func singletonMethod object def module alias variable protocol".split())


def symbols(tags, files, dice):
    by_name = collections.defaultdict(list)
    for tag in tags:
        by_name[tag["name"]].append(tag)
    mentions = collections.Counter()
    wanted = {name for name, found in by_name.items() if len(found) == 1 and len(name) >= 6 and len(parts(name)) >= 2 and re.fullmatch(r"\w+", name)}
    for text in files.values():
        mentions.update(wanted.intersection(re.findall(r"\w+", text)))
    kept = [by_name[name][0] for name in sorted(wanted) if mentions[name] >= 3 and is_source(by_name[name][0]["path"]) and by_name[name][0]["kind"] in KINDS]
    dice.shuffle(kept)
    return kept[:SYMBOLS]


COMMENT = re.compile(r"^\s*(///?!?|#(?![!\[])|\*|/\*\*?|--)\s?")


def docs(tags, files, dice):
    """(tag, sentence, lines to drop): comments above a function, or its docstring."""
    kept = []
    counts = collections.Counter(tag["name"] for tag in tags)
    for tag in tags:
        path, name = tag["path"], tag["name"]
        if tag["kind"] not in ("function", "method", "func", "def", "singletonMethod", "macro") or path not in files or not is_source(path) or counts[name] > 1 or len(name) < 4:
            continue
        lines = files[path].split("\n")
        at = tag["line"] - 1
        if at >= len(lines) or tag.get("end", tag["line"] + 5) - tag["line"] < 2:
            continue
        block, drop = [], []
        if path.endswith(".py"):
            below = at
            while below < min(at + 15, len(lines)) and not lines[below].rstrip().endswith(":"):
                below += 1
            below += 1
            if below < len(lines) and lines[below].strip().lstrip("rb").startswith('"""'):
                stop = below
                while stop < len(lines) and stop < below + 60 and lines[stop].count('"""') < (2 if stop == below else 1):
                    if lines[below].count('"""') >= 2:
                        break
                    stop += 1
                drop = list(range(below, stop + 1))
                block = [lines[line].replace('"""', "").strip().lstrip("r") for line in drop]
        else:
            above = at - 1
            while above >= 0 and re.match(r"^\s*(#\[|@\w)", lines[above]):
                above -= 1
            while above >= 0 and (COMMENT.match(lines[above]) or lines[above].strip().endswith("*/")):
                drop.insert(0, above)
                block.insert(0, re.sub(r"\*+/\s*$", "", COMMENT.sub("", lines[above])).strip())
                above -= 1
        text = " ".join(" ".join(block).split())
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)|\{@\w+ ([^}]*)\}", r"\1\2", text)
        sentence = re.split(r"(?<=[.!?])\s|\s@\w+", text)[0]
        if 5 <= len(sentence.split()) <= 40 and not re.search(r"copyright|eslint|TODO|clippy|@", sentence, re.I) and name not in sentence:
            kept.append((tag, sentence, drop))
    dice.shuffle(kept)
    chosen, per_file = [], collections.Counter()
    for one in kept:
        if per_file[one[0]["path"]] < 4:
            per_file[one[0]["path"]] += 1
            chosen.append(one)
    return chosen[:DOCS]


RAISES = re.compile(r"raise|throw|panic|error|bail|fail|warn|assert|abort|fatal|exception|expect\(|log", re.I)
FILLERS = ["foo", "config", "42", "my-file.txt", "/tmp/data", "127", "user_id", "None", "main"]


def errors(files, dice):
    found, seen = [], collections.Counter()
    for path, text in files.items():
        if not is_source(path):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > 300 or not RAISES.search(line):
                continue
            for literal in re.findall(r'"((?:[^"\\]|\\.){20,160})"|\'((?:[^\'\\]|\\.){20,160})\'|`([^`]{20,160})`', line):
                literal = next(one for one in literal if one)
                if len(re.findall(r"[A-Za-z]{2,}", re.sub(r"\{[^}]*\}", "", literal))) < 4:
                    continue
                seen[literal] += 1
                found.append((path, number, literal))
    found = [one for one in found if seen[one[2]] == 1]
    dice.shuffle(found)
    kept = []
    for path, number, literal in found[:ERRORS]:
        fill = lambda _: dice.choice(FILLERS)
        message = re.sub(r"\$\{[^}]*\}|#\{[^}]*\}|\{\{?[^}]*\}?\}|%[-+ #0]*[\d.*]*(?:l|ll|h|z)?[a-zA-Z]|\\\([^)]*\)", fill, literal)
        message = re.sub(r"\\[nrt]|\\", " ", message).strip()
        prefix = dice.choice(["", "", "Error: ", "error: ", "panicked: ", "Exception: ", "fatal: "])
        kept.append((path, number, prefix + message))
    return kept


def main():
    mirrors, out, only = sys.argv[1], sys.argv[2], sys.argv[3:]
    os.makedirs(f"{out}/trees", exist_ok=True)
    for name in only or sorted(os.listdir(mirrors)):
        repo = f"{mirrors}/{name}/repo"
        if not os.path.isdir(repo) or os.path.exists(f"{out}/{name}.jsonl"):
            continue
        dice = random.Random(name)
        try:
            base, changes = commits(repo, dice)
        except (subprocess.CalledProcessError, TypeError) as error:
            print(name, "left out:", error, flush=True)
            continue
        tree = f"{out}/trees/{name}"
        os.makedirs(tree, exist_ok=True)
        export(repo, base, tree)
        files = texts(tree)
        tags = list(definitions(tree))
        rows = []

        def row(task, query, paths, suffix="", **more):
            rows.append({"query_id": f"{task}-{name}-{len(rows):03}", "task": task, "repo": name + suffix, "query": query, "relevant_files": paths, **more})

        for text, paths in changes:
            row("localisation", text, paths)
        for tag in symbols(tags, files, dice):
            row("symbol_ident", tag["name"], [tag["path"]], line=tag["line"])
            row("symbol_phrase", " ".join(parts(tag["name"])).lower(), [tag["path"]], line=tag["line"])
        for path, line, message in errors(files, dice):
            row("error", message, [path], line=line)
        bare = f"{tree}__nodoc"
        subprocess.run(["cp", "-rP", tree, bare], check=True)
        dropped = collections.defaultdict(set)
        chosen = docs(tags, files, dice)
        for tag, _, drop in chosen:
            dropped[tag["path"]].update(drop)
        for path, gone in dropped.items():
            # Blank lines keep every other line where it was.
            lines = ["" if at in gone else line for at, line in enumerate(files[path].split("\n"))]
            open(f"{bare}/{path}", "w", encoding="utf-8").write("\n".join(lines))
        for tag, sentence, _ in chosen:
            row("doc", sentence, [tag["path"]], "__nodoc", line=tag["line"])
        with open(f"{out}/{name}.jsonl", "w", encoding="utf-8") as file:
            for one in rows:
                file.write(json.dumps(one) + "\n")
        print(name, base[:10], dict(collections.Counter(one["task"] for one in rows)), flush=True)


main()
