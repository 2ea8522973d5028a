"""Trains the model on generated conversations.

    python train.py HARVEST TOKENIZER OUT.safetensors --minutes M [--init FILE] [--decay F] [--rate R] [--muon R]

The rates rise over sixty steps, stay, and fall to zero over the last F of the time. A checkpoint is written every four
minutes; SIGTERM or SIGINT to the first process ends the training with one. `--init` goes on from a checkpoint, with its
optimiser state when it lies beside it. `--workers` processes of one thread each share every step: on busy machines that
is several times faster than one process of many threads.
"""

import argparse
import os
import random
import signal
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as processes

import model as M
from generate import Generator, load
from tokens import Encoder

BUCKETS = [48, 64, 80, 96, 112, 128, 152, 176, 208, 256, 320, 448]


class Batches:
    """Conversations sorted by length into batches of about `size` tokens."""

    def __init__(self, encoder, generator, size, seed):
        self.encoder, self.generator, self.size = encoder, generator, size
        self.r, self.bins, self.ready = random.Random(seed), {b: [] for b in BUCKETS}, []

    def next(self):
        while not self.ready:
            for ids, weights in self.encoder.many([self.generator.conversation() for _ in range(1200)]):
                bucket = next((b for b in BUCKETS if len(ids) <= b + 1), None)
                if bucket:
                    self.bins[bucket].append((ids, weights))
            for bucket in BUCKETS:
                rows = self.size // bucket
                while len(self.bins[bucket]) >= rows:
                    self.ready.append((bucket, self.bins[bucket][:rows]))
                    self.bins[bucket] = self.bins[bucket][rows:]
            self.r.shuffle(self.ready)
        bucket, rows = self.ready.pop()
        ids = np.zeros((len(rows), bucket), np.int64)
        positions, targets, chosen = [], [], []
        for i, (tokens, weights) in enumerate(rows):
            ids[i, :len(tokens) - 1] = tokens[:-1]
            for j in range(1, len(tokens)):
                if weights[j]:
                    positions.append(i * bucket + j - 1)
                    targets.append(tokens[j])
                    chosen.append(weights[j])
        return [torch.from_numpy(np.array(x, k)) for x, k in ((ids, np.int64), (positions, np.int64), (targets, np.int64), (chosen, np.float32))], len(rows), sum(len(t) for t, _ in rows)


def mean_of_gradients(model, workers):
    """Every worker ends up with the mean gradient of all."""
    gradients = [p.grad for p in model.parameters()]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    at = 0
    for g in gradients:
        g.copy_(flat[at:at + g.numel()].view_as(g)).div_(workers)
        at += g.numel()


def work(rank, a):
    torch.set_num_threads(1)
    torch.manual_seed(a.seed)
    dist.init_process_group("gloo", init_method="tcp://127.0.0.1:%d" % a.port, rank=rank, world_size=a.workers)
    encoder = Encoder(a.tokenizer)
    model = M.load(a.init, encoder.size) if a.init else M.Decoder(encoder.size)
    optimizer = M.Optimizer(model)
    if a.init and os.path.exists(a.init + ".state"):
        optimizer.restore(torch.load(a.init + ".state"))
    seed = a.seed * 100 + rank
    batches = Batches(encoder, Generator(load(a.harvest)[0], seed), a.batch // a.workers, seed)
    if rank == 0:
        print("parameters", sum(p.numel() for p in model.parameters()), "vocabulary", encoder.size, flush=True)

    ended = []
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: ended.append(1))

    def checkpoint():
        M.save(model, a.out)
        torch.save(optimizer.state(), a.out + ".state")

    begin = saved = told = time.time()
    step = tokens = conversations = 0
    mean_loss = mean_right = None
    while True:
        now = time.time()
        part = torch.tensor([1.0 if ended else (now - begin) / (a.minutes * 60)])
        dist.broadcast(part, 0)
        part = part.item()
        if part >= 1:
            break
        scale = min(1, (step + 1) / 60) * min(1, (1 - part) / max(a.decay, 1e-9)) + 1e-4
        tensors, rows, size = batches.next()
        with torch.autocast("cpu", torch.bfloat16):
            loss, logits = model.loss(*tensors)
        loss.backward()
        mean_of_gradients(model, a.workers)
        optimizer.step(a.rate * scale, a.muon * scale)
        right = (logits.argmax(-1) == tensors[2]).float().mean().item()
        step, tokens, conversations = step + 1, tokens + size * a.workers, conversations + rows * a.workers
        mean_loss = loss.item() if mean_loss is None else 0.97 * mean_loss + 0.03 * loss.item()
        mean_right = right if mean_right is None else 0.97 * mean_right + 0.03 * right
        if rank == 0 and now - told > 20:
            told = now
            print("%5.0fs step %d tokens %.2fM conversations %dk loss %.4f right %.4f tokens/s %.0f" % (now - begin, step, tokens / 1e6, conversations // 1000, mean_loss, mean_right, tokens / (now - begin)), flush=True)
        if rank == 0 and now - saved > 240:
            saved = now
            checkpoint()
    if rank == 0:
        checkpoint()
        print("saved", a.out, "steps", step, "tokens", tokens, "conversations", conversations, flush=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("harvest")
    p.add_argument("tokenizer")
    p.add_argument("out")
    p.add_argument("--minutes", type=float, required=True)
    p.add_argument("--init")
    p.add_argument("--decay", type=float, default=0.6)
    p.add_argument("--rate", type=float, default=4e-3)
    p.add_argument("--muon", type=float, default=0.02)
    p.add_argument("--batch", type=int, default=6144)
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--port", type=int, default=29511)
    p.add_argument("--seed", type=int, default=11)
    a = p.parse_args()
    others = [processes.get_context("spawn").Process(target=work, args=(rank, a)) for rank in range(1, a.workers)]
    for other in others:
        other.start()
    work(0, a)
    for other in others:
        other.join()


if __name__ == "__main__":
    main()
