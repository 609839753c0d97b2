#!/usr/bin/env python3
"""Times `sample` on the CPU beside cached dense decoding of the same model in PyTorch, and prints one table.

Usage: scripts/compare-sampling.py [--length N]... [--batch B]... [--rounds N] [--folder FOLDER] PROGRAM

The model: 8 layers of 256, 2 heads (queries and keys of 64, values of 128), feed-forward 512, float32, random weights;
local+column with rows of 96 for ours (128 from 12,288 tokens on), dense for PyTorch, which therefore need not keep to
any layout: keys and values of each head in memory taken beforehand, attention over the filled part of it.

  ours      PROGRAM sample, whole sequences, less a run of one token (start, reading the weights): milliseconds a token,
            averaged over all positions
  sdpa      PyTorch in inference mode, scaled_dot_product_attention
  products  the same with two products of matrices and a softmax, the keys kept transposed
  compiled  products by torch.compile, with lengths that vary

PyTorch is timed at the middles of eight equal parts of the sequence, `--tokens` tokens each, and averaged: its time grows
with the filled length. Its logits are first compared with those of one pass over a whole sequence. In turn, `--rounds`
times; the table has the medians, and the ratio of PyTorch's fastest to ours. Needs torch.
"""
import argparse
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

import torch
from torch.nn import functional as F

LAYERS, WIDTH, HEADS, QUERY, VALUE, INNER = 8, 256, 2, 64, 128, 512
PARTS = 8


def sdpa(query, keys, values):
    return F.scaled_dot_product_attention(query, keys, values)


def products(query, keys, values):
    return torch.softmax(query @ keys * QUERY**-0.5, 3) @ values


class Cache:
    """Keys and values of a layer, in memory taken beforehand."""

    def __init__(self, batch, length, attend):
        self.transposed = attend is products
        self.attend = attend
        self.keys = torch.zeros(batch, HEADS, *((QUERY, length) if self.transposed else (length, QUERY)))
        self.values = torch.zeros(batch, HEADS, length, VALUE)


def block(hidden, weights, attention):
    """hidden: [batch, T, width]"""
    before, packed, out, between, expand, contract = weights
    rows = F.linear(F.layer_norm(hidden, (WIDTH,), *before), *packed)
    heads = rows.unflatten(2, (HEADS, 2 * QUERY + VALUE)).transpose(1, 2)
    seen = attention(*heads.split([QUERY, QUERY, VALUE], 3))
    hidden = hidden + F.linear(seen.transpose(1, 2).flatten(2), *out)
    inner = F.linear(F.layer_norm(hidden, (WIDTH,), *between), *expand)
    return hidden + F.linear(inner * torch.sigmoid(1.702 * inner), *contract)


def cached_block(hidden, weights, cache, position, filled):
    """hidden: [batch, 1, width], of `position` [1] = filled - 1."""
    def attention(query, key, value):
        if cache.transposed:
            keys = cache.keys.index_copy_(3, position, key.transpose(2, 3))[:, :, :, :filled]
        else:
            keys = cache.keys.index_copy_(2, position, key)[:, :, :filled]
        return cache.attend(query, keys, cache.values.index_copy_(2, position, value)[:, :, :filled])

    return block(hidden, weights, attention)


class Dense:
    """The model with random weights, for sequences of up to `length` tokens."""

    def __init__(self, length):
        def matrix(*shape):
            return torch.randn(*shape) / shape[-1] ** 0.5

        def norm():
            return torch.ones(WIDTH), torch.zeros(WIDTH)

        def linear(out, width):
            return matrix(out, width), torch.zeros(out)

        self.token, self.place = matrix(256, WIDTH), matrix(length, WIDTH)
        self.layers = [(norm(), linear(HEADS * (2 * QUERY + VALUE), WIDTH), linear(WIDTH, HEADS * VALUE), norm(),
                        linear(INNER, WIDTH), linear(WIDTH, INNER)) for _ in range(LAYERS)]
        self.last, self.output = norm(), matrix(256, WIDTH)

    def logits(self, hidden):
        return F.linear(F.layer_norm(hidden, (WIDTH,), *self.last), self.output)

    def whole(self, tokens):
        hidden = self.token[tokens] + self.place[: tokens.size(1)]
        for weights in self.layers:
            hidden = block(hidden, weights, lambda *heads: F.scaled_dot_product_attention(*heads, is_causal=True))
        return self.logits(hidden)

    def step(self, run_block, tokens, position, caches):
        """tokens: [batch] of this position; gives logits [batch, 256]."""
        hidden = (self.token[tokens] + self.place[position]).unsqueeze(1)
        place = torch.tensor([position])
        for weights, cache in zip(self.layers, caches):
            hidden = run_block(hidden, weights, cache, place, position + 1)
        return self.logits(hidden)[:, 0]


