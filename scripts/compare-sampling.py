#!/usr/bin/env python3
"""Times `sample` on the CPU beside cached dense decoding of the same model in PyTorch, and prints one table.

Usage: scripts/compare-sampling.py [--length N]... [--batch B]... [--rounds N] [--folder FOLDER] PROGRAM

The model: 8 layers of 256, 2 heads (queries and keys of 64, values of 128), feed-forward 512, float32, random weights;
local+column with rows of 96 for ours (128 from 12,288 tokens on), dense for PyTorch, which therefore need not keep to
any layout: keys and values of each head in memory taken beforehand, attention over the filled part of it.

  ours      PROGRAM sample, whole sequences, less a run of one token (start, reading the weights): milliseconds a token,
            averaged over all positions
  sdpa      PyTorch, scaled_dot_product_attention; without autograd, in inference mode
  matmul    the same with two products of matrices and a softmax
  compiled  the same, by torch.compile with lengths that vary

PyTorch is timed at the middles of eight equal parts of the sequence, `--tokens` tokens each, and averaged: its time grows
with the filled length. Before, its logits are compared with those of one pass over a whole sequence. In turn, `--rounds`
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


class Dense:
    """The model with random weights, and a cache of `batch` sequences of `length` tokens."""

    def __init__(self, batch, length):
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
        self.keys = torch.zeros(LAYERS, batch, HEADS, length, QUERY)
        self.values = torch.zeros(LAYERS, batch, HEADS, length, VALUE)

    def blocks(self, hidden, attend):
        """hidden: [batch, T, width]; gives logits."""
        for layer, (before, packed, out, between, expand, contract) in enumerate(self.layers):
            rows = F.linear(F.layer_norm(hidden, (WIDTH,), *before), *packed)
            heads = rows.unflatten(2, (HEADS, 2 * QUERY + VALUE)).transpose(1, 2)
            seen = attend(layer, *heads.split([QUERY, QUERY, VALUE], 3))
            hidden = hidden + F.linear(seen.transpose(1, 2).flatten(2), *out)
            inner = F.linear(F.layer_norm(hidden, (WIDTH,), *between), *expand)
            hidden = hidden + F.linear(inner * torch.sigmoid(1.702 * inner), *contract)
        return F.linear(F.layer_norm(hidden, (WIDTH,), *self.last), self.output)

    def whole(self, tokens):
        hidden = self.token[tokens] + self.place[: tokens.size(1)]
        return self.blocks(hidden, lambda _, *heads: F.scaled_dot_product_attention(*heads, is_causal=True))

    def step(self, tokens, position, attend):
        """tokens: [batch] of this position; gives logits [batch, 256]."""
        def cached(layer, query, key, value):
            self.keys[layer, :, :, position] = key[:, :, 0]
            self.values[layer, :, :, position] = value[:, :, 0]
            return attend(query, self.keys[layer, :, :, : position + 1], self.values[layer, :, :, : position + 1])

        return self.blocks((self.token[tokens] + self.place[position]).unsqueeze(1), cached)[:, 0]


def by_products(query, keys, values):
    return torch.softmax(query @ keys.transpose(2, 3) * QUERY**-0.5, 3) @ values


def decode(model, step, first, count, batch):
    """Seconds for `count` tokens from position `first` on."""
    tokens = torch.zeros(batch, dtype=torch.long)
    start = time.perf_counter()
    for position in range(first, first + count):
        logits = step(model, tokens, position)
        tokens = torch.multinomial(torch.softmax(logits, 1), 1)[:, 0]
    return time.perf_counter() - start


def check(step):
    model = Dense(2, 40)
    tokens = torch.randint(256, (2, 40))
    decoded = torch.stack([step(model, tokens[:, position], position) for position in range(40)], 1)
    difference = (decoded - model.whole(tokens)).abs().max().item()
    if difference > 1e-4:
        sys.exit(f"PyTorch's cached logits are {difference} from those of a whole pass")


def dense_ways():
    def eager(attend):
        return lambda model, tokens, position: model.step(tokens, position, attend)

    ways = {"sdpa": eager(F.scaled_dot_product_attention), "matmul": eager(by_products)}
    for name, attend in (("sdpa compiled", F.scaled_dot_product_attention), ("matmul compiled", by_products)):
        compiled = torch.compile(Dense.step, dynamic=True)
        ways[name] = lambda model, tokens, position, run=compiled, attend=attend: run(model, tokens, position, attend)
    return ways


def time_dense(model, step, length, tokens, batch):
    """Milliseconds a token, a mean over the positions of a sequence."""
    middles = [(2 * part + 1) * length // (2 * PARTS) for part in range(PARTS)]
    decode(model, step, middles[0], 3, batch)  # compiles, and takes memory
    return 1e3 * statistics.mean(decode(model, step, middle, tokens, batch) / tokens for middle in middles)


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


def compare(given, ways, folder, length, batch):
    run = make_checkpoint(given.program, folder, length)
    model = Dense(batch, length)
    times = {name: [] for name in ["ours", *ways]}
    for round_number in range(given.rounds):
        times["ours"].append(time_ours(given.program, run, length, batch))
        for name, step in ways.items():
            times[name].append(time_dense(model, step, length, given.tokens, batch))
        shown = ", ".join(f"{name} {all_times[-1]:.2f}" for name, all_times in times.items())
        print(f"n {length}, batch {batch}, round {round_number + 1}: {shown} ms", file=sys.stderr)
    medians = {name: statistics.median(all_times) for name, all_times in times.items()}
    fastest = min(medians[name] for name in ways)
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
    ways = dense_ways()
    for step in ways.values():
        check(step)
    rows = [compare(given, ways, folder, length, batch)
            for length in given.length or [3072, 12288] for batch in given.batch or [1, 16]]
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, PyTorch {torch.__version__}; "
          f"milliseconds a token of all sequences, medians of {given.rounds}")
    print(f"| n | batch | ours | {' | '.join(ways)} | ours is faster |\n|{' ---: |' * (len(ways) + 4)}")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
