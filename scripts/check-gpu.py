#!/usr/bin/env python3
"""Runs what needs a GPU out of the folder that scripts/bundle.sh made, and prints one table.

Usage: run.sh check [PART...] [--minutes MINUTES] [FOLDER]

PARTs, all of them when left out:
  tests      the tests for CUDA, and runs of the program: the CPU's losses again, a resumed run bit for bit, samples
  sanitizer  compute-sanitizer over the kernels' tests (the one in $PATH, or $SANITIZER)
  benchmark  the paper's models in bf16: attention, steps, sampling, and a step over 1,048,576 tokens
  peers      the programs in the folder $PEERS (attn_bench.py, train_bench.py) at the same sizes

FOLDER (left out: check) gets results.json and what each step printed. After MINUTES (left out: 9) what is running is cut off
and nothing more begins: the same command again goes on with what is left. What has failed is run again; what has passed is not
unless its line in results.json is removed. Ends with 0 where all that was asked for has passed.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

BUNDLE = pathlib.Path(__file__).resolve().parent
PROGRAM = BUNDLE / "bin/sparse-transformer"
PARTS = ["tests", "sanitizer", "benchmark", "peers"]
ON_CUDA = "*cuda*:*Cuda*:*CUDA*"
TESTS = [BUNDLE / f"bin/{room}_test" for room in ("runtime", "attention", "model", "generation", "training")]

# Of one sequence that the program draws; heads that our own kernels serve.
TINY = """
data: {source: generated, shape: [16, 16, 1], generated: {kind: pictures, items: 200}}
model: {layers: 2, width: 64, heads: 2, dropout: 0.1, attention: {stride: 16, layers: [local+column, local]}}
training: {steps: 12, batch: 4, learning_rate: 0.003, warmup: 2, schedule: constant, log_every: 2, evaluate_every: 0,
           sample_every: 0, checkpoint_every: 6}
