#!/usr/bin/env python3
"""Loci and llama.cpp on the same files, threads and machine, in turn.

    cargo build --release
    benches/llama_cpp.py --llama-bench DIR/llama-bench --model c15=c15-q4km.gguf --model q317=q317-q4km.gguf \
        --model c05=c05-q4km.gguf --json result.json

Every figure comes from a process of its own that runs one test. A round runs every test of every model with both programs, the one
that begins alternates. While a process runs, the processor time of everybody else is read from /proc/stat; a run during which others used
more than --foreign of a core is kept in the JSON, marked, and left out of the medians. Rounds are repeated until every cell has
--rounds clean runs, at most --most rounds. A subset for ten minutes: --tests pp512,tg64 --rounds 5, or one model.

Tests: ppN a prompt of N tokens; tgN an answer of N tokens; `tgN@D` behind D tokens; `start` the time from the start of the process to the
logits of a prompt of one token, in seconds, as wall time of the whole process; `x4` Loci alone: four answers together against one.
Peak memory is the kernel's high-water mark of the process that runs pp2048 (file pages that are mapped included).
Needs Linux and Python 3.9; nothing is installed.
"""
import argparse
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

# What the ratios are meant to reach, by model and test: Loci's rate by llama.cpp's, and for times and memory Loci's by llama.cpp's.
AIMS = {
    ("c15", "pp512"): 1.5, ("c15", "pp2048"): 1.5, ("q317", "pp512"): 1.5, ("q317", "pp2048"): 1.3, ("c05", "pp512"): 1.2,
    ("c15", "tg64"): 1.0, ("q317", "tg64"): 1.0, ("c15", "tg32@2048"): 1.2, ("q317", "tg32@2048"): 1.2,
    ("c15", "memory"): 1.05, ("c15", "start"): 1.0, ("q317", "start"): 1.0, ("c15", "x4"): 2.0,
}
LESS_IS_BETTER = ("memory", "start")
TICKS = os.sysconf("SC_CLK_TCK")


def busy_seconds():
    """Processor time that the machine has spent on anything, and on nothing because another guest had the core."""
    user, nice, system, _idle, _wait, irq, soft, steal = map(int, open("/proc/stat").readline().split()[1:9])
    return (user + nice + system + irq + soft + steal) / TICKS


class Run:
    """One process: its output, wall time, peak memory, and the processor time that others used meanwhile, in cores."""

    def __init__(self, command, environment=None):
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            before, started = busy_seconds(), time.monotonic()
            child = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=environment)
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            self.seconds = time.monotonic() - started
            others = busy_seconds() - before - usage.ru_utime - usage.ru_stime
            self.foreign = max(0.0, others / self.seconds)
            self.peak_mib = usage.ru_maxrss / 1024
            out.seek(0), err.seek(0)
            self.text, errors = out.read().decode(), err.read().decode(errors="replace")
        if child.returncode != 0:
            sys.exit(f"error: {' '.join(map(str, command))} ended with {child.returncode}\n{errors[-2000:]}")


def parse(test):
    """(prompt, answer, depth) of a test's name."""
    if test == "start":
        return 1, 0, 0
    match = re.fullmatch(r"(pp|tg)(\d+)(?:@(\d+))?", test)
    if not match:
        sys.exit(f"error: no test is called {test}")
    kind, tokens, depth = match[1], int(match[2]), int(match[3] or 0)
    return (tokens, 0, depth) if kind == "pp" else (0, tokens, depth)


def run_loci(arguments, model, test, batch=1):
    prompt, answer, depth = parse(test)
    command = [arguments.loci, "bench", "-m", model, "-p", prompt, "-n", answer, "-d", depth, "-r", 1, "-t", arguments.threads]
    command += ["--batch", batch, "--cpu", "--json"] + (["--no-warm-up"] if test == "start" else [])
    run = Run(list(map(str, command)))
    rates = json.loads(run.text)["results"][0]["rates"]
    return run, run.seconds if test == "start" else rates[0]


def run_llama(arguments, model, test):
    prompt, answer, depth = parse(test)
    command = [arguments.llama_bench, "-m", model, "-p", prompt, "-n", answer, "-d", depth, "-r", 1, "-t", arguments.threads, "-o", "json"]
    # Its own warm-up is a whole test: too long behind thousands of tokens, and lost in the noise there.
    if test == "start" or prompt + depth > 1024:
        command.append("--no-warmup")
    library = str(pathlib.Path(arguments.llama_bench).resolve().parent)
    run = Run(list(map(str, command)), {**os.environ, "LD_LIBRARY_PATH": library})
    return run, run.seconds if test == "start" else json.loads(run.text)[0]["samples_ts"][0]


def record(runs, arguments, cell, program, run, value):
    clean = run.foreign <= arguments.foreign
    row = dict(program=program, value=value, foreign=round(run.foreign, 3), seconds=round(run.seconds, 3), peak_mib=round(run.peak_mib, 1),
               load=os.getloadavg()[0], clean=clean)
    runs.setdefault(cell, []).append(row)
    mark = "" if clean else "  CONTAMINATED"
    print(f"{cell[0]:8} {cell[1]:10} {program:10} {value:9.2f}  foreign {run.foreign:.2f}  {run.peak_mib:6.0f} MiB{mark}", file=sys.stderr)


