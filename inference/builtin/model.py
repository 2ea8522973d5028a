"""A small decoder in Qwen3's shape, with the tensor names of its checkpoints, and the optimiser it is trained with."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

CONFIG = {"hidden": 192, "layers": 5, "heads": 4, "kv_heads": 2, "head": 48, "feed_forward": 512}
THETA = 10000.0
EPSILON = 1e-6
CONTEXT = 1024


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return F.rms_norm(x, (x.shape[-1],), self.weight.to(x.dtype), EPSILON)


def rotate(x, cos, sin):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = linear(c["hidden"], c["heads"] * c["head"])
        self.k_proj = linear(c["hidden"], c["kv_heads"] * c["head"])
        self.v_proj = linear(c["hidden"], c["kv_heads"] * c["head"])
        self.o_proj = linear(c["heads"] * c["head"], c["hidden"])
        self.q_norm = Norm(c["head"])
        self.k_norm = Norm(c["head"])

    def forward(self, x, cos, sin, cache=None):
        c, (batch, length, _) = self.c, x.shape
        split = lambda y, heads: y.view(batch, length, heads, c["head"])
        q = rotate(self.q_norm(split(self.q_proj(x), c["heads"])).transpose(1, 2), cos, sin)
        k = rotate(self.k_norm(split(self.k_proj(x), c["kv_heads"])).transpose(1, 2), cos, sin)
        v = split(self.v_proj(x), c["kv_heads"]).transpose(1, 2)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            cache[:] = [k, v]
        group = c["heads"] // c["kv_heads"]
        k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=length > 1)
        return self.o_proj(y.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = linear(c["hidden"], c["feed_forward"])
        self.up_proj = linear(c["hidden"], c["feed_forward"])
        self.down_proj = linear(c["feed_forward"], c["hidden"])

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.self_attn = Attention(c)
        self.mlp = FeedForward(c)
        self.input_layernorm = Norm(c["hidden"])
        self.post_attention_layernorm = Norm(c["hidden"])

    def forward(self, x, cos, sin, cache=None):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    """Tied embeddings, grouped queries, norms of queries and keys, rotary positions, no biases."""

    def __init__(self, vocabulary, c=None):
        super().__init__()
        self.c = c = c or CONFIG
        self.embed_tokens = nn.Embedding(vocabulary, c["hidden"])
        self.layers = nn.ModuleList([Block(c) for _ in range(c["layers"])])
        self.norm = Norm(c["hidden"])
        for name, p in self.named_parameters():
            if p.ndim == 2:
                scale = 0.3 if ("o_proj" in name or "down" in name) else 1.0
                nn.init.normal_(p, 0, 0.02 if "embed" in name else scale / math.sqrt(p.shape[1]))
        half = c["head"] // 2
        angles = torch.arange(CONTEXT)[:, None] * THETA ** (-torch.arange(half) / half)[None]
        self.register_buffer("cos", angles.cos(), False)
        self.register_buffer("sin", angles.sin(), False)

    def hidden(self, ids, caches=None, position=0):
        x = self.embed_tokens(ids)
        kind = torch.bfloat16 if torch.is_autocast_enabled("cpu") else x.dtype
        x = x.to(kind)
        cos, sin = (t[position:position + ids.shape[1]].to(kind) for t in (self.cos, self.sin))
        for i, layer in enumerate(self.layers):
            x = layer(x, cos, sin, None if caches is None else caches[i])
        return self.norm(x)

    def logits(self, h):
        return F.linear(h, self.embed_tokens.weight.to(h.dtype))

    def loss(self, ids, positions, targets, weights):
        """Mean weighted loss at the chosen positions of the flattened batch, and the logits there."""
        h = self.hidden(ids).reshape(-1, self.c["hidden"])[positions]
        logits = self.logits(h).float()
        loss = F.cross_entropy(logits, targets, reduction="none")
        return (loss * weights).sum() / weights.sum(), logits


def orthogonal(g):
    """Newton-Schulz iteration towards the nearest orthogonal matrix, as Muon uses it."""
    a, b, c = 3.4445, -4.775, 2.0315
    x = g.bfloat16()
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.t().contiguous()
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        y = x @ x.t()
        x = a * x + (b * y + c * y @ y) @ x
    return (x.t() if tall else x).float()


class Optimizer:
    """Muon for the matrices, Adam for the embedding and the norms."""

    def __init__(self, model):
        named = list(model.named_parameters())
        self.matrices = [p for n, p in named if p.ndim == 2 and "embed" not in n]
        self.momenta = [torch.zeros_like(p) for p in self.matrices]
        self.adam = torch.optim.Adam(
            [{"params": [p for n, p in named if "embed" in n], "factor": 1.0}, {"params": [p for _, p in named if p.ndim == 1], "factor": 0.5}],
            lr=1e-3, betas=(0.9, 0.98), eps=1e-9, foreach=True)
        self.every = [p for _, p in named]

    @torch.no_grad()
    def step(self, rate, muon_rate):
        torch.nn.utils.clip_grad_norm_(self.every, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = rate * group["factor"]
        self.adam.step()
        for p, m in zip(self.matrices, self.momenta):
            m.mul_(0.95).add_(p.grad)
            update = orthogonal(p.grad + 0.95 * m)
            p.mul_(1 - muon_rate * 0.02).add_(update, alpha=-0.8 * muon_rate * max(1.0, p.shape[0] / p.shape[1]) ** 0.5)
        for p in self.every:
            p.grad = None

    def state(self):
        return {"momenta": self.momenta, "adam": self.adam.state_dict()}

    def restore(self, state):
        for m, saved in zip(self.momenta, state["momenta"]):
            m.copy_(saved)
        self.adam.load_state_dict(state["adam"])


def save(model, path):
    save_file({"model." + k: v.detach().contiguous().clone() for k, v in model.state_dict().items()}, path)


def load(path, vocabulary):
    model = Decoder(vocabulary)
    model.load_state_dict({k[6:]: v for k, v in load_file(path).items()})
    return model
