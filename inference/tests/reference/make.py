#!/usr/bin/env python3
"""Writes logits.json: what small random models of each family must compute.

Every family is written here from its definition (the papers and the models' public reference code),
in float64 and with numpy only, so that it shares nothing with the program under test. The weights are not
stored: both sides draw them from the same generator, seeded by the tensor's name.

    python3 inference/tests/reference/make.py
"""
import json
import math
import pathlib

import numpy as np

MASK = (1 << 64) - 1


def uniform(name, count):
    """SplitMix64 seeded with FNV-1a of the name: multiples of 2^-23 from -1 to 1, exact in float32."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        bits = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits = bits ^ (bits >> np.uint64(31))
    return (bits >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0


def tensor(name, *shape):
    """The same rules as `weights` in src/model/tests.rs."""
    values = uniform(name, int(np.prod(shape))).reshape(shape)
    if name.endswith("norm.weight"):
        return 1.0 + values / 4
    if name == "rope_freqs.weight":
        return 2.0 + values
    if name.endswith(".bias"):
        return values / 2
    if name == "token_embd.weight":
        return values
    return values / 8


CASES = {
    "llama": dict(family="llama", kv_heads=2, head_dim=64, tied=False, base=10000.0),
    "llama-linear": dict(family="llama", kv_heads=4, head_dim=64, tied=True, base=500000.0, linear=4.0),
    "llama3-factors": dict(family="llama", kv_heads=1, head_dim=32, tied=True, base=500000.0, factors=True),
    "qwen2": dict(family="qwen2", kv_heads=2, head_dim=64, tied=True, base=1000000.0),
    "qwen2-yarn": dict(family="qwen2", kv_heads=2, head_dim=64, tied=False, base=1000000.0, yarn=(4.0, 128.0)),
    "qwen3": dict(family="qwen3", kv_heads=2, head_dim=96, tied=True, base=1000000.0),
}
HIDDEN, LAYERS, HEADS, FEED_FORWARD, VOCAB, EPSILON = 256, 2, 4, 512, 300, 1e-5
TOKENS = [(7 * i * i + 3 * i + 5) % VOCAB for i in range(40)]
POSITIONS = [0, 1, 17, 39]


def rms_norm(x, weight):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + np.float64(np.float32(EPSILON))) * weight


def frequencies(case):
    dim = case["head_dim"]
    plain = case["base"] ** (-np.arange(0, dim, 2) / dim)
    magnitude = 1.0
    if "linear" in case:
        plain = plain / case["linear"]
    if "factors" in case:
        plain = plain / tensor("rope_freqs.weight", dim // 2)
    if "yarn" in case:
        # As Hugging Face's `_compute_yarn_parameters`.
        factor, original = case["yarn"]

        def dimension(turns):
            return dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(case["base"]))

        low, high = max(math.floor(dimension(32)), 0), min(math.ceil(dimension(1)), dim - 1)
        ramp = np.clip((np.arange(dim // 2) - low) / max(high - low, 0.001), 0, 1)
        keep = 1 - ramp
        plain = plain / factor * (1 - keep) + plain * keep
        magnitude = 0.1 * math.log(factor) + 1
    return plain, magnitude


def rotate(x, case):
    """x: [heads, tokens, dim]; halves are paired, as the published models do it."""
    plain, magnitude = frequencies(case)
    angles = np.arange(x.shape[1])[:, None] * plain[None, :]
    angles = np.concatenate([angles, angles], -1)
    half = x.shape[-1] // 2
    turned = np.concatenate([-x[..., half:], x[..., :half]], -1)
    return (x * np.cos(angles) + turned * np.sin(angles)) * magnitude


def published_order(weight, heads):
    """Undo what the conversion to GGUF does to Llama's queries and keys."""
    dim = weight.shape[0] // heads
    return weight.reshape(heads, dim // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def logits(case):
    heads, kv_heads, dim = HEADS, case["kv_heads"], case["head_dim"]
    embedding = tensor("token_embd.weight", VOCAB, HIDDEN)
    x = embedding[TOKENS]
    count = len(TOKENS)
    for layer in range(LAYERS):
        name = lambda part: f"blk.{layer}.{part}"
        h = rms_norm(x, tensor(name("attn_norm.weight"), HIDDEN))
        wq = tensor(name("attn_q.weight"), heads * dim, HIDDEN)
        wk = tensor(name("attn_k.weight"), kv_heads * dim, HIDDEN)
        wv = tensor(name("attn_v.weight"), kv_heads * dim, HIDDEN)
        if case["family"] == "llama":
            wq, wk = published_order(wq, heads), published_order(wk, kv_heads)
        q, k, v = h @ wq.T, h @ wk.T, h @ wv.T
        if case["family"] == "qwen2":
            q = q + tensor(name("attn_q.bias"), heads * dim)
            k = k + tensor(name("attn_k.bias"), kv_heads * dim)
            v = v + tensor(name("attn_v.bias"), kv_heads * dim)
        q = q.reshape(count, heads, dim).swapaxes(0, 1)
        k = k.reshape(count, kv_heads, dim).swapaxes(0, 1)
        v = v.reshape(count, kv_heads, dim).swapaxes(0, 1)
        if case["family"] == "qwen3":
            q = rms_norm(q, tensor(name("attn_q_norm.weight"), dim))
            k = rms_norm(k, tensor(name("attn_k_norm.weight"), dim))
        q, k = rotate(q, case), rotate(k, case)
        k, v = (np.repeat(side, heads // kv_heads, axis=0) for side in (k, v))
        scores = q @ k.swapaxes(1, 2) / math.sqrt(dim)
        scores[:, np.triu_indices(count, 1)[0], np.triu_indices(count, 1)[1]] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        attended = (weights @ v).swapaxes(0, 1).reshape(count, heads * dim)
        x = x + attended @ tensor(name("attn_output.weight"), HIDDEN, heads * dim).T
        h = rms_norm(x, tensor(name("ffn_norm.weight"), HIDDEN))
        gate = h @ tensor(name("ffn_gate.weight"), FEED_FORWARD, HIDDEN).T
        up = h @ tensor(name("ffn_up.weight"), FEED_FORWARD, HIDDEN).T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ tensor(name("ffn_down.weight"), HIDDEN, FEED_FORWARD).T
    x = rms_norm(x, tensor("output_norm.weight", HIDDEN))
    output = embedding if case["tied"] else tensor("output.weight", VOCAB, HIDDEN)
    return x @ output.T


def main():
    cases = {}
    for name, case in CASES.items():
        found = logits(case)
        rows = {str(position): [round(float(value), 5) for value in found[position]] for position in POSITIONS}
        cases[name] = dict(case, logits=rows)
        print(name, "standard deviation", round(float(found.std()), 3))
    shape = dict(hidden=HIDDEN, layers=LAYERS, heads=HEADS, feed_forward=FEED_FORWARD, vocab=VOCAB, epsilon=EPSILON)
    path = pathlib.Path(__file__).with_name("logits.json")
    path.write_text(json.dumps(dict(shape=shape, tokens=TOKENS, cases=cases), separators=(",", ":")) + "\n")


main()
