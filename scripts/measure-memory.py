#!/usr/bin/env python3
"""Trains a small local+column model on longer and longer sequences, and prints the memory that each took.

Usage: scripts/measure-memory.py [--limit GIB] [--steps N] PROGRAM

n from 65,536 doubles up to 1,048,576, as long as `inspect` says that a step fits in GIB (left out: 10). 2 layers, 64 wide, one
head, the default stride (about √n), float32, training.recompute: block; random bytes, on the CPU. Memory is the most that was
resident of the whole process, the program's libraries included; tokens a second, the median of the steps but the first.
"""
import argparse
import datetime
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

LENGTHS = [65536 * 2**doubling for doubling in range(5)]
GIB = 2**30


def write_config(folder, n, steps):
    """A config whose training split has one sequence, and a valid and a test split that are not used."""
    size = n + 2 * 1024
    (folder / "data.bin").write_bytes(random.Random(n).randbytes(size))
    config = folder / "long.yaml"
    config.write_text(
        f"data: {{source: bytes, path: data.bin, sequence: {n}, split: {{valid: 1024, test: 1024}}}}\n"
        "model: {layers: 2, width: 64, heads: 1, attention: {layers: [local+column]}}\n"
        f"training: {{steps: {steps}, batch: 1, average: 0, warmup: 0, recompute: block, device: cpu, log_every: 1,\n"
        "  evaluate_every: 0, sample_every: 0}\n")
    return config


def run(command):
    """What it printed, and the most bytes that were resident of it. Ends where it fails."""
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True)
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(str(word) for word in command)}: exit code {process.returncode}")
    return printed, 1024 * usage.ru_maxrss


def median_speed(run_folder):
    lines = [json.loads(line) for line in (run_folder / "metrics.jsonl").read_text().splitlines()]
    speeds = [line["tokens_per_second"] for line in lines if "tokens_per_second" in line]
    return statistics.median(speeds[1:] or speeds)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program", type=pathlib.Path)
    options.add_argument("--limit", type=float, default=10)
    options.add_argument("--steps", type=int, default=3)
    given = options.parse_args()
    print(f"{datetime.date.today()}; {given.steps} steps\n")
    print("| n | keys a query | tokens/s | memory, MiB | MiB a thousand tokens | said by inspect, MiB |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for n in LENGTHS:
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            config = write_config(folder, n, given.steps)
            size = json.loads(run([given.program, "inspect", config, "--json"])[0])
            if size["memory_bytes"] > given.limit * GIB:
                print(f"n = {n:,} would take {size['memory_bytes'] / GIB:.1f} GiB", file=sys.stderr)
                break
            _, memory = run([given.program, "train", config, "--run", folder / "run", "--quiet"])
            mebibytes = memory / 2**20
            print(f"| {n:,} | {size['attention_pairs_per_query']:.1f} | {median_speed(folder / 'run'):,.0f} | {mebibytes:,.0f} | "
                  f"{1000 * mebibytes / n:.2f} | {size['memory_bytes'] / 2**20:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
