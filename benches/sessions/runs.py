"""Owns: output of test runners in the shapes they print it, with made failures, and where the facts stand in it.
Uses: names and paths of real tests that the caller found.
Never: runs anything."""

from dataclasses import dataclass, field

WORDS = "almond basil cedar dahlia elder fennel gorse hazel indigo jasmine kelp laurel maple nettle orchid poppy quince rowan sorrel thyme".split()


@dataclass
class Failure:
    name: str
    value: str  # the needle: what came out, as this runner says it
    where: str  # the needle: file and line, as this runner says it
    line: str = ""  # a line that names the test as failed


@dataclass
class Run:
    cmd: str
    text: str
    summary: str  # the needle: how it ended
    failures: list = field(default_factory=list)


def values(rng):
    """What came out and what was expected; numbers and words that occur nowhere else."""
    style = rng.randrange(3)
    if style == 0:
        return str(rng.randrange(10000, 99999)), str(rng.randrange(10000, 99999))
    if style == 1:
        got = f"{rng.choice(WORDS)}-{rng.randrange(100, 999)}"
        return f'"{got}"', f'"{rng.choice(WORDS)}"'
    return f"{rng.randrange(100, 999)}.{rng.randrange(1000, 9999)}", f"{rng.randrange(100, 999)}.5"


def stem(path):
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def seconds(rng):
    return f"{rng.randrange(0, 9)}.{rng.randrange(10, 99)}"


def cargo(rng, tests, failing):
    out = ["    Finished `test` profile [unoptimized + debuginfo] target(s) in " + seconds(rng) + "s"]
    out += [f"     Running unittests src/lib.rs (target/debug/deps/lib-{rng.randrange(16**12):012x})", "", f"running {len(tests)} tests"]
    out += [f"test {stem(p)}::{n} ... {'FAILED' if n in failing else 'ok'}" for p, n, _ in tests]
    failures, blocks = [], []
    for path, name, line in tests:
        if name in failing:
            got, want = values(rng)
            where = f"{path}:{line + rng.randrange(3, 40)}:{rng.choice([5, 9])}"
            full = f"{stem(path)}::{name}"
            if rng.random() < 0.3:
                value = f"Err` value: Timeout({rng.randrange(10000, 99999)})"
                said = [f"thread '{full}' panicked at {where}:", f"called `Result::unwrap()` on an `{value}"]
            else:
                value = f"left: {got}"
                said = [f"thread '{full}' panicked at {where}:", "assertion `left == right` failed", f"  {value}", f" right: {want}"]
            blocks += [f"---- {full} stdout ----", "", *said, ""]
            failures.append(Failure(name, value, where, f"{full} ... FAILED"))
    if failures:
        out += ["", "failures:", "", *blocks, "", "failures:", *[f"    {stem(p)}::{n}" for p, n, _ in tests if n in failing]]
    result = "FAILED" if failures else "ok"
    summary = f"test result: {result}. {len(tests) - len(failures)} passed; {len(failures)} failed"
    out += ["", f"{summary}; 0 ignored; 0 measured; {rng.randrange(3, 90)} filtered out; finished in {seconds(rng)}s", ""]
    if failures:
        out.append("error: test failed, to rerun pass `--lib`")
    return Run("cargo test", "\n".join(out), summary, failures)


def nextest(rng, tests, failing):
    out = [f"    Starting {len(tests)} tests across {rng.randrange(2, 7)} binaries"]
    failures = []
    for path, name, line in tests:
        state = "FAIL" if name in failing else "PASS"
        label = f"{path.split('/')[0]} {stem(path)}::{name}"
        out.append(f"        {state} [ {rng.randrange(3):>3}.{rng.randrange(1000):03}s] {label}")
        if name in failing:
            got, want = values(rng)
            where = f"{path}:{line + rng.randrange(3, 40)}:9"
            out += ["", f"──── STDERR:             {label}", f"thread '{stem(path)}::{name}' panicked at {where}:"]
            out += ["assertion `left == right` failed: " + rng.choice(["lengths differ", "after the second poll", "unexpected state"])]
            out += [f"  left: {got}", f" right: {want}", "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace", ""]
            failures.append(Failure(name, f"left: {got}", where, f"] {label}"))
    bad = f", {len(failures)} failed" if failures else ""
    summary = f"{len(tests)} tests run: {len(tests) - len(failures)} passed{bad}"
    out += ["------------", f"     Summary [   {seconds(rng)}s] {summary}, {rng.randrange(9)} skipped"]
    return Run("cargo nextest run", "\n".join(out), summary, failures)