# How it attends, and what runs a block.
WAYS = {"sdpa": (sdpa, cached_block), "products": (products, cached_block),
        "compiled": (products, torch.compile(cached_block, dynamic=True))}


def make_caches(name, batch, length):
    return [Cache(batch, length, WAYS[name][0]) for _ in range(LAYERS)]


def decode(model, name, caches, first, count, tokens):
    """Draws the tokens of the positions from `first` on; tokens: [batch], the one before."""
    for position in range(first, first + count):
        logits = model.step(WAYS[name][1], tokens, position, caches)
        tokens = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]


def check(name):
    model = Dense(40)
    caches = make_caches(name, 2, 40)
    tokens = torch.randint(256, (2, 40))
    steps = [model.step(WAYS[name][1], tokens[:, position], position, caches) for position in range(40)]
    difference = (torch.stack(steps, 1) - model.whole(tokens)).abs().max().item()
    if difference > 1e-4:
        sys.exit(f"{name}: PyTorch's cached logits are {difference} from those of a whole pass")


def time_dense(given, name, model, length, batch):
    """Milliseconds a token, a mean over the positions of a sequence."""
    caches = make_caches(name, batch, length)
    tokens = torch.zeros(batch, dtype=torch.long)
    total = 0
    for part in range(PARTS):
        middle = (2 * part + 1) * length // (2 * PARTS) - given.tokens // 2
        decode(model, name, caches, middle - 2, 2, tokens)  # compiles, and takes memory
        start = time.perf_counter()
        decode(model, name, caches, middle, given.tokens, tokens)
        total += time.perf_counter() - start
    return 1e3 * total / (PARTS * given.tokens)


def run_program(command):
    start = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}")
    return time.perf_counter() - start


def make_checkpoint(program, folder, length):
    run = folder / f"run-{length}"
    if (run / "config.yaml").exists():
        return run
    (folder / "bytes").write_bytes(os.urandom(30 * length))
    config = folder / f"small-{length}.yaml"
    config.write_text(f"""data: {{source: bytes, path: bytes, sequence: {length}}}
model:
  layers: {LAYERS}
  width: {WIDTH}
  heads: {HEADS}
  qk_ratio: {HEADS * QUERY / WIDTH}
  feedforward_ratio: {INNER // WIDTH}
  attention: {{stride: {128 if length >= 12288 else 96}, layers: [local+column]}}
training: {{steps: 1, batch: 1, evaluate_every: 0, sample_every: 0, device: cpu}}
""")
    run_program([program, "train", "--quiet", str(config), "--run", str(run)])
    return run


def time_ours(program, run, length, batch):
    def seconds(tokens):
        return run_program([program, "sample", "--quiet", str(run), "--out", "-", "--count", str(batch), "--batch",
                            str(batch), "--length", str(tokens), "--set", "training.device=cpu"])

    return 1e3 * (seconds(length) - seconds(1)) / (length - 1)


def compare(given, folder, length, batch):
    run = make_checkpoint(given.program, folder, length)
    model = Dense(length)
    times = {name: [] for name in ["ours", *WAYS]}
    for round_number in range(given.rounds):
        times["ours"].append(time_ours(given.program, run, length, batch))
        for name in WAYS:
            times[name].append(time_dense(given, name, model, length, batch))
        shown = ", ".join(f"{name} {all_times[-1]:.2f}" for name, all_times in times.items())
        print(f"n {length}, batch {batch}, round {round_number + 1}: {shown} ms", file=sys.stderr)
    medians = {name: statistics.median(all_times) for name, all_times in times.items()}
    fastest = min(medians[name] for name in WAYS)
    cells = " | ".join(f"{median:.2f}" for median in medians.values())
    return f"| {length:,} | {batch} | {cells} | {fastest / medians['ours']:.2f}x |"


@torch.inference_mode()
def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("--length", type=int, action="append")
    options.add_argument("--batch", type=int, action="append")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tokens", type=int, default=24)
    options.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("runs/compare-sampling"))
    given = options.parse_args()
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(1)
    for name in WAYS:
        check(name)
    rows = [compare(given, folder, length, batch)
            for length in given.length or [3072, 12288] for batch in given.batch or [1, 16]]
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}; "
          f"milliseconds a token of all sequences, medians of {given.rounds}")
    print(f"| n | batch | ours | {' | '.join(WAYS)} | ours is faster |\n|{' ---: |' * (len(WAYS) + 4)}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
