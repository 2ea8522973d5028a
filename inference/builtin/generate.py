"""Conversations of the real loop, generated: what a user says, which tool is called, what comes back in brief, how it ends.

`Generator(harvest, seed).conversation()` gives a list of turns:
("user", words) ("call", tool, {argument: value}) ("result", brief) ("end", "answer" | "decline" | "smalltalk"), and ("past", "answer")
where an earlier exchange ended.
"""

import json
import random
import re

from wording import PHRASES, Speaker, misspell, quoted

# Tools with their arguments, in the order in which they are written.
TOOLS = {
    "read": ["path", "start", "end"],
    "write": ["path", "content"],
    "edit": ["path", "old", "new", "all"],
    "insert": ["path", "text", "line"],
    "delete": ["path"],
    "rename": ["symbol", "to", "path"],
    "glob": ["pattern"],
    "grep": ["pattern", "path", "glob", "ignore_case"],
    "search": ["query"],
    "where": ["symbol"],
    "callers": ["symbol", "tests"],
    "outline": ["path"],
    "run": ["task", "filter"],
    "bash": ["command", "timeout"],
    "git": ["action", "path", "revision", "line", "count", "message"],
    "todo": ["action", "text"],
    "undo": [],
    "ask_user": ["question", "options"],
}
ENDS = ["answer", "decline", "smalltalk"]

NOUNS = "retry backoff|session tokens|config file|http requests|database connection|cache eviction|login|password hashing|rate limiting|error handling|logging|websocket reconnects|user permissions|file uploads|email sending|payment webhooks|command line arguments|environment variables|thread pool|job queue|feature flags|tokenizer|search index|unit conversion|date parsing|json output|csv export|image resizing|scroll position|keyboard shortcuts|theme colors|memory allocation|garbage collection|syntax tree|type checker|symbol table|lexer|network timeouts|tls certificates|access tokens|refresh tokens|api keys|shutdown signal|health checks|metrics|tracing spans|migrations|schema|pagination|sorting|filters|diff algorithm|merge conflicts|file watcher|plugin loading|template rendering|request routing|middleware|cookies|csrf check|cors headers|compression|encryption|checksums|version number|default port|max retries|buffer size|progress bar|colors|stdin|exit codes|path normalization|glob matching|undo stack|clipboard|audio playback|video decoding|collision detection|player movement|score|billing|invoices|tax|discount|shopping cart|inventory|currency rounding|time zones|locale|translations|notifications|reminders|event loop|message bus|dead letters|lock contention|deadlocks|transactions|rollback|snapshots|backups|replication|leader election|heartbeat|sharding|hash ring|bloom filter|embedding vectors|prompt|chat history|model weights|sampling temperature|gpu memory|kv cache|tool calls|line endings|utf-8 validation|escape sequences|whitespace|comment stripping|operator precedence|macro expansion|borrow checking|dependency resolution|lock file|semantic versions|package names|download progress|proxy settings|dns lookup|connection pool|keep alive|chunked encoding|multipart bodies|redirects|query strings|content types|authentication|authorization|single sign on|two factor codes|captcha|spam detection|file locking|temp files|symlinks|permissions|disk quota|hard links|directory walking|ignore rules|regex matching|fuzzy search|ranking|stop words|stemming|highlighting|snippets|autocomplete|spell checking|undo history|cursor movement|selection|word wrapping|bidirectional text|font loading|glyph cache|shader compilation|texture upload|frame pacing|input handling|gamepad|physics step|path finding|level loading|save games|random numbers|noise|interpolation|matrix inversion|eigenvalues|fourier transform|gradient descent|loss function|learning rate|batch size|data loader|checkpointing|early stopping|token limit|context window|quantization|beam search|mouse wheel|drag and drop|dialog boxes|toast messages|form validation|date picker|dark mode|print layout|pdf export|barcode|shipping costs|refunds|subscriptions|trial period|coupons|stock levels|order status|customer address|tax rates|exchange rates|audit log|data retention|gdpr export|soft delete|search suggestions|webhooks|job retries|cron jobs|worker threads|task priorities|dead tasks|timeouts|back pressure|circuit breaker|load balancing|service discovery|config reload|secrets|feature toggles|telemetry|crash reports|stack traces|log rotation|log levels|debug output|panics|error codes|error messages|help text|man page|shell completion|subcommands|flags|defaults".split("|")
VERBS = {v: p for v, p in (pair.split(":") for pair in "compute:computed create:created parse:parsed write:written read:read fetch:fetched set:set check:checked convert:converted build:built add:added remove:removed insert:inserted calculate:calculated encode:encoded decode:decoded format:formatted handle:handled load:loaded send:sent open:opened close:closed split:split append:appended find:found generate:generated update:updated validate:validated emit:emitted initialize:initialized register:registered determine:determined apply:applied clear:cleared resolve:resolved compare:compared extract:extracted serialize:serialized start:started stop:stopped process:processed report:reported return:returned allocate:allocated store:stored save:saved delete:deleted cache:cached retry:retried sort:sorted filter:filtered merge:merged render:rendered draw:drawn print:printed log:logged count:counted measure:measured sanitize:sanitized escape:escaped normalize:normalized hash:hashed encrypt:encrypted decrypt:decrypted verify:verified sign:signed schedule:scheduled queue:queued cancel:cancelled restore:restored refresh:refreshed rotate:rotated limit:limited throttle:throttled detect:detected match:matched choose:chosen pick:picked decide:decided configure:configured define:defined enable:enabled disable:disabled display:displayed truncate:truncated trim:trimmed".split())}
DOUBLED = {"set", "split", "stop", "trim", "log", "cancel"}
KINDS = "function class method struct type variable trait enum module constant helper macro interface fn func routine component object symbol".split()
LANGUAGES = {"rs": ["rust", ".rs", "rs"], "py": ["python", ".py", "py"], "js": ["javascript", ".js", "js"], "ts": ["typescript", ".ts", "ts"], "md": ["markdown", ".md", "md"], "toml": ["toml", ".toml"], "json": ["json", ".json"], "yaml": ["yaml", ".yaml"], "yml": ["yml", ".yml"], "go": ["go", ".go", "golang"], "java": ["java", ".java"], "c": [".c"], "cpp": ["c++", ".cpp", "cpp"], "h": [".h", "header"], "html": ["html", ".html"], "css": ["css", ".css"], "sh": ["shell", ".sh", "bash"], "sql": ["sql", ".sql"], "txt": ["text", ".txt", "txt"], "tsx": ["tsx", ".tsx"], "xml": ["xml", ".xml"], "csv": ["csv", ".csv"], "lock": ["lock", ".lock"], "png": ["png", ".png"], "svg": ["svg", ".svg"], "ini": ["ini", ".ini"], "rb": ["ruby", ".rb"], "kt": ["kotlin", ".kt"]}
ROOT_FILES = "README.md Cargo.toml Cargo.lock package.json Makefile Dockerfile LICENSE .gitignore .env CHANGELOG.md pyproject.toml setup.py requirements.txt tsconfig.json VERSION CONTRIBUTING.md docker-compose.yml .github/workflows/ci.yml src/main.rs src/lib.rs index.html main.py src/App.tsx src/index.ts go.mod build.gradle .editorconfig justfile tests/conftest.py docs/README.md webpack.config.js .env.local NOTES AUTHORS config.yml settings.json".split()
FOLDERS = "src tests docs lib examples scripts config benches tools assets migrations src/utils src/api app templates static .github/workflows crates packages vendor".split()
COMMANDS = "cargo run|cargo fmt|cargo test --lib|cargo bench|cargo run -- --help|cargo doc|cargo update|npm install|npm run <w>|npm ci|python <w>.py|python -m <w>|pytest tests/test_<w>.py|pytest -k <w>|make|make <w>|make clean|ls -la|git fetch|git stash|git branch|git remote -v|git pull --rebase|docker ps|docker compose up|./<w>.sh|./scripts/<w>.sh|bash scripts/<w>.sh|echo <w>|wc -l <p>|go test ./...|go build|node <w>.js|tsc --noEmit|du -sh .|df -h|uname -a|pip list|pip install -e .|which <w>|env|date|pwd|cat /etc/hosts|curl localhost:8080|cargo tree|just <w>|mvn test|gradle build|terraform plan|pre-commit run|python3 -V|node -v|rustc --version|cargo check|cargo clippy --fix|npx <w>|head -5 <p>|grep -c <w> <p>|sed -n 1,5p <p>|kubectl get pods|make -j4|cargo build --release|yarn <w>|ps aux|whoami|touch <w>.txt|mkdir <w>|tail -20 <w>.log".split("|")
LITERALS = "TODO|FIXME|HACK|XXX|unwrap()|println!|console.log|import os|unsafe|panic!|todo!()|localhost|http://|@deprecated|print(|eval(|sleep(|DEBUG|#[ignore]|expect(|password|secret|127.0.0.1|async fn|dbg!|SELECT|var |except:|== None|utf-8|fn\\s+test_|^use |[A-Z]{3,}|error.*timeout|def _[a-z]+|^import|\\d+ms|(get|set)_[a-z]+|impl .* for|https?://|#[allow|noqa|eslint-disable|os.environ|process.env|NotImplementedError|unreachable!|#include|goto|lock().unwrap()".split("|")
REVISIONS = "main master HEAD~1 HEAD~3 origin/main dev HEAD develop".split()
TIMES = "yesterday|last week|monday|friday|last month|today|2 days ago|this morning|tuesday|3 weeks ago|january|last night|last sprint|the release|christmas".split("|")
PEOPLE = "Alice Bob Maria Jan Wei Priya Tom Sofia Ahmed Kenji Olga Lars Emma Noah Zoe".split()
TASKS = {"test": "run_test", "build": "run_build", "lint": "run_lint", "format": "run_format", "run": "run_start"}
GIT_VERBS = "fix add update remove refactor improve bump handle feat: fix: docs: chore: Fix Add".split()


