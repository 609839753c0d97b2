#!/usr/bin/env python3
"""Times attention and training steps beside the same in PyTorch, and prints one table of each.

Usage: scripts/compare-peers.py [--peers FOLDER] [--python PYTHON] [--rows ROW,...] [--rounds N] [--quick] [--no-bf16] PROGRAM

FOLDER has the peers, cpu_bench.py and train_bench.py (left out: ../shared/peers); PYTHON is one that has PyTorch. ROWs are
attention, tiny, small and enwik8 (left out: all). On the CPU, float32 except where bf16 is written:

  attention  forward and backward of one layer, one sequence: the best of the peers' compositions (chunk, parts, lucid) beside
             `PROGRAM benchmark --parts attention` for the same sizes
  others     training steps of train_bench's models: composed flash kernels (parts), chunks with a mask (chunk; it has no union
             and so is not run there), dense attention; each as it is and, but for --quick, compiled; beside `PROGRAM benchmark
             --parts step`. enwik8 has 2 of its layers. Its summaries are one block for all heads in the peers and rotate by
             head in ours: as many pairs in both.

Each is a process of its own, all in turn, some rounds; the tables have the medians. Ratio: the fastest peer's time over ours.
A run that is cut off (SIGINT, SIGTERM, a program that fails) prints the tables of what it has, and ends with 1.
"""
import argparse
import datetime
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

ATTENTION = {3072: (96, 10), 12288: (128, 2)}  # n: l, passes a round; 2 heads of 64, as in cpu_bench
KINDS = {"local": "local", "column": "column", "local+column": "strided", "dense": "dense"}  # ours: theirs
IMPLEMENTATIONS = ["chunk", "parts", "lucid", "dense"]
CYCLE = "column, local, local, local"
MODELS = {  # patterns of a row: train_bench's mode; steps a round; and what train_bench.MODELS says
    "tiny": ({"local+column": "union", CYCLE: "bT"}, 10, {}, "sequence: 1024",
             "layers: 4, width: 128, heads: 2, feedforward_ratio: 4, attention: {stride: 32"),
    "small": ({"local+column": "union", CYCLE: "bT"}, 2, {}, "shape: [32, 32, 3]",
              "layers: 8, width: 256, heads: 2, qk_ratio: 0.5, feedforward_ratio: 2, attention: {stride: 96"),
    "enwik8": ({"row+summary": "union"}, 1, {"--layers": "2"}, "sequence: 12288",
               "layers: 2, width: 512, heads: 8, feedforward_ratio: 4, attention: {stride: 128, summary: 32"),
}

# Runs with the peers' Python: milliseconds of each implementation of each kind.
TIME_ATTENTION = """
import json, sys
sys.path.insert(0, sys.argv[1])
import torch, cpu_bench
n, seconds, times = int(sys.argv[2]), float(sys.argv[3]), {}
l, c, heads, width = cpu_bench.SH[n]
for kind in sys.argv[4].split(","):
    for name, attend in cpu_bench.impls(kind, n, l, c, heads, width, False).items():
        if name not in sys.argv[5].split(","): continue
        q, k, v = (torch.randn(1, n, heads, width, requires_grad=True) for _ in range(3))
        d_out = torch.randn(1, n, heads, width)
        def both():
            q.grad = k.grad = v.grad = None
            attend(q, k, v).backward(d_out)
        times.setdefault(kind, {})[name] = 1e3 * cpu_bench.med(both, seconds)
print(json.dumps(times))
"""

# The same with train_bench, which computes in bf16 on the GPU alone: on the CPU, too.
TRAIN_IN_BF16 = """
import functools, sys
sys.path.insert(0, sys.argv.pop(1))
import torch, train_bench
cast = torch.autocast
torch.autocast = lambda device, dtype, **kept: cast(device, dtype, enabled=True)
train_bench.main()
"""


