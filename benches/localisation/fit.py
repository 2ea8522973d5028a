#!/usr/bin/env python3
"""Fit the curves of `index/src/rank/weights.rs` to queries with known answers.

    fit.py DUMPS [--out weights.rs] [--folds 5] [--without SIGNAL,...]

DUMPS is what the example `signals` wrote for the queries of `queries.py`. A score is a sum over signals; each signal goes through a curve that
is straight between knots and rises or falls only (a few, `FREE`, may do both). Such a sum is linear in its slopes, so the loss (the
negative logarithm of the softmax of each right file against all wrong ones) is convex, and the fit does not depend on luck. Slopes are kept at zero
or above by projection, small by a squared and an absolute penalty. `--folds` prints figures on repositories that were left out.
"""
import argparse, glob, json, math, os, random, re

import numpy as np
import torch

torch.manual_seed(1)
torch.set_num_threads(int(os.environ.get("THREADS", "1")))
KNOTS = 5
FALLING = {"test", "example", "vendored", "generated", "document", "setting", "declarations only", "test here"}
FREE = {"depth", "size", "language", "entry of a folder", "length", "first span", "test, asked for"}
# What the queries cannot teach: their answers are never tests, and nobody works on anything.
FIXED = {"test, asked for": [(0.0, 0.0), (1.0, -1.0)], "working set": [(0.0, 0.0), (1.0, 0.8)], "named path": [(0.0, 0.0), (1.0, 4.0)], "named line": [(0.0, 0.0), (1.0, 4.0)],
         # By hand on benches/meaning: at 10 for files span@5 there is .700 instead of .685, and localisation loses .013 hit@1.
         "meaning": [(0.0, 0.0), (1.0, 6.0)], "meaning here": [(0.0, 0.0), (1.0, 16.0)]}
CODE = set("rs py js mjs cjs jsx ts tsx mts cts go java c h cc cpp hpp cxx hxx cs rb php kt kts swift scala sc lua sh ex exs zig hs ml mli svelte vue pyi pm pl erl clj dart m mm".split())


class Query:
    __slots__ = "id task repo x y code named spans paths missing relevant line".split()


def load(folder, wanted=None):
    """Queries of a dump; with `wanted`, in the order of these names, what a dump does not have being zero."""
    queries, names = [], None
    for path in sorted(glob.glob(f"{folder}/*.heads")):
        repo = os.path.basename(path)[:-6]
        rows = np.fromfile(path[:-6] + ".f32", dtype="<f4")
        at = 0
        for line in open(path, encoding="utf-8"):
            head = json.loads(line)
            if not head["names"]:
                continue
            names = head["names"]
            width, count = len(names), len(head["paths"])
            one = Query()
            one.x = rows[at: at + width * count].reshape(count, width)
            at += width * count
            relevant = set(head["relevant"])
            one.id, one.task, one.repo, one.line = head["query_id"], head["task"], repo, head["line"]
            one.paths, one.relevant = head["paths"], relevant
            one.y = np.array([path in relevant for path in head["paths"]])
            one.code = np.array([path.rsplit(".", 1)[-1] in CODE for path in head["paths"]])
            one.named = bool(one.x[0, -1])
            one.x = one.x[:, :-1]
            if wanted and names[:-1] != wanted:
                places = {name: at for at, name in enumerate(names[:-1])}
                one.x = np.stack([one.x[:, places[name]] if name in places else np.zeros(len(one.x), "f4") for name in wanted], 1)
            one.missing = len(relevant) - int(one.y.sum())
            one.spans = head["spans"]
            queries.append(one)
    return queries, wanted or (names[:-1] if names else [])