def third(verb):
    if verb.endswith(("s", "sh", "ch", "x")):
        return verb + "es"
    return verb[:-1] + "ies" if verb.endswith("y") and verb[-2] not in "aeiou" else verb + "s"


def gerund(verb):
    if verb in DOUBLED:
        return verb + verb[-1] + "ing"
    return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"


class World:
    """One project to talk about: names and paths that were harvested, or made up from words."""

    def __init__(self, r, project, words, docs):
        self.r, self.project, self.words, self.docs = r, project, words, docs

    def word(self):
        return self.r.choice(self.words)

    def some(self, least, most):
        return " ".join(self.r.sample(self.words, self.r.randint(least, most)))

    def file(self):
        return self.r.choice(self.project["files"])

    def symbol(self):
        r = self.r
        if r.random() < 0.62:
            return r.choice(self.file()["symbols"])[2]
        words, kind = r.sample(self.words, r.randint(1, 3)), r.random()
        if kind < 0.36:
            return "_".join(words)
        if kind < 0.64:
            return "".join(w.title() for w in words)
        if kind < 0.84:
            return words[0] + "".join(w.title() for w in words[1:])
        if kind < 0.89:
            return "_".join(words).upper()
        return words[0] if kind < 0.96 else words[0].title()

    def path(self):
        r = self.r
        if r.random() < 0.16:
            return r.choice(ROOT_FILES)
        if r.random() < 0.72:
            return self.file()["path"]
        a, b = r.sample(self.words, 2)
        stem = r.choice([a, a + "_" + b, a + "-" + b, a.title(), a.title() + b.title(), a.upper(), "." + a, "test_" + a])
        end = r.choice(["rs", "py", "js", "ts", "tsx", "toml", "md", "json", "yaml", "txt", "go", "c", "h", "sh", "html", "css", "java", "log", "csv", "rb", "kt", "sql", "lock", "bak", "yml"])
        return r.choice(["src/", "lib/", "tests/", "docs/", "app/", "pkg/" + b + "/", "", "src/" + b + "/", "config/", "scripts/", "notes/", "crates/" + b + "/src/"]) + stem + "." + end

    def paths(self, count):
        return [self.path() for _ in range(count)]

    def folder(self):
        r = self.r
        if r.random() < 0.5:
            return r.choice(FOLDERS)
        path = self.file()["path"]
        return path.rsplit("/", 1)[0] if "/" in path else r.choice(["src/" + self.word(), self.word(), "tests/" + self.word()])

    def code(self):
        lines = self.file()["code"]
        return self.r.choice(lines) if lines else "return " + self.symbol() + "()"

    def line(self):
        return str(self.r.choice([self.r.randint(1, 99), self.r.randint(100, 999), self.r.randint(1, 400), self.r.randint(1000, 2400)]))

    def place(self):
        return "%s:%s" % (self.file()["path"], self.line())

    def concept(self):
        """(verb, object) such as ("compute", "retry backoff")."""
        r = self.r
        if r.random() < 0.4:
            for _ in range(6):
                words = r.choice(self.docs).lower().replace(",", "").split()
                verb = words[0] if words[0] in VERBS else words[0][:-1] if words[0][:-1] in VERBS else words[0][:-2] if words[0][:-2] in VERBS else None
                thing = words[1:6]
                idle = set("a an the of for to in on with from this that its it is are if given by and or as at be into".split())
                while thing and thing[-1] in idle:
                    thing.pop()
                while thing and thing[0] in idle:
                    thing.pop(0)
                if verb and thing:
                    return verb, " ".join(thing)
        verb, kind = r.choice(list(VERBS)), r.random()
        if kind < 0.5:
            return verb, r.choice(NOUNS)
        if kind < 0.62:
            return verb, r.choice(NOUNS) + r.choice([" of ", " for ", " in ", " per "]) + r.choice(["the " + self.word(), self.word() + "s", r.choice(NOUNS)])
        if kind < 0.72:
            return verb, r.choice(["default", "maximum", "current", "last", "new", "old", "user", "client", "server", "internal", "stale", "expired", "invalid", "failed", "pending"]) + " " + r.choice(NOUNS)
        return verb, self.some(1, 3)

    def literal(self):
        """A line of text or code as somebody would dictate it."""
        r, kind = self.r, self.r.random()
        if kind < 0.25:
            return r.choice(['print("%s")', 'echo "%s"', "%s==2.1", "%s/", "*.%s", "PORT=%s", "%s: true", "mod %s;", "use %s::*;", "import %s", "# %s", "## %s", "- %s", "Hello %s!", "pub mod %s;", '%s = "1.0"', "fixed %s.", "@%s", 'export * from "%s";', "%s>=1.4", "!%s", '{"%s": 1}', "TODO: %s", "// %s"]) % self.word()
        if kind < 0.55:
            return self.some(1, 5)
        if kind < 0.85:
            return self.code()[:46].strip()
        return r.choice(["hello world", "# " + self.word().title(), "- " + self.some(2, 3), self.word() + " = " + str(r.randint(0, 99))])

    def message(self):
        r = self.r
        return self.literal() if r.random() < 0.2 else r.choice(GIT_VERBS) + " " + self.some(1, 4)

    def command(self):
        return self.r.choice(COMMANDS).replace("<w>", self.word()).replace("<p>", self.path())