def pytest(rng, tests, failing):
    out = ["=" * 28 + " test session starts " + "=" * 28, "platform linux -- Python 3.12.4, pytest-8.3.2, pluggy-1.5.0", f"collected {len(tests)} items", ""]
    out += [f"{p}::{n} {'FAILED' if n in failing else 'PASSED'} [{100 * (i + 1) // len(tests):>3}%]" for i, (p, n, _) in enumerate(tests)]
    failures, short = [], []
    if failing:
        out += ["", "=" * 35 + " FAILURES " + "=" * 35]
    for path, name, line in tests:
        if name in failing:
            got, want = values(rng)
            at = line + rng.randrange(3, 30)
            if rng.random() < 0.3:
                value = f"TimeoutError: gave up after {rng.randrange(10000, 99999)} polls"
                said = [">       result = run(case)", f"E       {value}"]
                error = "TimeoutError"
            else:
                value = f"assert {got} == {want}"
                said = [">       assert observed == expected", f"E       {value}", f"E        +  where {got} = observe()"]
                error = "AssertionError"
            out += [f"{'_' * 20} {name} {'_' * 20}", "", f"    def {name}():", *said, "", f"{path}:{at}: {error}"]
            short.append(f"FAILED {path}::{name} - {value}")
            failures.append(Failure(name, value, f"{path}:{at}: {error}", short[-1]))
    if short:
        out += ["=" * 25 + " short test summary info " + "=" * 25, *short]
    summary = (f"{len(failures)} failed, " if failures else "") + f"{len(tests) - len(failures)} passed in {seconds(rng)}s"
    out.append(f"{'=' * 12} {summary} {'=' * 12}")
    return Run("python -m pytest -v", "\n".join(out), summary, failures)


def unittest(rng, tests, failing):
    out, blocks, failures = [], [], []
    for path, name, line in tests:
        case = f"{name} ({stem(path)}.Case.{name})"
        out.append(f"{case} ... {'FAIL' if name in failing else 'ok'}")
        if name in failing:
            got, want = values(rng)
            at = f'File "{path}", line {line + rng.randrange(3, 30)}'
            blocks += ["=" * 70, f"FAIL: {case}", "-" * 70, "Traceback (most recent call last):", f"  {at}, in {name}"]
            blocks += ["    self.assertEqual(observed, expected)", f"AssertionError: {got} != {want}", ""]
            failures.append(Failure(name, f"AssertionError: {got}", at, f"FAIL: {case}"))
    tail = f"FAILED (failures={len(failures)})" if failures else "OK"
    ran = f"Ran {len(tests)} tests in {seconds(rng)}s"
    out += ["", *blocks, "-" * 70, ran, "", tail]
    return Run("python -m unittest -v", "\n".join(out), f"{ran} {tail}", failures)