class Model:
    """Slopes of ramps between knots."""

    def __init__(self, names, values, without=()):
        self.names, self.knots, self.signs = names, [], []
        self.without = set(without)
        columns = []
        for number, name in enumerate(names):
            column = values[:, number]
            nonzero = column[column != 0]
            if name in self.without or len(nonzero) < 50:
                knots = np.array([0.0])
            else:
                places = np.quantile(nonzero, np.linspace(0.05, 0.995, KNOTS))
                knots = np.unique(np.round(np.concatenate([[min(0.0, nonzero.min())], places]), 3))
                knots = knots[np.concatenate([[True], np.diff(knots) > 0.004])]
            self.knots.append(knots)
            for low, high in zip(knots[:-1], knots[1:]):
                columns.append((number, low, high))
                self.signs.append(0 if name in FREE else -1 if name in FALLING else 1)
        self.columns = columns
        self.index = torch.tensor([column[0] for column in columns])
        self.low = torch.tensor([column[1] for column in columns], dtype=torch.float32)
        self.width = torch.tensor([column[2] - column[1] for column in columns], dtype=torch.float32)
        self.sign = torch.tensor(self.signs)
        self.w = torch.zeros(len(columns))

    def ramps(self, x):
        return ((x[..., self.index] - self.low) / self.width).clamp(0, 1)

    def project(self, w):
        w = torch.where((self.sign > 0) & (w < 0), torch.zeros_like(w), w)
        return torch.where((self.sign < 0) & (w > 0), torch.zeros_like(w), w)

    def fit(self, batch, rounds=250, square=1e-3, absolute=1e-3):
        x, y, mask, weight = batch
        phi = self.ramps(x)
        w = self.w.clone().requires_grad_(True)
        optimiser = torch.optim.Adam([w], lr=0.08)
        order = list(range(len(x)))
        size = 512
        steps = 0
        total = max(1, rounds)
        while steps < total:
            random.shuffle(order)
            for first in range(0, len(order), size):
                for group in optimiser.param_groups:
                    group["lr"] = 0.08 * (1 + math.cos(math.pi * steps / total)) / 2 + 1e-4
                rows = order[first: first + size]
                s = phi[rows] @ w
                s = s.masked_fill(~mask[rows], -1e9)
                wrong = torch.logsumexp(s.masked_fill(y[rows], -1e9), 1, keepdim=True)
                each = torch.logaddexp(s, wrong) - s
                per_query = (each * y[rows]).sum(1) / y[rows].sum(1).clamp(min=1)
                loss = (per_query * weight[rows]).sum() / weight[rows].sum()
                loss = loss + square * (w ** 2).sum() + absolute * w.abs().sum()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                with torch.no_grad():
                    w.copy_(self.project(w))
                steps += 1
                if steps >= total:
                    break
        self.w = w.detach()
        return float(loss)

    def score(self, x):
        return (self.ramps(torch.as_tensor(x)) @ self.w).numpy()

    def curves(self):
        out = []
        for number, name in enumerate(self.names):
            if name in FIXED:
                out.append(FIXED[name])
                continue
            places = [(low, high, float(self.w[at])) for at, (column, low, high) in enumerate(self.columns) if column == number]
            if not any(abs(slope) > 0.004 for _, _, slope in places):
                out.append([])
                continue
            y, points = 0.0, [(places[0][0], 0.0)]
            for _, high, slope in places:
                y += slope
                points.append((high, y))
            # A knot on a straight line says nothing.
            kept = [points[0]]
            for before, this, after in zip(points, points[1:], points[2:]):
                line = before[1] + (after[1] - before[1]) * (this[0] - before[0]) / (after[0] - before[0])
                if abs(line - this[1]) > 0.004:
                    kept.append(this)
            kept.append(points[-1])
            out.append(kept)
        return out


def batch_of(queries, weights, width=100, only_code=False):
    rows, xs = [], []
    for query in queries:
        keep = np.ones(len(query.y), bool)
        if only_code:
            keep = query.code | query.y
        order = np.flatnonzero(keep)[:width]
        extra = [at for at in np.flatnonzero(query.y) if at not in set(order)]
        order = np.concatenate([order[: width - len(extra)], extra]).astype(int) if extra else order
        if query.y[order].any():
            rows.append((query, order))
    n = len(rows)
    x = torch.zeros(n, width, rows[0][0].x.shape[1])
    y = torch.zeros(n, width, dtype=torch.bool)
    mask = torch.zeros(n, width, dtype=torch.bool)
    weight = torch.zeros(n)
    for at, (query, order) in enumerate(rows):
        x[at, : len(order)] = torch.from_numpy(query.x[order].copy())
        y[at, : len(order)] = torch.from_numpy(query.y[order])
        mask[at, : len(order)] = True
        weight[at] = weights.get(query.task, 1.0)
    return x, y, mask, weight