FAMILIES = {}


def family(weight):
    def add(function):
        FAMILIES[function.__name__] = (function, weight)
        return function
    return add


ANSWER = [("end", "answer")]


def count(n, word, plural=None):
    return "%d %s" % (n, word if n == 1 else plural or word + "s")


def over(turns):
    """An exchange that lies behind: however it ended, the template shows an answer there."""
    return turns[:-1] + [("past", "answer")]


class Generator:
    """Everything random comes from one seed."""

    def __init__(self, projects, seed):
        self.r = random.Random(seed)
        self.projects = projects
        self.docs = [d for p in projects for f in p["files"] for d in f["docs"]]
        self.words = sorted({w for d in self.docs for w in d.lower().split() if w.isalpha() and len(w) > 3})
        self.names, self.weights = list(FAMILIES), [w for _, w in FAMILIES.values()]

    def world(self):
        return World(self.r, self.r.choice(self.projects), self.words, self.docs)

    def say(self, w, family, slots, **how):
        template = family if "<" in family or " " in family else self.r.choice(PHRASES[family])
        return [("user", Speaker(self.r, w).say(template, slots, **how))]

    def one(self, w=None, name=None):
        """One request with its calls, results and end, in a world."""
        w = w or self.world()
        name = name or self.r.choices(self.names, self.weights)[0]
        return w, name, FAMILIES[name][0](self, w)

    def conversation(self):
        from dialogue import follow
        w, name, turns = self.one()
        kind = self.r.random()
        if kind < 0.72:
            return turns
        before = over(turns)
        if kind > 0.96:
            before = before + over(self.one(w)[2])
        if self.r.random() < 0.62:
            after = follow(self, w, before)
            if after:
                return before + after
        return before + self.one(w)[2]


# --- What the tools answer in brief -------------------------------------------------------------------------------

def brief(head, items):
    """As many items as fit into 200 characters, with a sign where some are left out."""
    text, left = head + ": ", len(items)
    for i, item in enumerate(items):
        piece = ("; " if i else "") + item
        if len(text) + len(piece) > 196 and i:
            break
        text, left = text + piece, left - 1
    return text + ("; …" if left else "")


def definitions(g, w, symbol, n):
    if not n:
        return "no definition of " + symbol
    kinds = "fn fn fn struct enum trait class const mod type interface macro".split()
    return brief(count(n, "definition"), ["%s %s %s" % (w.place(), g.r.choice(kinds), symbol) for _ in range(n)])


def uses(g, w, symbol, n):
    if not n:
        return "no uses of " + symbol
    return brief("%s in %s" % (count(n, "use"), count(g.r.randint(1, n), "file")), [w.place() for _ in range(n)])


def hits(g, w, n):
    if not n:
        return "no hits"
    return brief(count(n, "hit"), [w.place() + (" " + w.symbol() if g.r.random() < 0.85 else "") for _ in range(n)])


def matches(g, w, n):
    if not n:
        return "no matches"
    return brief("%s in %s" % (count(n, "match", "matches"), count(g.r.randint(1, n), "file")), [w.place() for _ in range(n)])


def files(g, w, n):
    return brief(count(n, "file"), w.paths(n)) if n else "no files"


