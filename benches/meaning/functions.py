"""Functions of a source text with their doc comments, by rules of their own: nothing here is shared with the index, so
that a set made with it does not flatter the index's parser.

    for function in functions("src/a.rs", text): function.name, function.line, function.end, function.sentence

Lines count from 1. `doc` is the range of lines that hold the doc comment and nothing else.
"""

import ast
import re
from dataclasses import dataclass

LANGUAGES = {
    "rs": "rust", "py": "python", "go": "go", "js": "javascript", "mjs": "javascript", "jsx": "javascript",
    "ts": "typescript", "tsx": "typescript", "java": "java", "c": "c", "h": "cpp", "cc": "cpp", "cpp": "cpp",
    "hpp": "cpp", "cs": "csharp", "kt": "kotlin", "swift": "swift", "scala": "scala", "php": "php", "zig": "zig",
    "rb": "ruby", "ex": "elixir", "lua": "lua",
}
STOP_WORDS = set(
    "a an and any are as at be been but by can could did do does for from had has have how i if in into is it its me my "
    "no not of on or our should show so some that the their then there these they this to us was we were what when where "
    "which who why will with would you your".split()
)
SIGNATURES = {
    "rust": r"\s*(?:pub(?:\([^)]*\))?\s+)?(?:(?:default|const|async|unsafe|extern(?:\s+\"[^\"]*\")?)\s+)*fn\s+(?P<n>\w+)",
    "go": r"func\s+(?:\((?P<r>[^)]*)\)\s*)?(?P<n>\w+)",
    "java": r"\s*(?:(?:public|private|protected|static|final|abstract|synchronized|default|native)\s+)*(?:<[^>]+>\s*)?(?:[\w<>\[\],.?]+\s+)+?(?P<n>\w+)\s*\(",
    "csharp": r"\s*(?:(?:public|private|protected|internal|static|virtual|override|async|sealed|extern|partial|unsafe|new|abstract)\s+)*(?:[\w<>\[\],.?]+\s+)+?(?P<n>\w+)\s*(?:<[^>(]*>)?\(",
    "kotlin": r"\s*(?:[\w@]+\s+)*fun\s+(?:<[^>]*>\s*)?(?:[\w<>?.,* ]+\.)?(?P<n>\w+)\s*\(",
    "swift": r"\s*(?:[\w@()]+\s+)*(?:func\s+(?P<n>\w+)|(?P<i>init)[?!]?\s*[(<])",
    "scala": r"\s*(?:[\w@\[\]]+\s+)*def\s+(?P<n>\w+)",
    "php": r"\s*(?:(?:public|private|protected|static|final|abstract)\s+)*function\s+&?(?P<n>\w+)",
    "zig": r"\s*(?:pub\s+)?(?:inline\s+|export\s+)?fn\s+(?P<n>\w+)",
    "c": r"(?!\s*(?:return|else|typedef|if|for|while|switch|#)\b)[A-Za-z_][\w\s*]*?[\s*](?P<n>\w+)\s*\(",
    "cpp": r"(?!\s*(?:return|else|typedef|if|for|while|switch|using|namespace|#)\b)\s*[A-Za-z_~][\w\s*&:<>,~]*?(?P<n>[\w~]+)\s*\(",
    "javascript": r"\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?function\s*\*?\s*(?P<n>\w+)|\s*(?:export\s+)?(?:const|let|var)\s+(?P<a>\w+)\s*(?::[^=]+)?=\s*(?:async\s*)?(?:function\b|\(|\w+\s*=>|<)|\s*(?:module\.)?[\w.]+\.(?P<m>\w+)\s*=\s*(?:async\s+)?function|\s*(?P<p>\w+)\s*:\s*(?:async\s+)?function|\s+(?!(?:if|for|while|switch|return|catch|function|throw|await|new|super|else|do|typeof)\b)(?:(?:public|private|protected|static|async|override|get|set)\s+)*\*?(?P<d>#?\w+)\s*(?:<[^>(]*>)?\((?!.*;\s*$)",
    "ruby": r"\s*def\s+(?:self\.)?(?P<n>\w+[?!=]?)",
    "elixir": r"\s*defp?\s+(?P<n>\w+[?!]?)",
    "lua": r"\s*(?:local\s+)?function\s+(?:[\w.]+[.:])?(?P<n>\w+)",
}
SIGNATURES["typescript"] = SIGNATURES["javascript"]
SIGNATURES = {language: re.compile(pattern) for language, pattern in SIGNATURES.items()}
# Lines that may stand between a doc comment and its function.
BETWEEN = {
    "rust": r"\s*#!?\[.*", "java": r"\s*@\w+.*", "kotlin": r"\s*@\w+.*", "scala": r"\s*@\w+.*", "swift": r"\s*(@\w+.*|#if.*)",
    "csharp": r"\s*\[.*\]\s*", "typescript": r"\s*@\w+.*", "cpp": r"\s*(template\s*<.*|#.*)", "php": r"\s*#\[.*\]\s*",
    "elixir": r"\s*@(spec|impl|since|doc since).*",
}
BETWEEN = {language: re.compile(pattern + "$") for language, pattern in BETWEEN.items()}
LINE_COMMENT = {"rust": "///", "go": "//", "csharp": "///", "swift": "///", "zig": "///", "c": "//", "cpp": "//",
                "ruby": "#", "lua": "--"}
