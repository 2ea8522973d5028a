#!/usr/bin/env python3
"""Small random models of every family, and what llama.cpp computes with them.

families.json holds for each case the metadata, the tensors (name, shape, type) and a sample of the logits that
llama.cpp finds. The weights are not stored: the tests and this script draw them from the same generator, seeded by
the tensor's name, so that the tests need neither Python nor llama.cpp. A quantised tensor is made of random blocks: every
byte is random but for the exponents of the scales.

    python3 families.py --llama DIR/libllama.so              make families.json again (all cases, or those named)
    python3 families.py --write DIR [CASE ...]               write the models as GGUF files
    python3 families.py --list

Needs numpy, and for --llama the `gguf` package (llama.cpp's gguf-py). For each case two runs are made: `logits` come from the
weights in float32, with a float32 cache and without flash attention; `distance` is how far llama.cpp is from those with the file
as it is and its own defaults, as root of the mean square over all positions and tokens.
"""
import argparse
import json
import pathlib
import struct
import sys
import tempfile

import numpy as np

MASK = (1 << 64) - 1
VOCAB, TOKEN_COUNT, POSITIONS, CONTEXT = 320, 96, (0, 17, 40, 95), 512
TOKENS = [(7 * i * i + 3 * i + 5) % VOCAB for i in range(TOKEN_COUNT)]
SAMPLE = range(3, VOCAB, 13)
OUT = pathlib.Path(__file__).with_name("families.json")

# Type: (number in the file, elements of a block, bytes of a block, {offset of a byte: its value}). The values are the high bytes of
# half-precision scales, so that weights have a standard deviation of about 0.07.
TYPES = {
    "f32": (0, 1, 4, {}),
    "f16": (1, 1, 2, {}),
    "q4_0": (2, 32, 18, {1: 0x24}),
    "q4_1": (3, 32, 20, {1: 0x24, 3: 0xAF}),
    "q5_0": (6, 32, 22, {1: 0x20}),
    "q5_1": (7, 32, 24, {1: 0x20, 3: 0xAF}),
    "q8_0": (8, 32, 34, {1: 0x14}),
    "q2_k": (10, 256, 84, {81: 0x1D, 83: 0x20}),
    "q3_k": (11, 256, 110, {109: 0x16}),
    "q4_k": (12, 256, 144, {1: 0x0C, 3: 0x17}),
    "q5_k": (13, 256, 176, {1: 0x08, 3: 0x17}),
    "q6_k": (14, 256, 210, {209: 0x04}),
    "iq4_nl": (20, 32, 18, {1: 0x14}),
    "iq4_xs": (23, 256, 136, {1: 0x04}),
    "bf16": (30, 1, 2, {}),
    "mxfp4": (39, 32, 17, {}),
}