def failed(g, w, path):
    return "failed: " + g.r.choice(["no such file: " + path, "denied by the user", path + " is not a file", "the text does not occur in " + path, "the text occurs 3 times in " + path, "timed out", "not allowed", "permission denied: " + path])


def ran(g, w, ok=None):
    r = g.r
    ok = r.random() < 0.5 if ok is None else ok
    if ok:
        return "exit 0" if r.random() < 0.1 else "exit 0: " + r.choice(["test result: ok. %d passed; 0 failed" % r.randint(1, 300), "%d passed in %d.2s" % (r.randint(1, 300), r.randint(0, 30)), "Finished", "done", w.some(1, 5), "All checks passed!", "Tests: %d passed, %d total" % (r.randint(1, 90), r.randint(1, 90))])
    return r.choice(["exit %d: " % r.choice([1, 1, 2, 101, 127]) + r.choice(["test result: FAILED. %d passed; %d failed" % (r.randint(1, 300), r.randint(1, 9)), "error: " + w.some(1, 5), "%d failed, %d passed" % (r.randint(1, 9), r.randint(1, 300)), w.place() + ": " + w.some(2, 4)]), "timed out"])


def lines_of(g, w, path, start=None, end=None):
    start = int(start or 1)
    end = int(end or start + g.r.randint(5, 200))
    return "lines %d-%d of %d in %s" % (start, end, max(end, g.r.randint(start, start + 900)), path)


# --- Finding --------------------------------------------------------------------------------------------------------

def named(g, w, symbol):
    """A symbol as users write it."""
    return quoted(g.r, symbol + ("()" if g.r.random() < 0.07 else ""))


@family(8)
def define(g, w, source=None):
    s = w.symbol()
    turns = g.say(w, source or "define", {"S": named(g, w, s), "K": g.r.choice(KINDS)}, question=g.r.random() < 0.6, mutates=False)
    n = g.r.choices([0, 1, 2, 3], [14, 70, 12, 4])[0]
    turns += [("call", "where", {"symbol": s}), ("result", definitions(g, w, s, n))]
    if not n:
        turns += [("call", "grep", {"pattern": s}), ("result", matches(g, w, g.r.choice([0, 0, 1, 5])))]
    return turns + ANSWER


@family(6)
def explain(g, w, source="explain"):
    s = w.symbol()
    turns = g.say(w, source, {"S": named(g, w, s), "K": g.r.choice(KINDS)}, question=g.r.random() < 0.5, mutates=False)
    n = g.r.choices([0, 1, 2], [10, 75, 15])[0]
    brief = definitions(g, w, s, n)
    turns += [("call", "where", {"symbol": s}), ("result", brief)]
    if not n:
        turns += [("call", "grep", {"pattern": s}), ("result", matches(g, w, g.r.choice([0, 0, 1, 5])))]
        return turns + ANSWER
    path, line = re.search(r": (\S+):(\d+)", brief).groups()
    return turns + [("call", "read", {"path": path, "start": line}), ("result", lines_of(g, w, path, line))] + ANSWER


@family(3)
def show_source(g, w):
    return explain(g, w, "show_source")


@family(8)
def callers(g, w):
    s = w.symbol()
    turns = g.say(w, "callers", {"S": named(g, w, s)}, question=g.r.random() < 0.6, mutates=False)
    return turns + [("call", "callers", {"symbol": s}), ("result", uses(g, w, s, g.r.choice([0, 1, 2, 3, 5, 17])))] + ANSWER


@family(5)
def tests(g, w):
    s = w.symbol()
    turns = g.say(w, "tests", {"S": named(g, w, s)}, question=g.r.random() < 0.6, mutates=False)
    return turns + [("call", "callers", {"symbol": s, "tests": "true"}), ("result", uses(g, w, s, g.r.choice([0, 1, 2, 6])))] + ANSWER


@family(1.5)
def define_then_callers(g, w):
    s = w.symbol()
    turns = g.say(w, "define_then_callers", {"S": named(g, w, s)}, question=g.r.random() < 0.6, mutates=False)
    return turns + [("call", "where", {"symbol": s}), ("result", definitions(g, w, s, g.r.choice([1, 1, 1, 2]))), ("call", "callers", {"symbol": s}), ("result", uses(g, w, s, g.r.choice([0, 1, 2, 5])))] + ANSWER


@family(7)
def mentioned(g, w):
    """The name stands in one sentence, the request in the next: "… LockManager. Who uses it?"."""
    from dialogue import IT, PHRASES as LEANING
    r, s = g.r, w.symbol()
    name = r.choice(["where", "callers", "callers", "tests", "explain", "rename"])
    new = w.symbol()
    request = r.choice(LEANING[name]).replace("IT", IT)
    template = r.choice(PHRASES["mention"]) + r.choice([". ", ". ", ". ", ", ", " - ", ", so ", "; ", " "]) + request
    turns = g.say(w, template, {"S": named(g, w, s) if name != "rename" else quoted(r, s), "N": quoted(r, new)}, question=r.random() < 0.6, mutates=name == "rename")
    if name == "rename":
        return turns + [("call", "rename", {"symbol": s, "to": new}), ("result", "renamed %s to %s in %s" % (s, new, count(r.randint(1, 9), "file")))] + ANSWER
    if name in ("callers", "tests"):
        extra = {"tests": "true"} if name == "tests" else {}
        return turns + [("call", "callers", {"symbol": s, **extra}), ("result", uses(g, w, s, r.choice([0, 1, 4])))] + ANSWER
    found = definitions(g, w, s, 1)
    turns += [("call", "where", {"symbol": s}), ("result", found)]
    if name == "explain":
        path, line = re.search(r": (\S+):(\d+)", found).groups()
        turns += [("call", "read", {"path": path, "start": line}), ("result", lines_of(g, w, path, line))]
    return turns + ANSWER