INDENTED = {"ruby": "end", "elixir": "end", "lua": "end"}
NOISE = re.compile(
    r"//[^\n]*|/\*.*?\*/|r#+\".*?\"#+|\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\[^'\n]+|[^\\'\n])'|`(?:\\.|[^`\\])*`", re.S)
NOISE_SINGLE = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`", re.S)


@dataclass
class Function:
    name: str
    language: str
    start: int          # first line, doc comment and attributes left out
    line: int           # the line of the name
    end: int
    doc: tuple | None   # lines of the doc comment, inclusive
    sentence: str       # its first sentence, "" without one


def language_of(path):
    return LANGUAGES.get(path.rsplit(".", 1)[-1]) if "." in path.rsplit("/", 1)[-1] else None


def functions(path, text):
    language = language_of(path)
    if language is None or len(text) > 1_000_000 or max(map(len, text.split("\n")), default=0) > 2000:
        return []
    return python(text) if language == "python" else ruled(language, text)


def python(text):
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        start = min([node.lineno] + [decorator.lineno for decorator in node.decorator_list])
        doc, sentence = None, ""
        string = ast.get_docstring(node)
        if string:
            literal = node.body[0]
            if len(node.body) > 1 and node.body[1].lineno > literal.end_lineno and literal.lineno > node.lineno:
                doc, sentence = (literal.lineno, literal.end_lineno), first_sentence(string, "python")
        found.append(Function(node.name, "python", start, node.lineno, node.end_lineno, doc, sentence))
    return sorted(found, key=lambda function: function.line)


def ruled(language, text):
    lines = text.split("\n")
    signature, indented = SIGNATURES[language], INDENTED.get(language)
    masked = text
    if not indented:
        noise = NOISE_SINGLE if language in ("javascript", "typescript", "php") else NOISE
        masked = noise.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    shown = masked.split("\n")
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line) + 1
    found, last_end = [], -1
    for number, line in enumerate(shown):
        match = signature.match(line)
        if not match:
            continue
        name = next((group for key, group in match.groupdict().items() if group and key != "r"), None)
        if not name or name in ("if", "for", "while", "switch", "catch", "return", "constructor", "describe", "it", "test"):
            continue
        end = indented_end(lines, number, indented) if indented else braced_end(masked, starts[number], match.end() - match.start())
        if end is None:
            continue
        if not indented:
            end = masked.count("\n", 0, end)
        if end <= number or end - number > 400:
            continue
        if not indented and not re.match(r"[\s)\]};,]*\}|.*\}[\s)\];,]*$", shown[end]):
            continue
        first, doc, sentence = above(lines, number, language)
        found.append(Function(name, language, first + 1, number + 1, end + 1, doc, sentence))
        last_end = end
    return found


def indented_end(lines, number, word):
    width = len(lines[number]) - len(lines[number].lstrip())
    for at in range(number + 1, min(len(lines), number + 402)):
        line = lines[at]
        if line.strip() and len(line) - len(line.lstrip()) <= width:
            return at if re.match(rf"\s*{word}\b", line) else None
    return None


def braced_end(masked, start, least):
    depth, at, opened = 0, start, False
    limit = min(len(masked), start + 40_000)
    while at < limit:
        character = masked[at]
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        elif character == "{" and depth <= 0 and at >= start + least - 1:
            opened = True
            break
        elif character == ";" and depth <= 0:
            return None
        elif character == "}" and depth <= 0:
            return None
        at += 1
        if at - start > 3000:
            return None
    if not opened:
        return None
    depth = 0
    for match in re.compile(r"[{}]").finditer(masked, at, limit):
        depth += 1 if match.group() == "{" else -1
        if depth == 0:
            # `(a: { b }) => {`: an object type before the body.
            rest = masked[match.end():match.end() + 40]
            if re.match(r"\s*(\)|=>|\|)", rest) and "\n" not in masked[at:match.end()]:
                again = braced_end(masked, match.end(), 1)
                return again if again is not None else match.start()
            return match.start()
    return None


def above(lines, number, language):
    """First line of the definition with its attributes, and the doc comment above."""
    first = number
    between = BETWEEN.get(language)
    while between and first > 0 and between.match(lines[first - 1]):
        first -= 1
    # C puts the return type on a line of its own.
    if language in ("c", "cpp") and first > 0 and re.match(r"[A-Za-z_][\w\s*]*$", lines[first - 1]):
        first -= 1
    at = first - 1
    if at < 0:
        return first, None, ""
    stripped = lines[at].strip()
    if language == "elixir":
        if stripped != '"""':
            return first, None, ""
        begin = at - 1
        while begin >= 0 and '"""' not in lines[begin]:
            begin -= 1
        if begin < 0 or not lines[begin].strip().startswith("@doc"):
            return first, None, ""
        return first, (begin + 1, at + 1), first_sentence("\n".join(lines[begin + 1:at]), language)
    mark = LINE_COMMENT.get(language)
    if mark and stripped.startswith(mark):
        begin = at
        while begin > 0 and lines[begin - 1].strip().startswith(mark):
            begin -= 1
        comment = "\n".join(re.sub(rf"^\s*{re.escape(mark)}[/!<-]*", "", line) for line in lines[begin:at + 1])
        return first, (begin + 1, at + 1), first_sentence(comment, language)
    if stripped.endswith("*/") and language not in INDENTED:
        begin = at
        while begin > 0 and "/*" not in lines[begin]:
            begin -= 1
        opening = lines[begin].strip()
        if not opening.startswith("/*") or (language not in ("c", "cpp") and not opening.startswith("/**")):
            return first, None, ""
        comment = "\n".join(
            re.sub(r"\*+/\s*$", "", re.sub(r"^\s*(/\*+!?|\*+(?!/))", "", line)) for line in lines[begin:at + 1])
        return first, (begin + 1, at + 1), first_sentence(comment, language)
    return first, None, ""


def first_sentence(comment, language):
    kept = []
    for line in comment.split("\n"):
        line = line.strip()
        if language == "csharp":
            line = re.sub(r"<see(?:also)? cref=\"(?:\w:)?([^\"]*)\"\s*/>", r"\1", line)
            line = re.sub(r"<(?:param|type)paramref name=\"([^\"]*)\"\s*/>|<paramref name=\"([^\"]*)\"\s*/>", r"\1\2", line)
            if re.match(r"</summary>|<(param|returns|remarks)", line) and kept:
                break
        line = re.sub(r"^@(brief|desc|description|fn\s+\S+)\s+", "", line)
        if kept and (not line or re.match(r"[@\\:]\w|[-*+=#~`|]|\d+\.|(Args?|Returns?|Params?|Parameters|Raises|Examples?|Note)\s*:", line)):
            break
        if not line or re.match(r"[=\-*#~_]{3,}$", line):
            continue
        if not kept and re.match(r"[@\\:]\w|```", line):
            return ""
        kept.append(line)
        if len(" ".join(kept)) > 600:
            break
    sentence = " ".join(kept)
    sentence = re.sub(r"\{@\w+\s+([^}]*)\}", r"\1", sentence)
    sentence = re.sub(r"</?\w[^>]{0,60}>", " ", sentence) if language in ("java", "csharp", "javascript", "typescript", "php", "kotlin", "scala") else sentence
    sentence = re.sub(r":\w+:`~?([^`]*)`", r"\1", sentence)
    sentence = re.sub(r"\[`?([^\]`]+)`?\](\([^)]*\)|\[[^\]]*\])?", r"\1", sentence)
    sentence = re.sub(r"[`*]+|\+(?=\w)|(?<=\w)\+", "", sentence)
    match = re.match(r"(.*?[.!?])(\s+[A-Z(]|\s*$)", sentence)
    sentence = match.group(1) if match else sentence
    return re.sub(r"\s+", " ", sentence).strip()


