"""Writes what `train.py` learned as the table that the library carries: `export.py MODEL.npz [TABLE] [GOLDEN]`.

The layout is that of `inference/src/embed/table.rs`: magic, counts, weights of fields, terms, scales, rows of bytes, and the
hash of all that, by BLAKE3. `golden.json` beside it holds a few texts with their terms and vectors for the test there.
"""

import collections
import json
import math
import pathlib
import struct
import subprocess
import sys

import numpy as np

from terms import terms

HERE = pathlib.Path(__file__).resolve().parent
CODE_TERMS = 400
TEXTS = [
    "Returns the Id of the currently running task, or None if called outside of a task.",
    "parseHTTPRequestLine2\nsrc/net/http_server impl Server\nfn parseHTTPRequestLine2(line: &str) -> Result<Request> {\n    let parts = line.split(' ');\n}\n",
    "caching cached caches queries passes running falling ID URLs iOS\nHTMLElement\nα β größe",
    "",
    "zzzzqx",
]


def main():
    model = np.load(sys.argv[1], allow_pickle=False)
    table = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "table.bin"
    golden = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else HERE / "golden.json"
    vocabulary = [str(term) for term in model["terms"]]
    passages, questions, fields = model["passages"], model["question_weights"], model["fields"]
    largest = np.abs(passages).max(axis=1).clip(1e-9)
    rows = np.rint(passages / largest[:, None] * 127).astype(np.int8)
    scales = (largest / 127).astype("<f4")
    question_scales = (scales * questions).astype("<f4")
    body = b"locitab1" + struct.pack("<II3f", len(vocabulary), rows.shape[1], *map(float, fields))
    body += b"".join(bytes([len(term)]) + term.encode() for term in vocabulary)
    body += scales.tobytes() + question_scales.tobytes() + rows.tobytes()
    table.write_bytes(body + blake3(body))
    numbers = {term: number for number, term in enumerate(vocabulary)}

    def add(text, most, weight, scales, vector):
        counts = collections.Counter(numbers[term] for term in terms(text)[:most] if term in numbers)
        for number, count in sorted(counts.items()):
            vector += float(weight) * float(scales[number]) * (1 + math.log(count)) * rows[number].astype(np.float64)

    def unit(vector):
        return [round(float(value), 6) for value in vector / (np.linalg.norm(vector) or 1)][:16]

    made = []
    for text in TEXTS:
        question, passage = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        add(text, None, 1, question_scales, question)
        lines = (text.split("\n", 2) + ["", ""])[:3]
        for line, weight in zip(lines, np.asarray(fields, "<f4")):
            add(line, CODE_TERMS, weight, scales, passage)
        made.append({"text": text, "terms": terms(text), "question": unit(question), "passage": unit(passage)})
    golden.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def blake3(body):
    """The hash, by the `blake3` package, or by `b3sum`."""
    try:
        import blake3 as package
    except ImportError:
        return bytes.fromhex(subprocess.run(["b3sum", "--no-names"], input=body, check=True, capture_output=True).stdout.split()[0].decode())
    return package.blake3(body).digest()


if __name__ == "__main__":
    main()