@family(3)
def mentioned_path(g, w):
    from dialogue import IT, PHRASES as LEANING
    r, p = g.r, w.path()
    name = r.choice(["outline", "outline", "read_file", "history", "delete"])
    template = r.choice(PHRASES["mention_path"]) + r.choice([". ", ". ", ", ", " - ", "; "]) + r.choice(LEANING[name]).replace("IT", IT)
    turns = g.say(w, template, {"P": quoted(r, p)}, question=r.random() < 0.4, mutates=name == "delete")
    call, found = {
        "outline": (("call", "outline", {"path": p}), count(r.randint(1, 60), "definition") + " in " + p),
        "read_file": (("call", "read", {"path": p}), lines_of(g, w, p)),
        "history": (("call", "git", {"action": "log", "path": p}), "log: " + count(r.randint(0, 10), "commit")),
        "delete": (("call", "delete", {"path": p}), "deleted " + p),
    }[name]
    return turns + [call, ("result", found)] + ANSWER


@family(2.5)
def contrasted(g, w):
    """What is not wanted is said too."""
    r, s, other = g.r, w.symbol(), w.symbol()
    if r.random() < 0.5:  # names that are easily mixed up
        other = r.choice([s + "er", s + "s", s + "2", s + "_all", "get_" + s, s + "Config", "try_" + s, "Base" + s, s + "Error", s.rstrip("s") + "List"])
        if r.random() < 0.4:
            s, other = other, s
    name = r.choice(["where", "callers"])
    base = r.choice(PHRASES["define" if name == "where" else "callers"])
    aside = r.choice(PHRASES["contrast_" + name])
    if r.random() < 0.4:
        aside = r.choice(["we have <S3> and {another one|the other one|<S>}", "<S3> is {something else|in another file|easy to find|not what i mean}", "not <S3>, {i know that one|that's another one|the other one}", "{i mean|i'm talking about} the {one|thing} {without|not} <S3>", "don't confuse it with <S3>", "<S3> {i know|i found already|is clear}", "not to be confused with <S3>"])
    template = base + r.choice([". ", " - ", ", ", "; "]) + aside if r.random() < 0.6 else aside + r.choice([". ", " - ", ", ", "; "]) + base
    turns = g.say(w, template.replace("<S3>", "<O>"), {"S": named(g, w, s), "O": other, "K": r.choice(KINDS)}, question=False, mutates=False)
    found = definitions(g, w, s, 1) if name == "where" else uses(g, w, s, r.choice([0, 1, 5]))
    return turns + [("call", name, {"symbol": s}), ("result", found)] + ANSWER


def query(g, w, kind):
    verb, thing = w.concept()
    text = {"v": verb + " " + thing, "s": third(verb) + " " + thing, "o": thing, "g": g.r.choice([thing, gerund(verb) + " " + thing]), "p": thing + g.r.choice([" ", " ", " ", " ", " get ", " being "]) + VERBS.get(verb, verb + "ed")}[kind]
    if g.r.random() < 0.12:
        text = " ".join(misspell(g.r, x) if g.r.random() < 0.3 else x for x in text.split())
    return text


def concept_request(g, w, line):
    """Fills a line of the search phrases; returns (template, query, slots)."""
    kind, template = line.split(": ", 1)
    wanted = query(g, w, kind)
    tail = re.search(r"<Q\+([^<>]*)>", template)
    if tail:
        word = g.r.choice(tail[1].split("|"))
        wanted_with = wanted + " " + word
        return template.replace(tail[0], "<Q>"), wanted_with, wanted_with
    return template, wanted, wanted


@family(12)
def search(g, w):
    template, wanted, text = concept_request(g, w, g.r.choice(PHRASES["search"]))
    shown = quoted(g.r, text, always=True) if g.r.random() < 0.06 else text
    turns = g.say(w, template, {"Q": shown}, question=g.r.random() < 0.7, mutates=False)
    return turns + [("call", "search", {"query": wanted}), ("result", hits(g, w, g.r.choice([0, 1, 2, 4, 8])))] + ANSWER


ACTIONS = "delete temporary files|rename uploaded files|write the config file|commit the transaction|create new users|edit messages|run migrations|undo edits|format dates|build the index|start workers|replace placeholders|insert rows|delete old logs|remove duplicates|rename columns|write the cache|create backups|run the scheduler|test the connection|restore snapshots|append to the log|save settings|drop tables|move files|update records|revert transactions|lint templates|compile shaders|launch plugins|execute queries|run scripts|erase secrets|add headers|insert nodes|commit offsets|stage changes|diff trees|blame users|list users|read files|open sockets|print reports|grep logs".split("|")


@family(2)
def search_action(g, w):
    """Asks where the code does what a tool of ours could do: nothing is to be changed or run."""
    kind, template = g.r.choice(PHRASES["search_action"]).split(": ", 1)
    verb, thing = g.r.choice(ACTIONS).split(" ", 1)
    if g.r.random() < 0.3:
        thing = g.r.choice(NOUNS)
    past = {"write": "written", "run": "run", "undo": "undone", "build": "built", "commit": "committed", "drop": "dropped", "read": "read", "stage": "staged", "diff": "diffed", "grep": "grepped"}.get(verb) or (verb if verb.endswith("e") else verb + "e") + "d"
    text = {"v": verb + " " + thing, "s": third(verb) + " " + thing, "g": gerund(verb) + " " + thing, "p": thing + " " + past}[kind]
    turns = g.say(w, template, {"Q": text}, question=True, mutates=False)
    return turns + [("call", "search", {"query": text}), ("result", hits(g, w, g.r.choice([0, 1, 4])))] + ANSWER


@family(3)
def hypothetical(g, w):
    """Thinks aloud about a change: nothing is to be done."""
    r = g.r
    slots = {"S": quoted(r, w.symbol()), "N": quoted(r, w.symbol()), "P": quoted(r, w.path()), "O": quoted(r, w.some(1, 2), always=True)}
    return g.say(w, "hypothetical", slots, question=True, mutates=False) + [("end", "decline")]


@family(1.5)
def search_then_read(g, w):
    wanted = w.concept()[1]
    turns = g.say(w, "search_then_read", {"Q": wanted}, mutates=False)
    n = g.r.choice([0, 1, 2, 5])
    brief = hits(g, w, n)
    turns += [("call", "search", {"query": wanted}), ("result", brief)]
    if n:
        path, line = re.search(r": (\S+):(\d+)", brief).groups()
        turns += [("call", "read", {"path": path, "start": line}), ("result", lines_of(g, w, path, line))]
    return turns + ANSWER


