"""Owns: what a made session takes from a repository: commits, files before them, symbols, matter to paste.
Uses: git, on a bare repository or a checkout, through one `cat-file --batch` process.
Never: writes to the repository, or words anything itself."""

import re
import subprocess

SOURCE = {
    "rs": "rust", "ts": "ts", "tsx": "ts", "js": "ts", "py": "python", "go": "go", "java": "java", "kt": "java",
    "c": "c", "h": "c", "cc": "c", "cpp": "c", "rb": "ruby", "php": "php",
}  # fmt: skip
TEST_PATH = re.compile(r"(^|/)(tests?|specs?|__tests__|testing|testdata)(/|$)|[._-](test|spec)s?\.|_test\.go$|(^|/)test_|Tests?\.(java|php)$")
TEST_NAME = {
    "rust": re.compile(r"#\[(?:tokio::)?test\][^{]*?fn (\w+)", re.S),
    "ts": re.compile(r"\b(?:it|test)\(\s*(['\"`])([^'\"`\n$]{8,70})\1"),
    "python": re.compile(r"def (test_\w+)"),
    "go": re.compile(r"^func (Test\w+)\(", re.M),
    "java": re.compile(r"@Test[^{;]*?void (\w+)\(", re.S),
    "c": re.compile(r"\b(?:TEST|TEST_F|TEST_P)\(\w+, ?(\w+)\)|^(?:static )?void (?:test_)(\w+)\(", re.M),
    "ruby": re.compile(r"\bit ['\"]([^'\"\n#]{8,70})['\"]"),
    "php": re.compile(r"function (test\w+)\("),
}
CONSTANT = re.compile(
    r"^\s*(?:pub(?:\(crate\))? |export |public |private |protected |static |final |readonly )*"
    r"(?:const |#define |int |long |String |let |var )?\s*(?:\w+ )?([A-Z][A-Z0-9]*_[A-Z0-9_]{3,})\b[^=\n(]{0,24}(?:=| )\s*"
    r"[\"'0-9][^\n]{0,60}$"
)
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{5,}")
DULL = re.compile(r"^(chore|build|ci|release|bump|merge|revert|deps|prepare|version|update dep|upgrade|style|docs?\b)|bump|changelog|release", re.I)


class Commit:
    def __init__(self, sha, parent, title, body, edits):
        self.sha, self.parent, self.title, self.body, self.edits = sha, parent, title, body, edits


class Edit:
    """One changed file: its diff, and the numbers (before) of the lines it takes away or stands next to."""

    def __init__(self, path, diff):
        self.path, self.diff = path, diff
        self.removed, self.touched = [], []
        at = 0
        for line in diff.split("\n"):
            if line.startswith("@@"):
                at = int(re.match(r"@@ -(\d+)", line).group(1))
                self.touched.append(at)
            elif line.startswith("-") and not line.startswith("---"):
                self.removed.append(at)
                at += 1
            elif line.startswith(" "):
                at += 1


