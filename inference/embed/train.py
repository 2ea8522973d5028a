"""Trains the static table: `train.py OUT.npz PAIRS.tsv … [--terms 24000] [--dimensions 128] [--epochs 5]`.

A text is the sum of the vectors of its terms, each times one plus the logarithm of how often it stands there; a passage adds its
name, its place and its code with a weight each, a question has a weight of its own for each term. Vectors and weights are learned
together: in a batch of 1,024 pairs each sentence has to find its function among the others (a softmax over cosines, both
ways), and the batch is made of runs of 64 neighbours of one source, so that most of the others are hard to tell apart. Every
number of it is chosen by a seed, the order of sums of the machine aside. PAIRS are what `mine.py` writes.
"""

import argparse
import collections
import math
import random
import time

import numpy as np
import torch

BATCH, RUN, RATE, CODE_TERMS = 1024, 64, 3e-3, 150


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("out")
    parser.add_argument("pairs", nargs="+")
    parser.add_argument("--terms", type=int, default=24_000)
    parser.add_argument("--dimensions", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    torch.manual_seed(arguments.seed)
    rows = [line.rstrip("\n").split("\t") for path in arguments.pairs for line in open(path, encoding="utf-8")]
    rows = [row[2:] for row in rows if len(row) == 6 and row[2]]
    vocabulary, inverse = choose(rows, arguments.terms)
    numbers = {term: number for number, term in enumerate(vocabulary)}
    data = [[bag(text, numbers, most) for text, most in zip(row, (None, None, None, CODE_TERMS))] for row in rows]
    print(f"{len(data)} pairs, {len(vocabulary)} terms", flush=True)
    model = Model(len(vocabulary), arguments.dimensions, inverse)
    train(model, data, arguments.epochs)
    with torch.no_grad():
        np.savez(arguments.out, terms=np.array(vocabulary), passages=model.table.numpy(),
                 question_weights=torch.exp(model.question).numpy(), fields=torch.exp(model.fields).numpy())


def choose(rows, most):
    """The terms that count, by how many sentences (three times) and functions hold them, and how rare each is in code."""
    in_code, in_sentences = collections.Counter(), collections.Counter()
    for sentence, *code in rows:
        in_sentences.update(set(sentence.split()))
        in_code.update({term for text in code for term in text.split()})
    worth = {term: in_code[term] + 3 * in_sentences[term] for term in in_code.keys() | in_sentences.keys()}
    vocabulary = sorted(worth, key=lambda term: (-worth[term], term))[:most]
    return vocabulary, np.array([math.log(1 + len(rows) / (1 + in_code[term])) for term in vocabulary], np.float32)


def bag(text, numbers, most):
    counts = list(collections.Counter(numbers[term] for term in text.split() if term in numbers).items())[:most]
    return np.array([number for number, _ in counts], np.int64), np.array([1 + math.log(count) for _, count in counts], np.float32)


class Model(torch.nn.Module):
    def __init__(self, terms, dimensions, inverse):
        super().__init__()
        self.table = torch.nn.Parameter(torch.randn(terms, dimensions) / math.sqrt(dimensions) * torch.from_numpy(inverse)[:, None] / 5)
        self.question = torch.nn.Parameter(torch.zeros(terms))
        self.fields = torch.nn.Parameter(torch.tensor([math.log(3.0), math.log(0.5), 0.0]))
        self.sharpness = torch.nn.Parameter(torch.tensor(math.log(20.0)))

    def sums(self, bags, weights=None):
        numbers = torch.from_numpy(np.concatenate([bag[0] for bag in bags]))
        counts = torch.from_numpy(np.concatenate([bag[1] for bag in bags]))
        starts = torch.from_numpy(np.cumsum([0] + [len(bag[0]) for bag in bags[:-1]]))
        counts = counts if weights is None else counts * torch.exp(weights[numbers])
        return torch.nn.functional.embedding_bag(numbers, self.table, starts, mode="sum", per_sample_weights=counts)

    def forward(self, rows):
        questions = self.sums([row[0] for row in rows], self.question)
        passages = sum(torch.exp(self.fields[field]) * self.sums([row[field + 1] for row in rows]) for field in range(3))
        unit = torch.nn.functional.normalize
        return torch.exp(self.sharpness.clamp(max=math.log(60.0))) * unit(questions, dim=1) @ unit(passages, dim=1).T


def train(model, data, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    steps, step, begun = epochs * (len(data) // BATCH), 0, time.time()
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.1)
    right = torch.arange(BATCH)
    for epoch in range(epochs):
        runs = [range(start, min(start + RUN, len(data))) for start in range(random.randrange(RUN), len(data), RUN)]
        random.shuffle(runs)
        order = [number for run in runs for number in run]
        found = []
        for start in range(0, len(order) - BATCH + 1, BATCH):
            if step == steps:
                break
            scores = model([data[number] for number in order[start:start + BATCH]])
            loss = torch.nn.functional.cross_entropy(scores, right) + 0.5 * torch.nn.functional.cross_entropy(scores.T, right)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
            found.append((scores.argmax(1) == right).float().mean().item())
        print(f"epoch {epoch}: {np.mean(found):.3f} find their function, {time.time() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
