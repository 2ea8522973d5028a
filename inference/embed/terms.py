"""Text into the terms of the static table; `inference/src/embed/terms.rs` does the same, and a test compares them."""

import re

# Lower → upper, the last capital of a run, letters and digits apart. One letter says nothing, nor does a number.
PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def terms(text):
    found = []
    for piece in PIECES.findall(text):
        if 2 <= len(piece) <= 24:
            found.append(stem(piece.lower()))
    return found


def stem(word):
    """Plural, -ing, -ed and a final e: `caching`, `cached`, `caches` and `cache` meet."""
    if len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        rest = word[: -len(ending)]
        if len(word) >= len(ending) + 3 and word.endswith(ending) and re.search("[aeiouy]", rest):
            word = rest
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsdeo":
                word = word[:-1]
            break
    if len(word) >= 5 and word.endswith("e"):
        word = word[:-1]
    return word