CODE = (".rs", ".py", ".js", ".ts", ".tsx", ".go", ".c", ".h", ".java", ".kt", ".rb", ".cpp", ".jsx")


@family(1.2)
def whats_in(g, w):
    """Of code the outline says it, everything else is short enough to be read."""
    p = w.path()
    turns = g.say(w, "whats_in", {"P": quoted(g.r, p)}, question=g.r.random() < 0.6, mutates=False)
    if p.endswith(CODE):
        return turns + [("call", "outline", {"path": p}), ("result", count(g.r.randint(1, 60), "definition") + " in " + p)] + ANSWER
    return turns + [("call", "read", {"path": p}), ("result", lines_of(g, w, p))] + ANSWER


@family(4)
def outline(g, w):
    p = w.path()
    while not p.endswith(CODE) and g.r.random() < 0.9:
        p = w.path()
    turns = g.say(w, "outline", {"P": quoted(g.r, p)}, question=g.r.random() < 0.4, mutates=False)
    return turns + [("call", "outline", {"path": p}), ("result", count(g.r.randint(1, 60), "definition") + " in " + p if g.r.random() < 0.9 else failed(g, w, p))] + ANSWER


@family(6)
def read(g, w):
    p, kind = w.path(), g.r.random()
    a = g.r.randint(1, 400)
    b = a + g.r.randint(1, 90)
    arguments, name = {"path": p}, "read"
    if kind > 0.5:
        arguments["start"], name = str(a), "read_line"
    if 0.5 < kind < 0.8:
        arguments["end"], name = str(b), "read_range"
    turns = g.say(w, name, {"P": quoted(g.r, p), "A": str(a), "B": str(b)}, mutates=False)
    return turns + [("call", "read", arguments), ("result", lines_of(g, w, p, arguments.get("start"), arguments.get("end")) if g.r.random() < 0.9 else failed(g, w, p))] + ANSWER


@family(5)
def listing(g, w):
    r, kind = g.r, g.r.random()
    end = r.choice(list(LANGUAGES))
    folder = w.folder()
    if kind < 0.3:
        name, slots, pattern = "list_folder", {"D": quoted(r, folder + r.choice(["", "", "", "/"]))}, folder + "/**"
    elif kind < 0.5:
        pattern = r.choice(["*." + end, "**/*." + end, folder + "/*." + end, folder + "/**/*." + end, "*" + w.word() + "*", "test_*." + end, "*_test." + end, w.word() + "*", "src/**", w.word() + "*." + end])
        name, slots = "list_pattern", {"D": quoted(r, pattern)}
    elif kind < 0.82:
        name, slots, pattern = "list_type", {"L": r.choice(LANGUAGES[end])}, "**/*." + end
    elif kind < 0.92:
        name, slots, pattern = "list_type_folder", {"L": r.choice(LANGUAGES[end]), "D": folder}, folder + "/**/*." + end
    else:
        name, slots, pattern = "list_all", {}, "**"
    turns = g.say(w, name, slots, question=r.random() < 0.4, mutates=False)
    return turns + [("call", "glob", {"pattern": pattern}), ("result", files(g, w, r.choice([0, 1, 3, 14])))] + ANSWER


@family(7)
def grep(g, w):
    r, kind = g.r, g.r.random()
    if kind < 0.4:
        text = r.choice(LITERALS).strip()
    elif kind < 0.7:
        text = w.some(1, 4)
    elif kind < 0.88:
        text = " ".join(w.code().split()[:r.randint(1, 4)])
    else:
        text = w.symbol()
    text = text.strip(" ,")[:44].strip() or "TODO"
    shown = quoted(r, text, always=True) if r.random() < 0.75 or " " in text and r.random() < 0.7 else text
    arguments, name, slots = {"pattern": text}, "grep", {"S": shown}
    kind = r.random()
    if kind < 0.27:
        arguments["path"] = r.choice([w.path(), w.folder(), w.folder() + "/"])
        name, slots["P"] = "grep_in", quoted(r, arguments["path"])
    elif kind < 0.37:
        end = r.choice(list(LANGUAGES))
        arguments["glob"] = "**/*." + end
        name, slots["L"] = "grep_type", r.choice(LANGUAGES[end])
    elif kind < 0.44:
        arguments["ignore_case"] = "true"
        name = "grep_case"
    turns = g.say(w, name, slots, question=r.random() < 0.4, mutates=False)
    return turns + [("call", "grep", arguments), ("result", matches(g, w, r.choice([0, 1, 2, 5, 30])))] + ANSWER


# --- Changing -------------------------------------------------------------------------------------------------------

def changed(g, w, turns, call, brief, path):
    turns = turns + [call, ("result", brief if g.r.random() < 0.88 else failed(g, w, path))]
    return turns, turns[-1][1] == brief


AFTERWARDS = [" {and|then|and then|, then|, and then|, after that|; afterwards} "]
THEN = {
    "test": ["{run|execute|rerun} {the|all|all the|our|} tests", "{check|make sure|verify} {that |}{the|all|} tests {still |}pass", "test {it|everything|}", "run the test suite", "see if the tests {pass|are green}"],
    "build": ["{build|compile} {it|the project|everything|}", "{check|make sure|see} {that|whether} it {still |}{builds|compiles}", "run a build"],
    "lint": ["run the {linter|lints|lint}", "lint {it|everything|the code}"],
    "format": ["{run|apply} the formatter", "format {the code|everything|it}"],
}


