"""Generate commands, run them in bash, and note which programs bash tried to run.

    python3 bash_ran.py SEED COUNT > bash_ran.jsonl

Nothing harmful can run: the search path is empty, so every program is "not found", and the handler for that writes its
name down. The commands run in temporary folders and are limited in time. `bash_ran.jsonl` was made with bash 5.2.15;
only commands that tried to run something are kept.
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

PLAIN = ["c1", "c2", "c3", "c4", "c5", "true", "false", "echo", "x", "y"]
PIECES = PLAIN * 3 + [
    "c\\1", '"c2"', "c''3", "$'c4'", "c{1,2}", "{c3,a}", "{,c4}", "c[1]", "$X", '"$X"', "${X}", "${Y:-c1}",
    "${Y:-$(c2)}", '"${Y:-$(c3)}"', "$(c1)", "`c2`", '"$(c3)"', '"`c4`"', "$((1+1))", "$(( $(c5) ))", "<(c1)", ">(c2)",
    "a=$(c3)", "b=1", "a[1]=2", "a=(c1 $(c2))", "d+=x", ";", "&&", "||", "|", "&", "\n", "|&", ";;", "(", ")", "{", "}",
    "!", "time", "if", "then", "else", "elif", "fi", "while", "until", "do", "done", "for", "in", "case", "esac",
    "function", "f()", "f", "[[", "]]", "[", "]", "==", "=~", "-n", "-z", "<", ">", ">>", "<<E", '<<"E"', "<<-E",
    "\nE\n", "\n\tE\n", "<<<", "2>&1", ">o1", "<o1", "&>o1", ">&2", "#", "# c1", "\\\n", "\\", '"', "'", "`", "$(",
    "((", "))", "$((", "${", "${Y:-", "~", "*", "?", "é", "=", "c1=2", "-c", "eval", "command", "builtin", "exec",
    "coproc", "select", "trap", "EXIT", '"c1; c2"', "'c3 && c4'", "{a,b}", "{1..2}", '$"c5"', '"\\`c1\\`"', "\\;", "\\&",
    "c1;c2", "c3|c4", "c5&", "(c1)", "{ c2; }", "`echo c3`", "$(echo c4)", "a;b", '"a\nc2"', "'\nc1\n'", "#c3", "x#c4",
    "$#", "${#X}", "$(# c1\nc2)", "$(c1;)", "$((c1))", "(( c2 ))", "((c3);(c4))", "<<E c1", "E",
]
SETUP = 'command_not_found_handle() { builtin echo "RAN $1" >&9; return 0; }\nPATH=/nonexistent\nX=c5\n'
SHELL = 'exec 9>"$1"; shift; . ./setup; ulimit -u 4000 -t 1; builtin eval "$1"'


def command() -> str:
    pieces = (random.choice(PIECES) + (" " if random.random() < 0.75 else "") for _ in range(random.randint(1, 9)))
    return "".join(pieces)


def ran(line: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as log:
        Path(folder, "setup").write_text(SETUP)
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        try:
            subprocess.run(["bash", "-c", SHELL, "x", log.name, line], cwd=folder, timeout=3, **quiet)
        except subprocess.TimeoutExpired:
            pass
        text = Path(log.name).read_text(errors="replace")
        return sorted({entry[4:] for entry in text.splitlines() if entry.startswith("RAN ")})


def main() -> None:
    random.seed(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        line = command()
        names = ran(line)
        if names and all(name.isascii() and name.isalnum() for name in names):
            print(json.dumps({"cmd": line, "ran": names}, ensure_ascii=False))


main()
