"""Writes the trained weights as a GGUF file: matrices in Q8_0, norms in F32, tokenizer and chat template inside.

    python export.py WEIGHTS.safetensors TOKENIZER.json OUT.gguf
"""

import hashlib
import json
import os
import struct
import sys

import numpy as np
from safetensors.numpy import load_file

import model as M
from tokens import END, PAD, SPECIAL

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
Q8_0 = 8
ALIGNMENT = 32
NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, content):
    if kind == STRING:
        return string(content)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], content)


def entry(key, kind, content, of=None):
    head = string(key) + struct.pack("<I", kind)
    if kind == ARRAY:
        return head + struct.pack("<IQ", of, len(content)) + b"".join(value(of, item) for item in content)
    return head + value(kind, content)


def tensor_name(name):
    name = name.removeprefix("model.").removesuffix(".weight")
    if name == "embed_tokens":
        return "token_embd.weight"
    if name == "norm":
        return "output_norm.weight"
    _, layer, rest = name.split(".", 2)
    return "blk.%s.%s.weight" % (layer, NAMES[rest])


def quantize(w):
    """Blocks of 32 with one half-precision scale."""
    blocks = w.astype(np.float32).reshape(-1, 32)
    scale = (np.abs(blocks).max(1, keepdims=True) / 127).astype(np.float16)
    safe = np.where(scale == 0, 1, scale).astype(np.float32)
    rounded = np.clip(np.rint(blocks / safe), -127, 127).astype(np.int8)
    return np.concatenate([scale.view(np.uint8), rounded.view(np.uint8)], 1).tobytes()


def main(weights, tokenizer, target):
    with open(tokenizer, encoding="utf-8") as file:
        description = json.load(file)
    vocabulary = sorted(description["model"]["vocab"].items(), key=lambda item: item[1])
    merges = [m if isinstance(m, str) else " ".join(m) for m in description["model"]["merges"]]
    names = [name for name, _ in vocabulary]
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "template.jinja"), encoding="utf-8") as file:
        template = file.read()
    c = M.CONFIG
    head = [
        entry("general.architecture", STRING, "qwen3"),
        entry("general.name", STRING, "loci-builtin"),
        entry("general.description", STRING, "Chooses Loci's tools and their arguments; trained from nothing on generated requests."),
        entry("general.license", STRING, "MIT OR Apache-2.0"),
        entry("general.file_type", U32, 7),
        entry("general.quantization_version", U32, 2),
        entry("general.alignment", U32, ALIGNMENT),
        entry("loci.grounded", BOOL, True),
        entry("loci.dialect", STRING, "builtin"),
        entry("qwen3.block_count", U32, c["layers"]),
        entry("qwen3.context_length", U32, M.CONTEXT),
        entry("qwen3.embedding_length", U32, c["hidden"]),
        entry("qwen3.feed_forward_length", U32, c["feed_forward"]),
        entry("qwen3.attention.head_count", U32, c["heads"]),
        entry("qwen3.attention.head_count_kv", U32, c["kv_heads"]),
        entry("qwen3.attention.key_length", U32, c["head"]),
        entry("qwen3.attention.value_length", U32, c["head"]),
        entry("qwen3.attention.layer_norm_rms_epsilon", F32, M.EPSILON),
        entry("qwen3.rope.freq_base", F32, M.THETA),
        entry("qwen3.rope.dimension_count", U32, c["head"]),
        entry("qwen3.vocab_size", U32, len(names)),
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "loci"),
        entry("tokenizer.ggml.tokens", ARRAY, names, STRING),
        entry("tokenizer.ggml.token_type", ARRAY, [3 if name in SPECIAL else 1 for name in names], I32),
        entry("tokenizer.ggml.merges", ARRAY, merges, STRING),
        entry("tokenizer.ggml.eos_token_id", U32, names.index(END)),
        entry("tokenizer.ggml.padding_token_id", U32, names.index(PAD)),
        entry("tokenizer.ggml.add_bos_token", BOOL, False),
        entry("tokenizer.ggml.add_eos_token", BOOL, False),
        entry("tokenizer.chat_template", STRING, template),
    ]
    infos, data = b"", b""
    tensors = sorted(load_file(weights).items())
    for name, w in tensors:
        kind, raw = (Q8_0, quantize(w)) if w.ndim == 2 else (0, w.astype(np.float32).tobytes())
        infos += string(tensor_name(name)) + struct.pack("<I", w.ndim) + struct.pack("<%dQ" % w.ndim, *reversed(w.shape)) + struct.pack("<IQ", kind, len(data))
        data += raw + b"\0" * (-len(raw) % ALIGNMENT)
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(head)) + b"".join(head) + infos
    out += b"\0" * (-len(out) % ALIGNMENT) + data
    with open(target, "wb") as file:
        file.write(out)
    print(target, len(out), "bytes, sha256", hashlib.sha256(out).hexdigest())


if __name__ == "__main__":
    main(*sys.argv[1:4])