def clean_runs(runs, cell, program):
    return [row for row in runs.get(cell, []) if row["program"] == program and row["clean"]]


def measure(arguments, models, tests):
    runs = {}
    for round_number in range(arguments.most):
        missing = 0
        for name, path in models.items():
            for test in tests:
                cell = (name, test)
                programs = ["loci x1", "loci x4"] if test == "x4" else ["loci", "llama.cpp"]
                if all(len(clean_runs(runs, cell, program)) >= arguments.rounds for program in programs):
                    continue
                missing += 1
                for program in programs if round_number % 2 == 0 else reversed(programs):
                    if test == "x4":
                        run, value = run_loci(arguments, path, "tg64", batch=int(program[-1]))
                    elif program == "loci":
                        run, value = run_loci(arguments, path, test)
                    else:
                        run, value = run_llama(arguments, path, test)
                    record(runs, arguments, cell, program, run, value)
        if not missing:
            break
    return runs


def summary(values):
    if not values:
        return None
    return dict(median=statistics.median(values), least=min(values), most=max(values), n=len(values))


def table(runs):
    rows = []
    for (name, test), all_runs in runs.items():
        first, second = ("loci x4", "loci x1") if test == "x4" else ("loci", "llama.cpp")
        sides = [clean_runs(runs, (name, test), program) for program in (first, second)]
        rows.append((name, test, *(summary([row["value"] for row in side]) for side in sides), len(all_runs) - sum(map(len, sides))))
        if test == "pp2048":
            rows.append((name, "memory", *(summary([row["peak_mib"] for row in side]) for side in sides), 0))
    result = []
    for name, test, ours, theirs, dropped in rows:
        ratio = ours["median"] / theirs["median"] if ours and theirs else None
        aim = AIMS.get((name, test))
        met = None if aim is None or ratio is None else (ratio <= aim if test in LESS_IS_BETTER else ratio >= aim)
        result.append(dict(model=name, test=test, loci=ours, llama_cpp=theirs, ratio=ratio, aim=aim, met=met, dropped=dropped))
    return result


def markdown(rows):
    def cell(side):
        if side is None:
            return "no clean run"
        digits = 2 if side["median"] < 10 else 1
        return f"{side['median']:.{digits}f} (n{side['n']}, {side['least']:.{digits}f}-{side['most']:.{digits}f})"

    unit = {"memory": "peak MiB at pp2048", "start": "start to first logits, s", "x4": "4 together / one, tok/s"}
    lines = ["| model | test | Loci | llama.cpp | ratio | aim | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        sign = "≤" if row["test"] in LESS_IS_BETTER else "≥"
        aim = f"{sign} {row['aim']}" if row["aim"] else "–"
        ratio = f"{row['ratio']:.2f}" if row["ratio"] else "–"
        verdict = {None: "", True: "met", False: "not met"}[row["met"]]
        dropped = f" {row['dropped']} dropped" if row["dropped"] else ""
        theirs = cell(row["llama_cpp"]) + (" (Loci, one)" if row["test"] == "x4" else "")
        lines.append(f"| {row['model']} | {unit.get(row['test'], row['test'] + ', tok/s')} | {cell(row['loci'])} | {theirs} | {ratio} | {aim} | {verdict}{dropped} |")
    return "\n".join(lines)


def processor():
    names = re.findall(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama-bench", required=True, help="path of llama-bench; its libraries lie beside it")
    parser.add_argument("--loci", default=str(target / "release/loci"), help="path of the release binary")
    parser.add_argument("--model", action="append", required=True, metavar="NAME=FILE", help="c15, q317 and c05 have aims")
    parser.add_argument("--tests", default="pp512,pp2048,tg64,tg32@2048,start,x4", help="which, separated by commas")
    parser.add_argument("--rounds", type=int, default=5, help="clean runs of each cell")
    parser.add_argument("--most", type=int, default=9, help="rounds at most")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--foreign", type=float, default=0.10, help="cores that others may use during a clean run")
    parser.add_argument("--json", type=pathlib.Path, help="write every run and the table there")
    arguments = parser.parse_args()
    models = dict(model.split("=", 1) for model in arguments.model)
    tests = arguments.tests.split(",")
    for test in tests:
        if test != "x4":
            parse(test)
    for path in (arguments.loci, arguments.llama_bench, *models.values()):
        if not pathlib.Path(path).is_file():
            sys.exit(f"error: {path} is not a file")
    started = time.time()
    runs = measure(arguments, models, tests)
    rows = table(runs)
    machine = dict(processor=processor(), threads=arguments.threads, kernel=platform.release(), began=started, took=time.time() - started)
    if arguments.json:
        every = [dict(model=name, test=test, **row) for (name, test), found in runs.items() for row in found]
        arguments.json.write_text(json.dumps(dict(machine=machine, table=rows, runs=every), indent=1) + "\n")
    print(f"{machine['processor']}, {arguments.threads} threads, medians of clean runs (others at most {arguments.foreign} of a core)\n")
    print(markdown(rows))


if __name__ == "__main__":
    main()