class History:
    def __init__(self, folder):
        self.folder = folder
        self.batch = subprocess.Popen(
            ["git", "-C", folder, "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.seen = {}

    def git(self, *words):
        done = subprocess.run(["git", "-C", self.folder, *words], capture_output=True, check=True)
        return done.stdout.decode("utf-8", "replace")

    def close(self):
        self.batch.stdin.close()
        self.batch.wait()

    def file(self, revision, path):
        key = (revision, path)
        if key not in self.seen:
            self.batch.stdin.write(f"{revision}:{path}\n".encode())
            self.batch.stdin.flush()
            head = self.batch.stdout.readline().split()
            body = b""
            if len(head) == 3:
                body = self.batch.stdout.read(int(head[2]))
                self.batch.stdout.read(1)
            text = None if len(head) != 3 or b"\0" in body[:8000] else body.decode("utf-8", "replace")
            self.seen[key] = text
        return self.seen[key]

    def paths(self, revision):
        return [p for p in self.git("ls-tree", "-r", "--name-only", revision).split("\n") if p]

    def commits(self, rng, number, span):
        """`number` commits in order out of `span` neighbouring ones; each changes one to five source files by a few dozen lines."""
        log = self.git("log", "--no-merges", "--format=%H", "-n", "6000").split()
        start = rng.randrange(max(1, min(len(log), 4000) - span))
        chosen = []
        window = log[start : start + span]
        rng.shuffle(window)
        for sha in window:
            commit = self.commit(sha)
            if commit and not any(set(e.path for e in commit.edits) & set(e.path for e in c.edits) for c in chosen):
                chosen.append(commit)
            if len(chosen) == number:
                break
        order = {sha: n for n, sha in enumerate(log)}
        return sorted(chosen, key=lambda c: -order[c.sha])

    def commit(self, sha):
        head = self.git("show", "-s", "--format=%P%x00%s%x00%b", sha).split("\0")
        parents, title, body = head[0].split(), head[1].strip(), head[2].strip()
        if len(parents) != 1 or DULL.search(title) or not 18 <= len(title) <= 120:
            return None
        edits = []
        for part in re.split(r"^(?=diff --git )", self.git("show", "--format=", "--no-renames", sha), flags=re.M):
            named = re.match(r"diff --git a/(\S+) b/(\S+)\n", part)
            if named and kind(named[1]) and "\nnew file" not in part and "\ndeleted file" not in part and "@@" in part:
                edits.append(Edit(named[1], part))
        size = sum(len(e.diff) for e in edits)
        source = [e for e in edits if not TEST_PATH.search(e.path)]
        if not source or len(edits) > 5 or not 500 < size < 9000 or not any(e.removed for e in source):
            return None
        body = "\n".join(l for l in body.split("\n") if not re.match(r"(Co-authored|Signed-off|Reviewed|Change-Id)", l))
        return Commit(sha, parents[0], title, body.strip(), source + [e for e in edits if e not in source])

    def tests(self, revision, language, rng, number):
        """(path, name of a test, its line) from the test files of a revision."""
        named = TEST_NAME[language]
        paths = [p for p in self.paths(revision) if kind(p) == language and (TEST_PATH.search(p) or language == "rust")]
        rng.shuffle(paths)
        found = []
        for path in paths[:120]:
            text = self.file(revision, path) or ""
            for hit in named.finditer(text):
                name = next(g for g in reversed(hit.groups()) if g)
                found.append((path, name, text.count("\n", 0, hit.end()) + 1))
        rng.shuffle(found)
        unique = {name: (path, name, line) for path, name, line in found}
        return list(unique.values())[:number]

    def pasted(self, revision, rng):
        """Prose of the project: a piece of its documents, or some commit messages."""
        size = rng.choice([1500, 4000, 8000, 14000])
        chance = rng.random()
        if chance < 0.3:
            log = self.git("log", "--format=commit %h%nAuthor: %an%nDate: %ad%n%n%w(0,4,4)%B", "-n", "50", "--skip", str(rng.randrange(1, 40)), revision)
            return log[:size].rsplit("\n", 1)[0]
        if chance < 0.45:
            paths = [p for p in self.paths(revision) if kind(p)]
            lines = (self.file(revision, rng.choice(paths)) or "").split("\n")
            start = rng.randrange(max(1, len(lines) - 60))
            return "\n".join(lines[start : start + size // 40])
        documents = [p for p in self.paths(revision) if re.search(r"\.(md|rst|txt|adoc)$", p)]
        rng.shuffle(documents)
        for path in documents[:40]:
            text = self.file(revision, path) or ""
            if len(text) > 1500:
                start = rng.randrange(max(1, len(text) - 1200))
                start = text.find("\n", start) + 1
                return text[start : start + size].rsplit("\n", 1)[0]
        return self.git("log", "--format=%B", "-n", "20", revision)[:size]

    def grep(self, revision, symbol, most=60):
        done = subprocess.run(
            ["git", "-C", self.folder, "grep", "-n", "-I", "-w", "-F", symbol, revision], capture_output=True
        )
        lines = done.stdout.decode("utf-8", "replace").split("\n")
        hits = []
        for line in lines:
            bits = line.split(":", 3)
            if len(bits) == 4 and kind(bits[1]) and len(bits[3]) < 300:
                hits.append((bits[1], int(bits[2]), bits[3].strip()))
        return hits[:most], len(hits)


def kind(path):
    return SOURCE.get(path.rsplit(".", 1)[-1]) if "." in path.rsplit("/", 1)[-1] else None


def comments(lines):
    """The longer comments of some lines of code, as prose."""
    found = []
    for line in lines:
        hit = re.match(r"\s*(?://[/!]?|#|\*|;)\s+(\S.{24,200})", line)
        if hit and hit[1][0].isalpha():
            found.append(hit[1].strip())
    return found


def names(lines):
    found = []
    for line in lines:
        hit = re.search(r"\b(?:fn|def|func|function|class|struct|interface|trait|enum|type|module)\s+(?:\([^)]*\)\s*)?(\w{4,})", line)
        if hit and hit[1] not in found:
            found.append(hit[1])
    return found