def output_of(command):
    """What it printed, or nothing where it failed, which is said."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"failed: {' '.join(str(word)[:60] for word in command[:6])} …: {last}", file=sys.stderr)
        return ""
    return done.stdout


class Table:
    """Figures of each row and column over the rounds."""

    def __init__(self):
        self.figures = {}

    def add(self, row, column, figure):
        if figure is None:
            return
        self.figures.setdefault(row, {}).setdefault(column, []).append(figure)
        print(f"{' '.join(row)}: {column} {figure:.4g}", file=sys.stderr)

    def median(self, row, column):
        figures = self.figures.get(row, {}).get(column)
        return statistics.median(figures) if figures else None

    def cell(self, row, column):
        median = self.median(row, column)
        return "-" if median is None else f"{median:.1f}"

    def ratio(self, row, ours, theirs):
        medians = [self.median(row, column) for column in theirs]
        medians = [median for median in medians if median is not None]
        own = self.median(row, ours)
        return f"{min(medians) / own:.2f}" if medians and own else "-"

    def percent(self, row, column):
        median = self.median(row, column)
        return "-" if median is None else f"{100 * median:.0f}%"


class Comparison:
    def __init__(self, given, folder):
        self.given, self.folder = given, folder
        self.attention, self.steps = Table(), Table()
        self.machine = {}
        self.rounds = 0  # that are whole

    def benchmark(self, name, data, model, arguments):
        config = self.folder / f"{name}.yaml"
        source = "images" if "shape" in data else "bytes"
        config.write_text(f"data: {{source: {source}, path: none, {data}}}\nmodel: {{{model}}}\n"
                          "training: {steps: 10, batch: 1, average: 0, device: cpu}\n")
        text = output_of([self.given.program, "benchmark", config, "--json", "--quiet", *arguments])
        if not text:
            sys.exit(1)
        result = json.loads(text)
        self.machine = result["machine"]
        return result

    def time_attention(self):
        for n, (stride, passes) in ATTENTION.items():
            ours = self.benchmark(
                "attention", f"sequence: {n}",
                f"layers: 3, width: 128, heads: 2, attention: {{stride: {stride}, layers: [local, column, local+column]}}",
                ["--parts", "attention", "--steps", passes, "--rounds", "3" if self.given.quick else "9"])
            for timed in ours["attention"]:
                row = (timed["pattern"], f"{n:,}")
                self.attention.add(row, "ours", timed["ms"])
                self.attention.add(row, "share", timed["share_of_limit"])
            theirs = output_of([self.given.python, "-c", TIME_ATTENTION, self.given.peers, n,
                                0.5 if self.given.quick else 2, ",".join(KINDS.values()), ",".join(IMPLEMENTATIONS)])
            for pattern, kind in KINDS.items():
                for name, milliseconds in json.loads(theirs or "{}").get(kind, {}).items():
                    self.attention.add((pattern, f"{n:,}"), name, milliseconds)

    def train(self, name, pattern):
        """Steps of ours and of the peers, in both precisions unless bf16 is left out."""
        modes, steps, more, data, model = MODELS[name]
        row, few = (name, pattern), self.given.quick or name == "enwik8"
        for precision in ("fp32",) if self.given.no_bf16 else ("fp32", "bf16"):
            ours = self.benchmark(name, data, f"{model}, layers: [{pattern}]}}",
                                  ["--parts", "step", "--steps", steps, "--rounds", "2" if few else "5",
                                   "--set", f"training.precision={precision}"])
            end = "" if precision == "fp32" else " bf16"
            sparse, dense = ours["models"]
            self.steps.add(row, "ours" + end, sparse["ms_per_step"])
            self.steps.add(row, "share" + end, sparse["share_of_limit"])
            self.steps.add(row, "our dense" + end, dense["ms_per_step"])
            self.steps.add(row, "time of dense" + end, ours["time_ratio"])
            self.steps.add(row, "FLOPs of dense" + end, ours["flops_ratio"])
        arguments = ["--model", name, "--device", "cpu", "--batch", "1", "--steps", max(steps, 2 if few else 5),
                     "--mode", modes[pattern], *(word for pair in more.items() for word in pair)]
        for column, script, implementation, compiled in self.peers(pattern):
            start = [self.given.python, "-c", TRAIN_IN_BF16, self.given.peers] if script else [
                self.given.python, self.given.peers / "train_bench.py"]
            printed = output_of([*start, *arguments, "--impl", implementation, *([] if compiled else ["--no-compile"])])
            found = re.search(r"([\d.]+) ms/step", printed)
            self.steps.add(row, column, float(found[1]) if found else None)

    def peers(self, pattern):
        """Column, whether in bf16, implementation, whether compiled."""
        names = {"parts": "fa2", "chunk": "chunk", "dense": "dense"}
        if pattern != CYCLE:
            del names["chunk"]
        for name, implementation in names.items():
            yield name, False, implementation, False
            if not self.given.quick:
                yield name + " compiled", False, implementation, True
        if not self.given.no_bf16:
            yield "parts bf16", True, "fa2", False

    def run(self):
        for round_number in range(self.given.rounds):
            print(f"round {round_number + 1} of {self.given.rounds}", file=sys.stderr)
            if "attention" in self.given.rows:
                self.time_attention()
            for name in MODELS:
                if name in self.given.rows:
                    for pattern in MODELS[name][0]:
                        self.train(name, pattern)
            self.rounds += 1

    def rounds_text(self):
        text = f"medians of {self.rounds} round{'' if self.rounds == 1 else 's'}"
        return text if self.rounds == self.given.rounds else f"CUT OFF: {text} and a part"

    def print_tables(self):
        if not self.machine:
            return
        own_version = output_of([self.given.program, "--version"]).splitlines()[0]
        versions = output_of([self.given.python, "-c", "import sys, torch; print(sys.version.split()[0], torch.__version__)"])
        print(f"{self.machine['processor']}, {self.machine['instructions']}, {self.machine['threads']} threads; "
              f"{datetime.date.today()}; {own_version}, LibTorch "
              f"{self.machine['libtorch']}; Python and PyTorch {versions.strip()}; {self.rounds_text()}; "
              f"load {os.getloadavg()[2]:.1f}")
        if self.attention.figures:
            print("\nAttention alone, forward + backward, float32, batch 1, 2 heads of 64, ms\n")
            names = [name for name in IMPLEMENTATIONS
                     if any(name in columns for columns in self.attention.figures.values())]
            print_row(["pattern", "n", "ours", *names, "ratio", "ours, of the limit"])
            print_row(["---"] * (5 + len(names)))
            for row in self.attention.figures:
                table = self.attention
                print_row([*row, table.cell(row, "ours"), *(table.cell(row, name) for name in names),
                           table.ratio(row, "ours", names), table.percent(row, "share")])
        if self.steps.figures:
            print("\nTraining step, batch 1, ms\n")
            theirs = ["parts", "parts compiled", "chunk", "chunk compiled", "dense", "dense compiled"]
            print_row(["model", "patterns", "ours", *theirs, "ratio", "of the limit", "ours bf16", "parts bf16", "ratio",
                       "of the limit", "our dense", "time of dense's", "FLOPs of dense's"])
            print_row(["---"] * 18)
            for row in self.steps.figures:
                table = self.steps
                print_row([*row, table.cell(row, "ours"), *(table.cell(row, name) for name in theirs),
                           table.ratio(row, "ours", theirs), table.percent(row, "share"), table.cell(row, "ours bf16"),
                           table.cell(row, "parts bf16"), table.ratio(row, "ours bf16", [*theirs, "parts bf16"]),
                           table.percent(row, "share bf16"), table.cell(row, "our dense"),
                           table.percent(row, "time of dense"), table.percent(row, "FLOPs of dense")])


def stop(number, _frame):
    signal.signal(number, signal.SIG_IGN)  # the tables come yet
    sys.exit(1)


def print_row(cells):
    print("| " + " | ".join(cells) + " |")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    root = pathlib.Path(__file__).resolve().parent.parent
    options.add_argument("--peers", type=pathlib.Path, default=root.parent / "shared/peers")
    options.add_argument("--python", default=sys.executable)
    rows = ["attention", *MODELS]
    options.add_argument("--rows", default=rows, type=lambda text: text.split(","))
    options.add_argument("--rounds", type=int)
    options.add_argument("--quick", action="store_true", help="one round, of fewer repetitions, nothing compiled")
    options.add_argument("--no-bf16", action="store_true",
                         help="float32 alone: a processor without bfloat16 takes the peers' bf16 half a minute a step")
    given = options.parse_args()
    given.rounds = given.rounds or (1 if given.quick else 3)
    unknown = [row for row in given.rows if row not in rows]
    if unknown:
        options.error(f"--rows: got '{unknown[0]}', expected {', '.join(rows)}")
    if not (given.peers / "cpu_bench.py").exists():
        options.error(f"--peers: {given.peers} has no cpu_bench.py")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(given, pathlib.Path(folder))
        try:
            comparison.run()
        finally:
            comparison.print_tables()


if __name__ == "__main__":
    main()