"""
# As the peers' models: nothing computed again, no dropout, one micro-batch.
PLAIN = ["training.precision=bf16", "training.recompute=none", "model.dropout=0"]
STEPS = {  # our config: sequences, the peers' model and mode
    "cifar10": (8, "cifar", "bT"),
    "enwik8": (4, "enwik8", "union"),
    "imagenet64": (2, "imagenet64", "bT"),
}
ATTENTION = {  # n, as in the peers' attn_bench: our config, sequences, stride
    3072: ("cifar10", 32, 96),
    12288: ("enwik8", 8, 128),
    65536: ("enwik8", 1, 256),
}
KINDS = {"local": "local", "column": "column", "local+column": "strided", "row+summary": "fixed", "dense": "dense"}


class Failure(Exception):
    """What a step failed with, in a line."""


class OutOfTime(Exception):
    """The step was cut off."""


def first_line(text):
    return (text.strip().splitlines() or ["no message"])[-1][:160]


class Check:
    def __init__(self, folder, minutes):
        self.folder, self.end = folder, time.monotonic() + 60 * minutes
        self.results_path = folder / "results.json"
        folder.mkdir(parents=True, exist_ok=True)
        self.results = json.loads(self.results_path.read_text()) if self.results_path.exists() else {}
        self.outcomes = {}  # of this run's steps

    def output_of(self, name, command, seconds=570):
        """What it printed, which is kept as FOLDER/name.log, too. Its whole group of processes ends with it."""
        seconds = min(seconds, self.end - time.monotonic())
        if seconds <= 0:
            raise OutOfTime
        with open(self.folder / f"{name}.log", "w+", encoding="utf-8", errors="replace") as log:
            process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True)
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                raise OutOfTime from None
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            log.seek(0)
            text = log.read()
        if code:
            raise Failure(f"exit {code}: {first_line(text)}")
        return text

    def step(self, name, run):
        """run() gives the figures of the step."""
        if self.results.get(name, {}).get("outcome") == "passed":
            self.outcomes[name] = "passed"
            return
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            figures = run() or {}
            result = {"outcome": "passed", **figures}
        except Failure as failure:
            result = {"outcome": f"FAILED: {failure}"}
        except OutOfTime:
            result = {"outcome": "left: no time"}
        self.outcomes[name] = result["outcome"]
        self.results[name] = result
        self.results_path.write_text(json.dumps(self.results, indent=1) + "\n")

    # --- tests

    def tests(self):
        for program in TESTS:
            self.step(f"tests {program.name}", lambda program=program: self.test(program))
        self.step("tests runs", self.runs)

    def test(self, program):
        text = self.output_of(program.name, [program, f"--gtest_filter={ON_CUDA}"])
        passed, skipped = (int(found[1]) if (found := re.search(rf"\[  {word} +\] (\d+) test", text)) else 0
                           for word in ("PASSED", "SKIPPED"))
        if skipped:
            raise Failure(f"{skipped} skipped")
        return {"note": f"{passed} tests"}

    def runs(self):
        """Training on both devices, going on from a checkpoint, and samples."""
        config = self.folder / "tiny.yaml"
        config.write_text(TINY)

        def train(name, *settings, resumed=False):
            run = self.folder / "runs" / name
            if not resumed:
                shutil.rmtree(run, ignore_errors=True)
            start = ["--run", run, "--resume"] if resumed else [config, "--run", run]
            sets = [word for setting in settings for word in ("--set", setting)]
            self.output_of(f"train-{name}", [PROGRAM, "train", *start, *sets])
            return run

        cpu = bits_of(train("cpu", "training.device=cpu"))
        for precision, tolerance in (("fp32", 1e-3), ("bf16", 3e-2)):
            device = ["training.device=cuda", f"training.precision={precision}"]
            run = train(precision, *device)
            difference = max(abs(a - b) for a, b in zip(cpu, bits_of(run), strict=True))
            if not difference <= tolerance:
                raise Failure(f"{precision}: losses differ from the CPU's by up to {difference:.2g} bits")
            train(f"{precision}-resumed", *device, "training.steps=6")
            resumed = train(f"{precision}-resumed", "training.steps=12", resumed=True)
            for name in ("model", "average", "optimizer"):
                one, other = (data_of(folder / f"checkpoints/step-00000012/{name}.safetensors") for folder in (run, resumed))
                if one != other:
                    raise Failure(f"{precision}: {name} of the resumed run is not that of the whole run")
            self.output_of(f"sample-{precision}", [PROGRAM, "sample", run, "--count", "4", "--out",
                                                   self.folder / f"sample-{precision}.png", "--overwrite"])
        return {"note": "losses as on the CPU, resumed bit for bit, sampled"}

    # --- sanitizer

    def sanitizer(self):
        tool = os.environ.get("SANITIZER") or shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        for kind in ("memcheck", "racecheck", "initcheck"):
            for program in TESTS[1:]:
                tests = f"{ON_CUDA}:-*Long*:EveryPattern*:ChosenKernels*" if kind == "memcheck" else "*Cuda*SmallCase*"

                def run(kind=kind, program=program, tests=tests):
                    if not pathlib.Path(tool).exists():
                        raise Failure("no compute-sanitizer here")
                    self.output_of(f"{kind}-{program.name}", [tool, "--tool", kind, "--error-exitcode", "9", program,
                                                              "--gtest_brief=1", f"--gtest_filter={tests}"], seconds=300)

                self.step(f"sanitizer {kind} {program.name}", run)

    # --- benchmark

    def benchmark(self):
        for name, (batch, _, _) in STEPS.items():
            self.step(f"benchmark step {name}", lambda name=name, batch=batch: self.measure(
                f"step-{name}", name, "step", [*PLAIN, f"training.batch={batch}", f"training.micro_batch={batch}"]))
        for n, (config, batch, stride) in ATTENTION.items():
            patterns = "[local, column, local+column" + (", row+summary]" if config == "enwik8" else "]")
            settings = [*PLAIN, f"training.batch={batch}", f"training.micro_batch={batch}", "model.layers=4",
                        f"model.attention.stride={stride}", f"model.attention.layers={patterns}"]
            if config == "enwik8":
                settings.append(f"data.sequence={n}")
            self.step(f"benchmark attention {n}", lambda n=n, config=config, settings=settings: self.measure(
                f"attention-{n}", config, "attention", settings))
        self.step("benchmark sampling cifar10", lambda: self.measure("sampling", "cifar10", "sampling", PLAIN, "--batch", "64"))
        self.step("benchmark step music-1048576", lambda: self.measure("step-music-1048576", "music-1048576", "step",
                                                                       ["training.precision=bf16"]))

    def measure(self, name, config, part, settings, *arguments):
        sets = [word for setting in settings for word in ("--set", setting)]
        text = self.output_of(name, [PROGRAM, "benchmark", BUNDLE / f"configs/{config}.yaml", "--json", "--quiet", "--parts",
                                     part, "--seconds", "60", "--set", "training.device=cuda", *sets, *arguments])
        return {"measured": json.loads(text[text.index("{"):])}

    # --- peers

    def peers(self):
        folder = pathlib.Path(os.environ.get("PEERS", ""))
        if not os.environ.get("PEERS"):
            self.step("peers", lambda: fail("$PEERS names no folder"))
            return
        for n, (_, batch, _) in ATTENTION.items():
            for kind in KINDS.values():
                command = [sys.executable, folder / "attn_bench.py", "--n", n, "--batch", batch, "--kinds", kind, "--reps", "10"]
                self.step(f"peers attention {n} {kind}",
                          lambda n=n, kind=kind, command=command: attention_times(self.output_of(f"peers-{n}-{kind}", command)))
        for batch, model, mode in STEPS.values():
            for implementation in ("fa2", "cudnn", "flex", "dense-cudnn"):
                for graph in ((), ("--cuda-graph",)):
                    command = [sys.executable, folder / "train_bench.py", "--model", model, "--mode", mode, "--batch", batch,
                               "--impl", implementation, "--res16", *graph]
                    name = f"peers step {model} {implementation}" + (" graph" if graph else "")
                    self.step(name, lambda name=name, command=command: step_time(
                        self.output_of(name.replace(" ", "-"), command)))

    # --- the table

    def print_table(self):
        rows = [["what", "outcome", "ours, ms", "of the limit", "kernel", "best peer, ms", "peer", "ratio"]]
        for name, outcome in self.outcomes.items():
            result = self.results.get(name, {})
            if "measured" in result:
                rows += [[name, outcome, *row] for row in self.measured_rows(name, result["measured"])]
            elif not name.startswith("peers") or outcome != "passed":
                rows.append([name, f"{outcome}: {result['note']}" if "note" in result else outcome, *6 * [""]])
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())

    def measured_rows(self, name, measured):
        what = name.split()[-1]
        for timed in measured["attention"]:
            peers = self.results.get(f"peers attention {what} {KINDS.get(timed['pattern'])}", {}).get("ms", {})
            yield [*ours(timed["pattern"], timed["ms"], timed), *best(peers, timed["ms"])]
        for timed in measured["models"]:
            model = STEPS.get(what, (0, what, ""))[1]
            beginning = f"peers step {model} "
            peers = {key[len(beginning):]: result["ms"]["step"] for key, result in self.results.items()
                     if key.startswith(beginning) and "ms" in result}
            yield [*ours(timed["pattern"], timed["ms_per_step"], timed), *best(peers, timed["ms_per_step"])]
        for timed in measured["sampling"]:
            yield [*ours(f"{timed['sequences']} at a time, a token", timed["ms_per_token"], timed), "", "", ""]


def ours(what, milliseconds, timed):
    return [f"{milliseconds:.3f} ({what})", f"{100 * timed['share_of_limit']:.0f}%", timed.get("kernel", "")]


def best(peers, own):
    if not peers:
        return ["", "", ""]
    name = min(peers, key=peers.get)
    return [f"{peers[name]:.3f}", name, f"{peers[name] / own:.2f}"]


def fail(why):
    raise Failure(why)


def bits_of(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["train_bits"] for line in lines if "train_bits" in line]


def data_of(path):
    """The tensors of a safetensors file, without what is said about them."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little"):]