def with_step(g, w, family, slots, **how):
    """A request of `family`, sometimes with a second step; returns (turns, calls that follow when the first succeeds)."""
    r, kind = g.r, g.r.random()
    template = r.choice(PHRASES[family])
    if kind < 0.72:
        return g.say(w, template, slots, **how), []
    how.pop("calm", None)
    if kind < 0.92:
        task = r.choices(list(THEN), [60, 20, 10, 10])[0]
        template += r.choice(AFTERWARDS) + r.choice(THEN[task])
        return g.say(w, template, slots, **how), [("call", "run", {"task": task}), ("result", ran(g, w))]
    if kind < 0.97:
        message = w.message()
        template += r.choice(AFTERWARDS) + "commit {it |that |this |the change |everything |}{as|with|with message|with the message|:} <M>"
        return g.say(w, template, dict(slots, M=quoted(r, message, always=True)), **how), [("call", "git", {"action": "commit", "message": message}), ("result", "committed " + sha(g))]
    if r.random() < 0.5:
        template += r.choice(AFTERWARDS) + "{show me the git status|git status|show the status|tell me what is uncommitted}"
        return g.say(w, template, slots, **how), [("call", "git", {"action": "status"}), ("result", "status: %d changed" % r.randint(0, 9))]
    template += r.choice(AFTERWARDS) + "{show me the diff|show the diff|git diff|show me what changed}"
    return g.say(w, template, slots, **how), [("call", "git", {"action": "diff"}), ("result", "diff: " + count(r.randint(1, 4), "file"))]


def sha(g):
    return "".join(g.r.choice("0123456789abcdef") for _ in range(7))


@family(6.5)
def rename(g, w):
    r, s, new = g.r, w.symbol(), w.symbol()
    if new == s:
        new += "_v2"
    arguments, name = {"symbol": s, "to": new}, "rename"
    slots = {"S": quoted(r, s), "N": quoted(r, new)}
    if r.random() < 0.4:
        arguments["path"] = w.path()
        name, slots["P"] = "rename_in", quoted(r, arguments["path"])
    turns, more = with_step(g, w, name, slots, mutates=True)
    brief = r.choice(["renamed %s to %s in %s" % (s, new, count(r.randint(1, 9), "file"))])
    turns, ok = changed(g, w, turns, ("call", "rename", arguments), brief, s)
    return turns + (more if ok else []) + ANSWER


@family(6)
def edit(g, w):
    r, p, kind = g.r, w.path(), g.r.random()
    if kind < 0.35:
        old, new = w.symbol(), w.symbol()
    elif kind < 0.62:
        old, new = w.some(1, 3), w.some(1, 3)
    elif kind < 0.76:
        old, new = str(r.randint(1, 9999)), str(r.randint(1, 9999))
    elif kind < 0.84:
        old, new = ("%d.%d.%d" % (r.randint(0, 9), r.randint(0, 20), r.randint(0, 9)) for _ in range(2))
    elif kind < 0.88:
        old, new = r.choice([("true", "false"), ("false", "true"), ("debug", "info"), ("http", "https"), ("localhost", "0.0.0.0"), ("<", "<="), ("==", "!="), ("recieve", "receive"), ("teh", "the")])
    else:
        old, new = w.code()[:40].strip(), w.code()[:40].strip()
    if old == new:
        new += "2"
    always = kind >= 0.88 or " " in old + new or r.random() < 0.45
    slots = {"O": quoted(r, old, always=always), "N": quoted(r, new, always=always), "P": quoted(r, p)}
    arguments, name = {"path": p, "old": old, "new": new}, "edit"
    if r.random() < 0.16:
        arguments["all"], name = "true", "edit_all"
    turns, more = with_step(g, w, name, slots, mutates=True)
    turns, ok = changed(g, w, turns, ("call", "edit", arguments), "edited " + p, p)
    return turns + (more if ok else []) + ANSWER


@family(2.5)
def edit_remove(g, w):
    """Text goes, the file stays."""
    r, p = g.r, w.path()
    old = r.choice([w.symbol(), w.some(1, 4), w.literal(), w.code()[:40].strip()])
    turns, more = with_step(g, w, "edit_remove", {"O": quoted(r, old, always=True), "P": quoted(r, p)}, mutates=True)
    turns, ok = changed(g, w, turns, ("call", "edit", {"path": p, "old": old, "new": ""}), "edited " + p, p)
    return turns + (more if ok else []) + ANSWER


@family(4)
def create(g, w):
    p, text = w.path(), w.literal()
    if g.r.random() < 0.15:
        turns = g.say(w, "create_empty", {"P": quoted(g.r, p)}, mutates=True)
        arguments = {"path": p, "content": ""}
        more = []
    else:
        bare = g.r.random() < 0.15
        turns, more = with_step(g, w, "create", {"P": quoted(g.r, p), "C": text if bare else quoted(g.r, text, always=True)}, mutates=True, calm=bare)
        arguments = {"path": p, "content": text}
    turns, ok = changed(g, w, turns, ("call", "write", arguments), "wrote " + p, p)
    return turns + (more if ok else []) + ANSWER


@family(5)
def insert(g, w):
    p, text, line = w.path(), w.literal(), str(g.r.randint(1, 500))
    bare = g.r.random() < 0.1
    slots = {"P": quoted(g.r, p), "C": text if bare else quoted(g.r, text, always=True), "A": line}
    arguments = {"path": p, "text": text}
    name = "append"
    if g.r.random() < 0.5:
        arguments["line"], name = line, "insert"
    turns, more = with_step(g, w, name, slots, mutates=True, calm=bare)
    turns, ok = changed(g, w, turns, ("call", "insert", arguments), "inserted in " + p, p)
    return turns + (more if ok else []) + ANSWER


@family(3)
def delete(g, w):
    p = w.path()
    turns, more = with_step(g, w, "delete", {"P": quoted(g.r, p)}, mutates=True)
    turns, ok = changed(g, w, turns, ("call", "delete", {"path": p}), "deleted " + p, p)
    return turns + (more if ok else []) + ANSWER


@family(2)
def undo(g, w):
    turns = g.say(w, "undo", {}, mutates=True)
    return turns + [("call", "undo", {}), ("result", "undone: " + w.path() if g.r.random() < 0.8 else "failed: nothing to undo")] + ANSWER


# --- Running --------------------------------------------------------------------------------------------------------

@family(9)
def run(g, w):
    task = g.r.choices(list(TASKS), [42, 18, 16, 12, 12])[0]
    turns = g.say(w, TASKS[task], {}, question=task != "format" and g.r.random() < 0.3, mutates=True if g.r.random() < 0.3 else None)
    return turns + [("call", "run", {"task": task}), ("result", ran(g, w))] + ANSWER