def jest(rng, tests, failing, vite=False):
    out, failures = [], []
    files = {}
    for path, name, line in tests:
        files.setdefault(path, []).append((name, line))
    for path, cases in files.items():
        bad = [c for c in cases if c[0] in failing]
        if vite:
            out += [f" {'✓' if n not in failing else '×'} {path} > {n} {rng.randrange(1, 400)}ms" for n, _ in cases]
        else:
            out.append(f"{'FAIL' if bad else 'PASS'} {path}")
            out += [f"  {'✓' if n not in failing else '✕'} {n} ({rng.randrange(1, 400)} ms)" for n, _ in cases]
        for name, line in bad:
            got, want = values(rng)
            where = f"{path}:{line + rng.randrange(2, 20)}:{rng.randrange(5, 40)}"
            if vite:
                value = f"expected {got} to be {want}"
                out += ["", f" FAIL  {path} > {name}", f"AssertionError: {value} // Object.is equality", "", f" ❯ {where}", ""]
                failures.append(Failure(name, value, where, f"FAIL  {path} > {name}"))
            else:
                out += ["", f"  ● {name}", "", "    expect(received).toBe(expected) // Object.is equality", "", f"    Expected: {want}", f"    Received: {got}", ""]
                out += [f"      at Object.<anonymous> ({where})", ""]
                failures.append(Failure(name, f"Received: {got}", where, f"● {name}"))
    good, bad = len(tests) - len(failures), len(failures)
    if vite:
        summary = "Tests " + (f"{bad} failed | " if bad else "") + f"{good} passed ({len(tests)})"
        out += ["", f" Test Files  {len(files)} ({len(files)})", f"      {summary.replace('Tests ', 'Tests  ')}", f"   Duration  {seconds(rng)}s"]
    else:
        summary = "Tests: " + (f"{bad} failed, " if bad else "") + f"{good} passed, {len(tests)} total"
        out += [f"Test Suites: {len(files)} total", summary.replace("Tests: ", "Tests:       "), f"Time:        {seconds(rng)} s"]
    return Run("npx vitest run" if vite else "npx jest", "\n".join(out), summary, failures)


def vitest(rng, tests, failing):
    return jest(rng, tests, failing, vite=True)


def gotest(rng, tests, failing):
    out, failures = [], []
    for path, name, line in tests:
        out.append(f"=== RUN   {name}")
        if name in failing:
            got, want = values(rng)
            where = f"{stem(path)}.go:{line + rng.randrange(3, 60)}"
            out.append(f"    {where}: got {got}, want {want}")
            failures.append(Failure(name, f"got {got}", where, f"--- FAIL: {name}"))
        out.append(f"--- {'FAIL' if name in failing else 'PASS'}: {name} ({seconds(rng)}s)")
    package = tests[0][0].rsplit("/", 1)[0]
    last = f"FAIL\t{package}\t{seconds(rng)}s" if failing else f"ok  \t{package}\t{seconds(rng)}s"
    out += ["FAIL" if failing else "PASS", last]
    return Run(f"go test -v ./{package}/...", "\n".join(out), last, failures)


def maven(rng, tests, failing):
    out = ["[INFO] -------------------------------------------------------", "[INFO]  T E S T S", "[INFO] -------------------------------------------------------"]
    failures, short, files = [], [], {}
    for path, name, line in tests:
        files.setdefault(stem(path), []).append((name, line))
    for case, cases in files.items():
        bad = [c for c in cases if c[0] in failing]
        out.append(f"[INFO] Running org.example.{case}")
        out.append(f"[{'ERROR' if bad else 'INFO'}] Tests run: {len(cases)}, Failures: {len(bad)}, Errors: 0, Skipped: 0, Time elapsed: {seconds(rng)} s -- in org.example.{case}")
        for name, line in bad:
            got, want = values(rng)
            where = f"{case}.java:{line + rng.randrange(3, 30)}"
            value = f"expected: <{want}> but was: <{got}>"
            out += [f"[ERROR] org.example.{case}.{name} -- Time elapsed: 0.01 s <<< FAILURE!", f"org.opentest4j.AssertionFailedError: {value}"]
            out += [f"\tat org.example.{case}.{name}({where})", "\tat java.base/java.util.ArrayList.forEach(ArrayList.java:1596)", ""]
            short.append(f"[ERROR]   {case}.{name}:{where.split(':')[1]} {value}")
            failures.append(Failure(name, f"but was: <{got}>", where, short[-1]))
    if short:
        out += ["[INFO] Results:", "[INFO]", "[ERROR] Failures:", *short]
    summary = f"Tests run: {len(tests)}, Failures: {len(failures)}, Errors: 0, Skipped: {rng.randrange(20)}"
    out += ["[INFO]", f"[{'ERROR' if failures else 'INFO'}] {summary}", "[INFO]", f"[INFO] BUILD {'FAILURE' if failures else 'SUCCESS'}"]
    return Run("mvn -q -B test", "\n".join(out), summary, failures)