def parts(name):
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]


def stem(word):
    for ending in ("ies", "ing", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: len(word) - len(ending)]
    return word


def query_of(function):
    """The sentence as a question, or None when it says too little, or repeats the name."""
    sentence = function.sentence
    # Go begins with the name itself.
    words = sentence.split()
    if words and words[0].strip("().:") == function.name:
        sentence = " ".join(words[1:])
    if not 12 <= len(sentence) <= 300 or not sentence.isascii() or not sentence[0].isalnum() or sentence.endswith(":"):
        return None
    if re.match(r"(?i)(see|deprecated|todo|fixme|xxx|copyright|inherit|override|http|generated|nolint|same as|alias|like|this is the same|spdx|eslint)\b", sentence):
        return None
    content = [word for word in re.findall(r"[A-Za-z]+", sentence) if word.lower() not in STOP_WORDS and len(word) > 1]
    if len(content) < 4 or len(set(map(str.lower, content))) < 4:
        return None
    # The name inside the sentence would make it a search for a symbol.
    if len(parts(function.name)) > 1 and re.search(rf"\b{re.escape(function.name)}\b", sentence):
        return None
    named = {stem(part) for part in parts(function.name)}
    new = {stem(word.lower()) for word in content} - named
    if len(new) < 3 or len(new) * 2 < len({stem(word.lower()) for word in content}):
        return None
    if len(re.findall(r"[{}();=<>|]", sentence)) > 3:
        return None
    return sentence