@family(2)
def run_filtered(g, w):
    name = g.r.choice([w.symbol(), "test_" + w.word() + "_" + w.word(), w.word(), w.word() + "::" + w.word()])
    turns = g.say(w, "run_test_filter", {"F": quoted(g.r, name)})
    return turns + [("call", "run", {"task": "test", "filter": name}), ("result", ran(g, w))] + ANSWER


@family(1)
def test_then_show(g, w):
    turns = g.say(w, "test_then_show", {})
    return turns + [("call", "run", {"task": "test"}), ("result", ran(g, w))] + ANSWER


@family(1.5)
def test_then_commit(g, w):
    message, ok = w.message(), g.r.random() < 0.6
    turns = g.say(w, "test_then_commit", {"M": quoted(g.r, message, always=True)})
    turns += [("call", "run", {"task": "test"}), ("result", ran(g, w, ok))]
    if ok:
        turns += [("call", "git", {"action": "commit", "message": message}), ("result", "committed " + sha(g))]
    return turns + ANSWER


@family(5)
def bash(g, w):
    command = w.command()
    bare = g.r.random() < 0.4
    turns = g.say(w, "bash", {"C": command if bare else quoted(g.r, command, always=True)}, calm=bare and g.r.random() < 0.7)
    return turns + [("call", "bash", {"command": command}), ("result", ran(g, w))] + ANSWER


@family(10)
def git(g, w):
    r, p = g.r, w.path()
    kind = r.choice("status status diff diff_path diff_revision log log_count log_path log_since blame blame_line commit commit".split())
    slots = {"P": quoted(r, p), "A": w.line(), "N": str(r.randint(2, 30)), "W": r.choice(TIMES)}
    revision = r.choice(REVISIONS + [sha(g), "v%d.%d.%d" % (r.randint(0, 9), r.randint(0, 20), r.randint(0, 9)), "release-%d" % r.randint(1, 9)])
    message = w.message()
    slots["V"], slots["M"] = quoted(r, revision), quoted(r, message, always=r.random() < 0.85)
    calm = slots["M"] == message and kind == "commit"
    arguments, brief = {
        "status": ({"action": "status"}, "status: %d changed" % r.randint(0, 9)),
        "diff": ({"action": "diff"}, "diff: " + count(r.randint(0, 9), "file")),
        "diff_path": ({"action": "diff", "path": p}, "diff: 1 file"),
        "diff_revision": ({"action": "diff", "revision": revision}, "diff: " + count(r.randint(0, 40), "file")),
        "log": ({"action": "log"}, "log: 10 commits"),
        "log_count": ({"action": "log", "count": slots["N"]}, "log: %s commits" % slots["N"]),
        "log_path": ({"action": "log", "path": p}, "log: " + count(r.randint(0, 10), "commit")),
        "log_since": ({"action": "log"}, "log: " + count(r.randint(0, 10), "commit")),
        "blame": ({"action": "blame", "path": p}, "blame: %s:%s %s %s" % (p, slots["A"], sha(g), r.choice(PEOPLE))),
        "blame_line": ({"action": "blame", "path": p, "line": slots["A"]}, "blame: %s:%s %s %s" % (p, slots["A"], sha(g), r.choice(PEOPLE))),
        "commit": ({"action": "commit", "message": message}, "committed " + sha(g)),
    }[kind]
    if r.random() < 0.08:
        brief = "failed: " + r.choice(["not a git repository", "nothing to commit", "unknown revision", "no such file"])
    turns = g.say(w, "git_" + kind, slots, question=kind != "commit" and r.random() < 0.4, mutates=True if kind == "commit" else False if r.random() < 0.5 else None, calm=calm)
    return turns + [("call", "git", arguments), ("result", brief)] + ANSWER


@family(4)
def todo(g, w):
    r, kind = g.r, g.r.random()
    if kind < 0.35:
        return g.say(w, "todo_list", {}, question=r.random() < 0.4) + [("call", "todo", {"action": "list"}), ("result", count(r.randint(0, 9), "item"))] + ANSWER
    verb, thing = w.concept()
    text = r.choice([verb + " " + thing, "fix " + w.symbol(), "write tests for " + w.symbol(), "update " + w.path(), w.some(2, 4), "call " + r.choice(PEOPLE) + " about " + thing, "review " + thing])
    name = "todo_add" if kind < 0.8 else "todo_done"
    calm = r.random() < 0.5
    turns = g.say(w, name, {"X": quoted(r, text, always=True) if r.random() < 0.35 else text}, calm=calm)
    return turns + [("call", "todo", {"action": name[5:], "text": text}), ("result", "added" if kind < 0.8 else r.choice(["done", "failed: no such item"]))] + ANSWER


# --- Not with tools -------------------------------------------------------------------------------------------------

@family(10)
def decline(g, w):
    r = g.r
    name = r.choices(["decline", "general", "decline_howto"], [6, 2, 2])[0]
    verb, thing = w.concept()
    language = r.choice("go python rust java typescript c++ kotlin swift ruby haskell c zig".split())
    template = r.choice(PHRASES[name]).replace("LANG", language)
    slots = {"S": quoted(r, w.symbol()), "P": quoted(r, w.path()), "V": verb, "X": r.choice([thing, verb + " " + thing])}
    return g.say(w, template, slots, question=r.random() < 0.3, mutates=None) + [("end", "decline")]


@family(4)
def smalltalk(g, w):
    name = g.r.choices(["greet", "identity", "thanks"], [3, 4, 3])[0]
    template = g.r.choice(PHRASES[name])
    return [("user", Speaker(g.r, w).say(template, {"X": w.concept()[1]}, question=name == "identity", calm=g.r.random() < 0.6))] + [("end", "smalltalk")]


def load(path, held_out=10):
    """The harvest, as (projects to learn from, every tenth kept aside)."""
    with open(path, encoding="utf-8") as file:
        projects = json.load(file)
    random.Random(99).shuffle(projects)
    aside = len(projects) // held_out
    return projects[aside:], projects[:aside]


if __name__ == "__main__":
    import sys
    generator = Generator(load(sys.argv[1])[0], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 40):
        for turn in generator.conversation():
            print("   " if turn[0] != "user" else "-", *turn)