def random_bits(name, count):
    """SplitMix64 seeded with FNV-1a of the name."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        bits = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))


def floats(name, count):
    """The same rules as `weights` in src/gguf/testing.rs. Multiples of 2^-23 from -1 to 1 are exact in float32."""
    values = (random_bits(name, count) >> np.uint64(40)).astype(np.float64) / 2**23 - 1.0
    if name.endswith("norm.weight"):
        values = 1.0 + values / 4
    elif name.startswith("rope_"):
        values = 2.0 + values
    elif name.endswith("ssm_a"):
        values = -1.0 + values / 2
    elif name.endswith(".bias"):
        values = values / 2
    elif name.endswith(("attn_sinks.weight", "ssm_conv1d.weight")) or name == "token_embd.weight":
        pass
    else:
        values = values / 8
    return values.astype(np.float32)


def blocks(name, count, kind):
    """Random blocks: one byte of the generator for each byte of the file."""
    _, elements, size, fixed = TYPES[kind]
    data = (random_bits(name, count // elements * size) >> np.uint64(56)).astype(np.uint8).reshape(-1, size)
    for offset, value in fixed.items():
        data[:, offset] = value
    if kind == "mxfp4":
        data[:, 0] = 121 + (data[:, 0] & 1)
    return data


def tensor_bytes(name, shape, kind):
    count = int(np.prod(shape))
    if kind == "f32":
        return floats(name, count)
    if kind == "f16":
        return floats(name, count).astype(np.float16)
    if kind == "bf16":
        # To the nearest, ties to even; none of these values is infinite or not a number.
        bits = floats(name, count).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    return blocks(name, count, kind)


def tensor_floats(name, shape, kind):
    data = tensor_bytes(name, shape, kind)
    if kind in ("f32", "f16"):
        return data.astype(np.float32)
    if kind == "bf16":
        return (data.astype(np.uint32) << 16).view(np.float32)
    from gguf import GGMLQuantizationType, quants

    return quants.dequantize(data, GGMLQuantizationType(TYPES[kind][0])).astype(np.float32)


class Case:
    """One model. Sizes that all cases share are here, the rest in `CASES`."""

    def __init__(self, arch, layers=2, heads=4, kv_heads=2, head_dim=64, hidden=256, feed_forward=512, mix=False, matrix=None):
        self.arch, self.layers, self.heads, self.kv_heads, self.head_dim = arch, layers, heads, kv_heads, head_dim
        self.hidden, self.feed_forward = hidden, feed_forward
        self.mix, self.matrix = mix, matrix or "f32"
        self.metadata, self.tensors = {}, []
        self.set("context_length", CONTEXT * 4)
        self.set("embedding_length", hidden)
        self.set("block_count", layers)
        self.set("feed_forward_length", feed_forward)
        self.set("attention.head_count", heads)
        self.set("attention.head_count_kv", kv_heads)
        self.set("attention.key_length", head_dim)
        self.set("attention.value_length", head_dim)
        self.set("attention.layer_norm_rms_epsilon", 1e-5)
        self.set("rope.dimension_count", head_dim)
        self.set("rope.freq_base", 1e6)
        self.add("token_embd.weight", VOCAB, hidden)
        self.add("output_norm.weight", hidden)

    def set(self, key, value):
        self.metadata[key] = value

    def kind(self, name, shape):
        """As llama-quantize mixes types in Q4_K_M: more bits where errors cost most."""
        if len(shape) == 1 or "ffn_gate_inp" in name or "ssm_conv1d" in name:
            return "f32"
        if not self.mix:
            return self.matrix
        if shape[-1] % 256:
            return "q8_0" if shape[-1] % 32 == 0 else "f16"
        if name.startswith(("output", "token_embd")) or "attn_v" in name or "ffn_down" in name:
            return "q6_k"
        return "q5_k" if "attn_k" in name else "q4_k"

    def add(self, name, *shape, kind=None):
        self.tensors.append([name, list(shape), kind or self.kind(name, shape)])

    def untied(self):
        self.add("output.weight", VOCAB, self.hidden)
        return self

    def each(self, build):
        for layer in range(self.layers):
            build(layer, lambda part, *shape, kind=None: self.add(f"blk.{layer}.{part}", *shape, kind=kind))
        return self


def attention(case, add, bias=False, fused=False, normed=False, output_bias=False):
    queries, keys, hidden = case.heads * case.head_dim, case.kv_heads * case.head_dim, case.hidden
    add("attn_norm.weight", hidden)
    if fused:
        add("attn_qkv.weight", queries + 2 * keys, hidden)
    else:
        for part, size in (("q", queries), ("k", keys), ("v", keys)):
            add(f"attn_{part}.weight", size, hidden)
            if bias:
                add(f"attn_{part}.bias", size)
    if normed:
        add("attn_q_norm.weight", case.head_dim)
        add("attn_k_norm.weight", case.head_dim)
    add("attn_output.weight", hidden, queries)
    if output_bias:
        add("attn_output.bias", hidden)


def feed_forward(case, add, fused=False, part="", size=None):
    size, hidden = size or case.feed_forward, case.hidden
    if not fused:
        add(f"ffn_gate{part}.weight", size, hidden)
    add(f"ffn_up{part}.weight", size * (2 if fused else 1), hidden)
    add(f"ffn_down{part}.weight", hidden, size)


def experts(case, add, count, size, kind=None, bias=False):
    hidden = case.hidden
    add("ffn_gate_inp.weight", count, hidden)
    add("ffn_gate_exps.weight", count, size, hidden, kind=kind)
    add("ffn_up_exps.weight", count, size, hidden, kind=kind)
    add("ffn_down_exps.weight", count, hidden, size, kind=kind)
    if bias:
        add("ffn_gate_inp.bias", count)
        add("ffn_gate_exps.bias", count, size, kind="f32")
        add("ffn_up_exps.bias", count, size, kind="f32")
        add("ffn_down_exps.bias", count, hidden, kind="f32")


def plain(case, **options):
    def build(_, add):
        attention(case, add, **options)
        add("ffn_norm.weight", case.hidden)
        feed_forward(case, add)

    return case.each(build)


def llama(**types):
    return plain(Case("llama", **types).untied())


def llama3(**types):
    case = Case("llama", **types)
    case.set("rope.freq_base", 500000.0)
    case.add("rope_freqs.weight", case.head_dim // 2)
    return plain(case)


def llama_linear(**types):
    case = Case("llama", **types)
    case.set("rope.scaling.type", "linear")
    case.set("rope.scaling.factor", 4.0)
    return plain(case)


def llama_yarn(**types):
    case = Case("llama", **types).untied()
    case.set("rope.scaling.type", "yarn")
    case.set("rope.scaling.factor", 4.0)
    case.set("rope.scaling.original_context_length", 64)
    return plain(case)


def mistral(**types):
    """Heads that are together wider than the hidden state, as in Mistral Nemo."""
    return plain(Case("llama", heads=8, **types).untied())


def mixtral(**types):
    case = Case("llama", feed_forward=256, **types).untied()
    case.set("expert_count", 4)
    case.set("expert_used_count", 2)

    def build(_, add):
        attention(case, add)
        add("ffn_norm.weight", case.hidden)
        experts(case, add, 4, 256)

    return case.each(build)


def smollm3(**types):
    """Every fourth layer does not know positions."""
    return plain(Case("smollm3", layers=4, **types))


def granite(**types):
    case = Case("granite", **types)
    for key, value in (("logit_scale", 8.0), ("residual_scale", 0.5), ("embedding_scale", 3.0), ("attention.scale", 0.015625)):
        case.set(key, value)
    return plain(case)


def granite_moe(**types):
    case = Case("granitemoe", feed_forward=256, **types)
    for key, value in (("logit_scale", 6.0), ("residual_scale", 0.5), ("embedding_scale", 3.0), ("attention.scale", 0.015625)):
        case.set(key, value)
    case.set("expert_count", 4)
    case.set("expert_used_count", 2)

    def build(_, add):
        attention(case, add)
        add("ffn_norm.weight", case.hidden)
        experts(case, add, 4, 256)

    return case.each(build)


def qwen2(**types):
    return plain(Case("qwen2", **types), bias=True)


def qwen2_yarn(**types):
    case = Case("qwen2", **types).untied()
    case.set("rope.scaling.type", "yarn")
    case.set("rope.scaling.factor", 4.0)
    case.set("rope.scaling.original_context_length", 64)
    return plain(case, bias=True)


def qwen3(**types):
    return plain(Case("qwen3", head_dim=128, **types), normed=True)


def qwen2_moe(**types):
    case = Case("qwen2moe", **types).untied()
    case.set("expert_count", 8)
    case.set("expert_used_count", 3)
    case.set("expert_feed_forward_length", 256)
    case.set("expert_shared_feed_forward_length", 512)

    def build(_, add):
        attention(case, add, bias=True)
        add("ffn_norm.weight", case.hidden)
        experts(case, add, 8, 256)
        feed_forward(case, add, part="_shexp", size=512)
        add("ffn_gate_inp_shexp.weight", case.hidden)

    return case.each(build)


def qwen3_moe(**types):
    case = Case("qwen3moe", head_dim=128, **types).untied()
    case.set("expert_count", 8)
    case.set("expert_used_count", 2)
    case.set("expert_feed_forward_length", 256)

    def build(_, add):
        attention(case, add, normed=True)
        add("ffn_norm.weight", case.hidden)
        experts(case, add, 8, 256)

    return case.each(build)


def gemma1(**types):
    case = Case("gemma", **types)
    case.set("rope.freq_base", 10000.0)
    return plain(case)


def gemma(case, normed):
    def build(_, add):
        attention(case, add, normed=normed)
        add("post_attention_norm.weight", case.hidden)
        add("ffn_norm.weight", case.hidden)
        feed_forward(case, add)
        add("post_ffw_norm.weight", case.hidden)

    case.set("attention.sliding_window", 32)
    return case.each(build)


def gemma2(**types):
    case = Case("gemma2", layers=4, **types)
    case.set("rope.freq_base", 10000.0)
    case.set("attn_logit_softcapping", 50.0)
    case.set("final_logit_softcapping", 30.0)
    return gemma(case, False)


def gemma3(**types):
    """Seven layers, so that one of six sees everything, with its own base and scaling of positions."""
    case = Case("gemma3", layers=7, **types)
    case.set("rope.freq_base_swa", 10000.0)
    case.set("rope.scaling.type", "linear")
    case.set("rope.scaling.factor", 8.0)
    return gemma(case, True)


def phi3(factors=None, **types):
    case = Case("phi3", kv_heads=4, **types).untied()
    if factors:
        original = 64 if factors == "long" else 1024
        case.set("rope.scaling.original_context_length", original)
        case.set("rope.scaling.attn_factor", 1.19)
        case.add("rope_factors_long.weight", case.head_dim // 2)
        case.add("rope_factors_short.weight", case.head_dim // 2)

    def build(_, add):
        attention(case, add, fused=True)
        add("ffn_norm.weight", case.hidden)
        feed_forward(case, add, fused=True)

    return case.each(build)


def glm4(**types):
    """Half of each head is turned."""
    case = Case("glm4", **types).untied()
    case.set("rope.dimension_count", 32)
    case.set("rope.freq_base", 10000.0)

    def build(_, add):
        attention(case, add, bias=True)
        add("post_attention_norm.weight", case.hidden)
        add("ffn_norm.weight", case.hidden)
        feed_forward(case, add, fused=True)
        add("post_ffw_norm.weight", case.hidden)

    return case.each(build)


def glm4_moe(**types):
    case = Case("glm4moe", layers=3, **types).untied()
    for key, value in (
        ("rope.dimension_count", 32), ("leading_dense_block_count", 1), ("expert_count", 8), ("expert_used_count", 3),
        ("expert_feed_forward_length", 256), ("expert_shared_count", 1), ("expert_weights_scale", 1.5), ("expert_weights_norm", True),
        ("expert_gating_func", 2),
    ):
        case.set(key, value)

    def build(layer, add):
        attention(case, add, bias=True, normed=True)
        add("post_attention_norm.weight", case.hidden)
        if layer == 0:
            feed_forward(case, add)
        else:
            experts(case, add, 8, 256)
            add("exp_probs_b.bias", 8)
            feed_forward(case, add, part="_shexp", size=256)

    return case.each(build)


def gpt_oss(**types):
    case = Case("gpt-oss", layers=4, feed_forward=256, **types).untied()
    case.set("rope.freq_base", 150000.0)
    case.set("rope.scaling.type", "yarn")
    case.set("rope.scaling.factor", 4.0)
    case.set("rope.scaling.original_context_length", 64)
    case.set("attention.sliding_window", 32)
    case.set("expert_count", 8)
    case.set("expert_used_count", 2)
    case.set("expert_feed_forward_length", 256)

    def build(_, add):
        attention(case, add, bias=True, output_bias=True)
        add("attn_sinks.weight", case.heads)
        add("post_attention_norm.weight", case.hidden)
        experts(case, add, 8, 256, kind="mxfp4" if case.mix else None, bias=True)

    return case.each(build)


def deepseek2(**types):
    """Latent attention: keys and values of all heads come from one vector of 64, positions from another of 32."""
    case = Case("deepseek2", layers=3, kv_heads=1, **types).untied()
    nope, rotated, rank, queries = 64, 32, 64, 128
    for key, value in (
        ("attention.q_lora_rank", queries), ("attention.kv_lora_rank", rank), ("rope.dimension_count", rotated),
        ("attention.key_length", rank + rotated), ("attention.value_length", rank),
        ("attention.key_length_mla", nope + rotated), ("attention.value_length_mla", 64),
        ("leading_dense_block_count", 1), ("expert_count", 8), ("expert_used_count", 3), ("expert_feed_forward_length", 256),
        ("expert_shared_count", 1), ("expert_weights_scale", 2.5), ("expert_weights_norm", True), ("expert_gating_func", 2),
    ):
        case.set(key, value)

    def build(layer, add):
        hidden, heads = case.hidden, case.heads
        add("attn_norm.weight", hidden)
        add("attn_q_a.weight", queries, hidden)
        add("attn_q_a_norm.weight", queries)
        add("attn_q_b.weight", heads * (nope + rotated), queries)
        add("attn_kv_a_mqa.weight", rank + rotated, hidden)
        add("attn_kv_a_norm.weight", rank)
        add("attn_k_b.weight", heads, rank, nope)
        add("attn_v_b.weight", heads, 64, rank)
        add("attn_output.weight", hidden, heads * 64)
        add("ffn_norm.weight", hidden)
        if layer == 0:
            feed_forward(case, add)
        else:
            experts(case, add, 8, 256)
            add("exp_probs_b.bias", 8)
            feed_forward(case, add, part="_shexp", size=256)

    return case.each(build)


def hybrid(case, mixture):
    """Three layers with a gated delta rule, then one with gated attention."""
    size, groups, ranks = 32, 2, 4
    for key, value in (
        ("rope.dimension_count", 32), ("rope.dimension_sections", [6, 5, 5, 0]), ("full_attention_interval", 4),
        ("ssm.conv_kernel", 4), ("ssm.state_size", size), ("ssm.group_count", groups), ("ssm.time_step_rank", ranks),
        ("ssm.inner_size", size * ranks),
    ):
        case.set(key, value)
    if mixture:
        case.set("expert_count", 8)
        case.set("expert_used_count", 2)
        case.set("expert_feed_forward_length", 256)
        case.set("expert_shared_feed_forward_length", 256)

    def build(layer, add):
        hidden, keys, values = case.hidden, size * groups, size * ranks
        if layer % 4 == 3:
            add("attn_norm.weight", hidden)
            add("attn_q.weight", 2 * case.heads * case.head_dim, hidden)
            add("attn_k.weight", case.kv_heads * case.head_dim, hidden)
            add("attn_v.weight", case.kv_heads * case.head_dim, hidden)
            add("attn_q_norm.weight", case.head_dim)
            add("attn_k_norm.weight", case.head_dim)
            add("attn_output.weight", hidden, case.heads * case.head_dim)
        else:
            add("attn_norm.weight", hidden)
            add("attn_qkv.weight", 2 * keys + values, hidden)
            add("attn_gate.weight", values, hidden)
            add("ssm_conv1d.weight", 2 * keys + values, 4)
            add("ssm_dt.bias", ranks)
            add("ssm_a", ranks)
            if case.arch == "qwen3next":
                add("ssm_ba.weight", 2 * ranks, hidden)
            else:
                add("ssm_beta.weight", ranks, hidden)
                add("ssm_alpha.weight", ranks, hidden)
            add("ssm_norm.weight", size)
            add("ssm_out.weight", hidden, values)
        add("post_attention_norm.weight", hidden)
        if mixture:
            experts(case, add, 8, 256)
            feed_forward(case, add, part="_shexp", size=256)
            add("ffn_gate_inp_shexp.weight", hidden)
        else:
            feed_forward(case, add)

    return case.each(build)


def qwen35(**types):
    return hybrid(Case("qwen35", layers=4, **types), False)


def qwen35_moe(**types):
    return hybrid(Case("qwen35moe", layers=4, **types), True)


def qwen3_next(**types):
    return hybrid(Case("qwen3next", layers=4, **types), True)


FAMILIES = {
    "llama": llama, "llama3": llama3, "llama-linear": llama_linear, "llama-yarn": llama_yarn, "mistral": mistral, "mixtral": mixtral,
    "smollm3": smollm3, "granite": granite, "granitemoe": granite_moe, "qwen2": qwen2, "qwen2-yarn": qwen2_yarn, "qwen3": qwen3,
    "qwen2moe": qwen2_moe, "qwen3moe": qwen3_moe, "gemma": gemma1, "gemma2": gemma2, "gemma3": gemma3, "phi3": phi3,
    "phi3-short": lambda **types: phi3("short", **types), "phi3-long": lambda **types: phi3("long", **types),
    "glm4": glm4, "glm4moe": glm4_moe, "gpt-oss": gpt_oss, "deepseek2": deepseek2, "qwen35": qwen35, "qwen35moe": qwen35_moe, "qwen3next": qwen3_next,
}


def cases():
    """Every family in float32 and in a mixture of quantised types, and one family in every type."""
    for name, make in FAMILIES.items():
        yield name, make()
        yield f"{name}:mix", make(mix=True)
    for kind in TYPES:
        if kind != "f32":
            yield f"llama:{kind}", llama(matrix=kind)


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def encoded(value):
    """The type's number in a GGUF file and the bytes."""
    if isinstance(value, bool):
        return 7, struct.pack("<?", value)
    if isinstance(value, int):
        return 4, struct.pack("<I", value)
    if isinstance(value, float):
        return 6, struct.pack("<f", value)
    if isinstance(value, list):
        return 9, struct.pack("<IQ", 5, len(value)) + b"".join(struct.pack("<i", item) for item in value)
    return 8, text(value)


