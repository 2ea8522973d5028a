#!/usr/bin/env python3
"""How far Loci and llama.cpp are from the unquantised weights on the same quantised file.

    cargo build --release
    benches/distance.py --llama DIR/libllama.so --exact c05-f16.gguf --model c05-q4km.gguf --model c05-q8.gguf

The logits behind every token of the beginning of a text are compared with those that llama.cpp finds with the unquantised
file, a float32 cache and no flash attention: root of the mean square, mean Kullback-Leibler divergence, how often the likeliest token
is the same, and the perplexity of the text. Needs numpy.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "inference/tests/reference"))
from llama_cpp_library import Llama  # noqa: E402


def loci_logits(program, model, text, count):
    """Token ids [count] and logits [count, vocab]."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits"
        subprocess.run([program, model, text, str(count), out], check=True)
        head = np.fromfile(out, np.uint32, 2)
        tokens = np.fromfile(out, np.uint32, head[0], offset=8)
        logits = np.fromfile(out, np.float32, offset=8 + 4 * int(head[0]))
    return tokens.tolist(), logits.reshape(int(head[0]), int(head[1]))


def log_softmax(logits):
    logits = logits.astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def perplexity(logits, tokens):
    chosen = [log_softmax(logits[i : i + 1])[0, tokens[i + 1]] for i in range(len(tokens) - 1)]
    return float(np.exp(-np.mean(chosen)))


def compare(found, exact, tokens):
    squares, divergences, same = [], [], []
    # Row by row: all at once would take gigabytes as float64.
    for ours, true in zip(found, exact):
        squares.append(np.mean((ours.astype(np.float64) - true) ** 2))
        p, q = log_softmax(true), log_softmax(ours)
        divergences.append(float((np.exp(p) * (p - q)).sum()))
        same.append(ours.argmax() == true.argmax())
    return np.sqrt(np.mean(squares)), np.mean(divergences), np.mean(same), perplexity(found, tokens)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama", required=True, help="path of libllama.so")
    parser.add_argument("--exact", required=True, help="the unquantised file")
    parser.add_argument("--model", action="append", required=True, help="a file quantised from it")
    parser.add_argument("--logits", default=str(ROOT / "target/release/logits"), help="path of the binary `logits`")
    parser.add_argument("--text", default=str(ROOT / "ARCHITECTURE.md"))
    parser.add_argument("--tokens", type=int, default=256)
    arguments = parser.parse_args()
    llama_cpp = Llama(arguments.llama)
    context = -(-arguments.tokens // 256) * 256
    print("| file | program | rms | KL | top-1 | perplexity |\n|---|---|---|---|---|---|")
    tokens, found = loci_logits(arguments.logits, arguments.exact, arguments.text, arguments.tokens)
    exact = llama_cpp.logits(arguments.exact, tokens, context, exact=True)
    row = lambda file, program, values: print("| {} | {} | {:.4f} | {:.6f} | {:.3f} | {:.1f} |".format(pathlib.Path(file).name, program, *values), flush=True)
    row(arguments.exact, "llama.cpp, float32 cache", compare(exact, exact, tokens))
    row(arguments.exact, "llama.cpp", compare(llama_cpp.logits(arguments.exact, tokens, context), exact, tokens))
    row(arguments.exact, "Loci", compare(found, exact, tokens))
    for model in arguments.model:
        row(model, "llama.cpp", compare(llama_cpp.logits(model, tokens, context), exact, tokens))
        row(model, "Loci", compare(loci_logits(arguments.logits, model, arguments.text, arguments.tokens)[1], exact, tokens))


if __name__ == "__main__":
    main()