def figures(queries, score, only_code=True):
    """By task: queries, hit@1, recall@5, recall@10, reciprocal rank."""
    out = {}
    for query in queries:
        s = score(query)
        keep = query.code | query.y if only_code else np.ones(len(s), bool)
        order = np.argsort(-np.where(keep, s, -1e9), kind="stable")
        places = np.flatnonzero(query.y[order])
        total = len(query.relevant)
        row = (float(len(places) > 0 and places[0] == 0), (places < 5).sum() / total, (places < 10).sum() / total, 1 / (places[0] + 1) if len(places) else 0.0)
        out.setdefault(query.task, []).append(row)
        out.setdefault((query.task, query.repo), []).append(row)
    return {task: (len(rows), *np.mean(rows, 0).round(3)) for task, rows in out.items()}


WORDS = {"localisation": 1.0, "doc": 0.5, "error": 0.3}
NAMED = {"symbol_ident": 1.0, "symbol_phrase": 1.0, "symbol_scoped": 1.0}


def sample(queries):
    return np.concatenate([query.x[np.linspace(0, len(query.x) - 1, min(len(query.x), 25)).astype(int)] for query in queries[:: max(1, len(queries) // 2500)]])


def for_table(queries, tasks):
    """Names that nothing is called by are words."""
    return [query for query in queries if query.task in tasks and (tasks is not NAMED or query.named)]


def table(queries, names, tasks, without=(), rounds=250, only_code=False, **options):
    wanted = for_table(queries, tasks)
    model = Model(names, sample(wanted), without)
    model.fit(batch_of(wanted, tasks, only_code=only_code), rounds, **options)
    return model


def span_rows(queries, names_count, tasks):
    """Spans of the right file, the right ones marked."""
    rows = []
    for query in queries:
        if query.line is None or query.task not in tasks:
            continue
        for file in np.flatnonzero(query.y):
            spans = [span for span in query.spans if span[0] == file]
            right = [start <= query.line <= end for _, start, end, _ in spans]
            if any(right) and not all(right):
                # Dumps from before a signal was added have none of it.
                values = [(span[3] + [0.0] * names_count)[:names_count] for span in spans]
                rows.append((query, np.array(values, dtype="f4"), np.array(right)))
    return rows


def fit_spans(rows, names, rounds=200, **options):
    model = Model(names, np.concatenate([x for _, x, _ in rows]))
    width = 60
    x = torch.zeros(len(rows), width, len(names))
    y = torch.zeros(len(rows), width, dtype=torch.bool)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for at, (_, values, right) in enumerate(rows):
        order = np.argsort(-(right * 1000 + values[:, 0] + values[:, 2]))[:width]
        x[at, : len(order)] = torch.from_numpy(values[order])
        y[at, : len(order)] = torch.from_numpy(right[order])
        mask[at, : len(order)] = True
    model.fit((x, y, mask, torch.ones(len(rows))), rounds, **options)
    return model


def span_figures(rows, score):
    out = {}
    for query, values, right in rows:
        order = np.argsort(-score(values), kind="stable")
        place = np.flatnonzero(right[order])[0]
        out.setdefault(query.task, []).append((place == 0, place < 3))
    return {task: (len(rows), *np.mean(rows, 0).round(3)) for task, rows in out.items()}


SPAN_NAMES = None


# Who asks for a name wants where it is defined, however well other places fit.
STEP = {"definition": 5.0, "definition, other case": 5.0, "definition here": 5.0, "definition here, other case": 5.0, "test": -3.0}


def stepped(curve, step):
    if not step:
        return curve
    return [(0.0, 0.0), (0.02, step)] + [(x, y + step) for x, y in (curve or [(1.0, 0.0)]) if x > 0.02]


def rust(path, tables, behind, repeated):
    """Write the constants."""
    def number(value):
        # What looks like a constant of mathematics is refused by the linter.
        text = f"{value:.3f}"
        return f"{value + 0.001:.3f}" if text.lstrip("-") in ("0.318", "3.142", "2.718", "0.693", "1.414", "0.707", "6.283", "2.303", "0.434", "0.301") else text

    def points(curve):
        return "&[" + ", ".join(f"({number(x)}, {number(y)})" for x, y in curve) + "]"

    def lines(names, curves, step):
        curves = [stepped(curve, step.get(name)) for name, curve in zip(names, curves)]
        return "\n".join(f"        {points(curve)}, // {name}" for name, curve in zip(names, curves))

    text = open(path, encoding="utf-8").read()
    text = text[: text.index("/// What a span")]
    text += f"/// What a span that is worse than the best of its file falls behind, as a share of the difference of their points.\npub(crate) const BEHIND: f32 = {behind};\n"
    text += f"/// What each further span of a file falls behind by itself.\npub(crate) const REPEATED: f32 = {repeated};\n"
    text += "\n/// The same for questions made of words, where vectors tell the spans of a file apart better than words do. With 1.0 and\n/// 0.2 in their place one or two answers of a hundred in `benches/meaning` leave the first five.\npub(crate) const BEHIND_IN_MEANING: f32 = 0.7;\npub(crate) const REPEATED_IN_MEANING: f32 = 0.0;\n"
    for name, note, files, spans in tables:
        step = STEP if name == "NAMED" else {}
        text += f"\n/// {note}\npub(crate) static {name}: Curves = Curves {{\n    file: &[\n{lines(files.names, files.curves(), step)}\n    ],\n    span: &[\n{lines(spans.names, spans.curves(), step)}\n    ],\n}};\n"
    open(path, "w", encoding="utf-8").write(text)


def folds_of(queries, count):
    repos = sorted({query.repo for query in queries})
    random.Random(3).shuffle(repos)
    return [set(repos[at::count]) for at in range(count)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dumps")
    parser.add_argument("--out")
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--without", default="")
    parser.add_argument("--rounds", type=int, default=180)
    parser.add_argument("--by-repo", action="store_true")
    options = parser.parse_args()
    source = open(os.path.join(os.path.dirname(__file__), "../../index/src/rank/signals.rs"), encoding="utf-8").read()
    block = re.search(r"signals! \{ OfSpan.*?:\n(.*?)\}", source, re.S).group(1)
    span_names = re.findall(r'"([^"]*)"', block)
    names = re.findall(r'"([^"]*)"', re.search(r"signals! \{ OfFile.*?:\n(.*?)\}", source, re.S).group(1))
    queries = [query for folder in options.dumps.split(",") for query in load(folder, names)[0]]
    without = [one for one in options.without.split(",") if one]
    print(len(queries), "queries,", len({query.repo for query in queries}), "repositories; not among the candidates:",
          {task: round(float(np.mean([query.missing > 0 for query in queries if query.task == task])), 3) for task in {query.task for query in queries}})
    if options.folds:
        found, spans_found = {}, {}
        for left_out in folds_of(queries, options.folds):
            train = [query for query in queries if query.repo not in left_out]
            test = [query for query in queries if query.repo in left_out]
            for query in test:
                if query.task in NAMED and not query.named:
                    spans_found.setdefault("(nothing of the name) " + query.task, []).append((1, 0, 0))
            for tasks in (WORDS, NAMED):
                model = table(train, names, tasks, without, options.rounds)
                for task, row in figures(for_table(test, tasks), lambda query: model.score(query.x)).items():
                    found.setdefault(task, []).append(row)
                rows = span_rows(train, len(span_names), tasks)
                spans = fit_spans(rows, span_names)
                for task, row in span_figures(span_rows(test, len(span_names), tasks), spans.score).items():
                    spans_found.setdefault(task, []).append(row)
        for task in sorted(found, key=str):
            rows = np.array(found[task])
            if isinstance(task, str) or options.by_repo and task[0] == "localisation":
                print("left out", task, int(rows[:, 0].sum()), "hit@1 %.3f R@5 %.3f R@10 %.3f MRR %.3f" % tuple((rows[:, 1:] * rows[:, :1]).sum(0) / rows[:, 0].sum()))
        for task, rows in spans_found.items():
            rows = np.array(rows)
            print("left out", task, "right span of the right file first %.3f, of three %.3f" % tuple((rows[:, 1:] * rows[:, :1]).sum(0) / rows[:, 0].sum()))
    if options.out:
        tables = []
        for name, note, tasks in (("WORDS", "For questions, changes, comments and messages.", WORDS), ("NAMED", "For queries that are the name of something.", NAMED)):
            model = table(queries, names, tasks, without, options.rounds)
            spans = fit_spans(span_rows(queries, len(span_names), tasks), span_names)
            print(name, {name: [(round(float(x), 2), round(y, 2)) for x, y in curve] for name, curve in zip(names, model.curves()) if curve})
            print({name: [(round(float(x), 2), round(y, 2)) for x, y in curve] for name, curve in zip(span_names, spans.curves()) if curve})
            tables.append((name, note, model, spans))
        rust(options.out, tables, 0.5, 0.2)


if __name__ == "__main__":
    main()