def write(case, path, as_floats=False):
    """A GGUF file without a vocabulary."""
    entries = {"general.architecture": case.arch, "tokenizer.ggml.model": "no_vocab", f"{case.arch}.vocab_size": VOCAB}
    entries |= {f"{case.arch}.{key}": value for key, value in case.metadata.items()}
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(case.tensors), len(entries))
    for key, value in entries.items():
        code, data = encoded(value)
        head += text(key) + struct.pack("<I", code) + data
    data = bytearray()
    for name, shape, kind in case.tensors:
        data += bytes(-len(data) % 32)
        head += text(name) + struct.pack("<I", len(shape))
        head += b"".join(struct.pack("<Q", size) for size in reversed(shape))
        head += struct.pack("<IQ", 0 if as_floats else TYPES[kind][0], len(data))
        data += (tensor_floats if as_floats else tensor_bytes)(name, shape, kind).tobytes()
    path.write_bytes(head + bytes(-len(head) % 32) + data)


def significant(values):
    return [float(f"{value:.6g}") for value in values]


def reference(llama_cpp, case):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.gguf"
        write(case, path, as_floats=True)
        exact = llama_cpp.logits(path, TOKENS, CONTEXT, exact=True)
        write(case, path)
        found = llama_cpp.logits(path, TOKENS, CONTEXT)
    rows = {}
    for position in POSITIONS:
        row = exact[position]
        top = np.argsort(-row)[:10]
        rows[position] = dict(
            sample=significant(row[list(SAMPLE)]), top=[int(token) for token in top], top_logits=significant(row[top]),
            norm=significant([np.sqrt(float((row.astype(np.float64) ** 2).sum()))])[0],
        )
    distance = float(np.sqrt(((exact.astype(np.float64) - found) ** 2).mean()))
    tensors = [f"{name} {'x'.join(map(str, shape))} {kind}" for name, shape, kind in case.tensors]
    return dict(
        architecture=case.arch, metadata=case.metadata, tensors=tensors, logits=rows,
        deviation=significant([exact.std()])[0], distance=significant([distance])[0],
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="the cases; all if none is named")
    parser.add_argument("--llama", metavar="LIBRARY", help="path of libllama.so")
    parser.add_argument("--write", metavar="FOLDER", type=pathlib.Path, help="write the models there")
    parser.add_argument("--list", action="store_true", help="name the cases")
    arguments = parser.parse_args()
    chosen = {name: case for name, case in cases() if not arguments.cases or name in arguments.cases}
    if missing := set(arguments.cases) - set(chosen):
        sys.exit(f"error: there is no case {', '.join(sorted(missing))}")
    if arguments.list:
        print("\n".join(chosen))
    if arguments.write:
        arguments.write.mkdir(parents=True, exist_ok=True)
        for name, case in chosen.items():
            write(case, arguments.write / f"{name.replace(':', '-')}.gguf")
    if arguments.llama:
        from llama_cpp_library import Llama

        llama_cpp = Llama(arguments.llama)
        known = json.loads(OUT.read_text())["cases"] if OUT.exists() else {}
        for name, case in chosen.items():
            known[name] = reference(llama_cpp, case)
            print(f"{name}: deviation {known[name]['deviation']}, distance {known[name]['distance']}", flush=True)
        known = {name: known[name] for name, _ in cases() if name in known}
        head = dict(vocab=VOCAB, tokens=TOKENS, context=CONTEXT, sample=list(SAMPLE))
        body = ",\n".join(f"{json.dumps(name)}:{json.dumps(case, separators=(',', ':'))}" for name, case in known.items())
        OUT.write_text(json.dumps(head, separators=(",", ":"))[:-1] + ',"cases":{\n' + body + "\n}}\n")


if __name__ == "__main__":
    main()
