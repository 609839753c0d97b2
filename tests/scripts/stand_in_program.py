#!/usr/bin/env python3
"""Stands in for the program in check_gpu_test.py: leaves the files that the real one leaves, and trains nothing.

$STAND_IN names its faults, between commas:
  differs   a resumed run ends with other tensors
  quick     a resumed run ends without a line of metrics, so that nobody can kill it in time
  losses    those on CUDA are wrong
  half      half a JSON object is printed
"""
import json
import os
import pathlib
import signal
import sys
import time

FAULTS = os.environ.get("STAND_IN", "").split(",")


def option(name, default=None):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def settings():
    pairs = [sys.argv[i + 1].split("=", 1) for i, word in enumerate(sys.argv) if word == "--set"]
    return dict(pairs)


def write_checkpoint(run, step, resumed):
    folder = run / "checkpoints" / f"step-{step:08d}"
    folder.mkdir(parents=True, exist_ok=True)
    header = b"{}"
    for name in ("model", "average", "optimizer"):
        tensors = b"other" if resumed and "differs" in FAULTS and name == "average" else b"tensors"
        (folder / f"{name}.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + tensors)
    (folder / "state.json").write_text(json.dumps({"step": step, "kernels": {"local": "own"}}))
    latest = run / "checkpoints" / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(folder.name)


def train():
    run = pathlib.Path(option("--run"))
    resumed = "--resume" in sys.argv
    if resumed:
        its = json.loads((run / "config.yaml").read_text())
        first = int((run / "checkpoints" / "latest").resolve().name[5:])
    else:
        its, first = settings(), 0
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(json.dumps(its))
    forever = not resumed and "steps: 100000" in pathlib.Path(sys.argv[2]).read_text()  # until it is interrupted
    steps = int(its.get("training.steps", 1000000 if forever else 12))
    every = int(its.get("training.checkpoint_every", 1000000 if forever else 12))
    wrong = 0.5 if "losses" in FAULTS and its["training.device"] != "cpu" else 0
    signal.signal(signal.SIGINT, lambda *_: (write_checkpoint(run, 20, False), os._exit(130)))
    for step in range(first + 10, steps + 10, 10):
        step = min(step, steps)
        if resumed and "quick" in FAULTS:
            continue
        with open(run / "metrics.jsonl", "a") as metrics:
            metrics.write(json.dumps({"step": step, "train_bits": 8 / step + wrong}) + "\n")
        if step % every == 0:
            write_checkpoint(run, step, resumed)
        if resumed or forever:
            time.sleep(0.01)


def benchmark():
    part = option("--parts")
    timed = {"ms": 2.0, "ms_per_step": 4.0, "ms_per_token": 1.0, "share_of_limit": 0.5, "kernel": "own",
             "sequences": 64}
    measured = {"attention": [], "models": [], "sampling": [], "left_out": []}
    if part == "attention":
        patterns = ("local", "column", "local+column", "dense")
        measured["attention"] = [{**timed, "pattern": pattern} for pattern in patterns]
    if part == "step":
        measured["models"] = [{**timed, "pattern": "strided"}, {**timed, "pattern": "dense"}]
    if part == "sampling":
        measured["sampling"] = [timed]
    text = json.dumps(measured)
    print("a line of the log\n" + (text[:len(text) // 2] if "half" in FAULTS else text))


def main():
    command = sys.argv[1]
    if command == "--version":
        print("sparse-transformer 0.0.0\ncuda: yes")
    elif command == "train":
        train()
    elif command == "evaluate":
        print(json.dumps({"bits": 2.5}))
    elif command == "sample":
        pathlib.Path(option("--out")).write_bytes(b"a picture or sound")
    elif command == "benchmark":
        benchmark()


main()