def attention_times(text):
    """Milliseconds of each implementation, forward and backward, in a CUDA graph where that is faster."""
    times = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 11 and "/" in words[3]:
            times[words[7]] = min(float(word) for word in words[9:11] if word != "nan")
    if not times:
        raise Failure(first_line(text))
    return {"ms": times}


def step_time(text):
    found = re.search(r"([\d.]+) ms/step", text)
    if not found:
        raise Failure(first_line(text))
    return {"ms": {"step": float(found[1])}}


def has_gpu():
    import torch
    return torch.cuda.is_available()


def main():
    options = argparse.ArgumentParser(prog="run.sh check", description=__doc__, usage=argparse.SUPPRESS,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="PART or FOLDER")
    options.add_argument("--minutes", type=float, default=9)
    given = options.parse_args()
    parts = [name for name in given.names if name in PARTS] or PARTS
    folders = [name for name in given.names if name not in PARTS]
    if len(folders) > 1:
        options.error(f"more than one folder: {' '.join(folders)}; parts are {', '.join(PARTS)}")
    check = Check(pathlib.Path(folders[0] if folders else "check").resolve(), given.minutes)
    if has_gpu():
        for part in parts:
            getattr(check, part)()
    else:
        check.outcomes = dict.fromkeys(parts, "no GPU")
    check.print_table()
    sys.exit(any(outcome != "passed" for outcome in check.outcomes.values()))


if __name__ == "__main__":
    main()