def gtest(rng, tests, failing):
    out = [f"[==========] Running {len(tests)} tests from {len({p for p, _, _ in tests})} test suites."]
    failures = []
    for path, name, line in tests:
        full = f"{stem(path)}.{name}"
        out.append(f"[ RUN      ] {full}")
        if name in failing:
            got, want = values(rng)
            where = f"{path}:{line + rng.randrange(3, 30)}"
            out += [f"{where}: Failure", "Expected equality of these values:", "  observed", f"    Which is: {got}", f"  {want}"]
            failures.append(Failure(name, f"Which is: {got}", f"{where}: Failure", f"[  FAILED  ] {full}"))
        out.append(f"[{'  FAILED  ' if name in failing else '       OK '}] {full} ({rng.randrange(90)} ms)")
    out.append(f"[==========] {len(tests)} tests ran. ({rng.randrange(90, 4000)} ms total)")
    summary = f"[  PASSED  ] {len(tests) - len(failures)} tests."
    out.append(summary)
    if failures:
        out += [f"[  FAILED  ] {len(failures)} tests, listed below:", *[f.line for f in failures], "", f" {len(failures)} FAILED TESTS"]
    return Run("ctest --output-on-failure", "\n".join(out), summary, failures)


def rspec(rng, tests, failing):
    out, failures, blocks, short = [], [], [], []
    for path, name, line in tests:
        mark = f" (FAILED - {len(failures) + 1})" if name in failing else ""
        out.append(f"  {name}{mark}")
        if name in failing:
            got, want = values(rng)
            where = f"./{path}:{line + rng.randrange(2, 15)}"
            blocks += [f"  {len(failures) + 1}) {name}", "     Failure/Error: expect(observed).to eq(expected)", "", f"       expected: {want}", f"            got: {got}", "", "       (compared using ==)", f"     # {where}:in `block (3 levels) in <top (required)>'", ""]
            short.append(f"rspec ./{path}:{line} # {name}")
            failures.append(Failure(name, f"got: {got}", where, short[-1]))
    if failures:
        out += ["", "Failures:", "", *blocks]
    summary = f"{len(tests)} examples, {len(failures)} failures"
    out += [f"Finished in {seconds(rng)} seconds (files took {seconds(rng)} seconds to load)", summary]
    if short:
        out += ["", "Failed examples:", "", *short]
    return Run("bundle exec rspec -fd", "\n".join(out), summary, failures)


def phpunit(rng, tests, failing):
    out = ["PHPUnit 10.5.20 by Sebastian Bergmann and contributors.", ""]
    dots = "".join("F" if n in failing else "." for _, n, _ in tests)
    out += [f"{dots} {len(tests)} / {len(tests)} (100%)", "", f"Time: 00:0{seconds(rng)}, Memory: 24.00 MB", ""]
    failures = []
    for path, name, line in tests:
        if name in failing:
            got, want = values(rng)
            where = f"{path}:{line + rng.randrange(2, 20)}"
            out += [f"{len(failures) + 1}) {stem(path)}::{name}", f"Failed asserting that {got} matches expected {want}.", "", where, ""]
            failures.append(Failure(name, f"Failed asserting that {got}", where, f") {stem(path)}::{name}"))
    checks = rng.randrange(len(tests), 900)
    if failures:
        out += ["FAILURES!", f"Tests: {len(tests)}, Assertions: {checks}, Failures: {len(failures)}."]
        return Run("vendor/bin/phpunit", "\n".join(out), out[-1], failures)
    out.append(f"OK ({len(tests)} tests, {checks} assertions)")
    return Run("vendor/bin/phpunit", "\n".join(out), out[-1], failures)


RUNNERS = {
    "rust": [cargo, nextest], "ts": [vitest, jest], "python": [pytest, unittest], "go": [gotest], "java": [maven],
    "c": [gtest], "ruby": [rspec], "php": [phpunit],
}  # fmt: skip


def paint(rng, text):
    """The colours a terminal would show, on whole lines, so that what is said stays in one piece."""
    lines = text.split("\n")
    return "\n".join(f"\x1b[31m{l}\x1b[0m" if "FAIL" in l else f"\x1b[32m{l}\x1b[0m" if rng.random() < 0.3 else l for l in lines)
