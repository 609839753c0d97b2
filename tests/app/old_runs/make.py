#!/usr/bin/env python3
"""Makes the runs that tests/app/old_runs_test.cpp reads, with the program of an earlier commit.

Usage: make.py PROGRAM OUT

For each kind of data, OUT/KIND gets the config and the data, `run` (a finished run of a few steps) and `bits.json`:
the bits of the test split after the last step, and after two more steps of a copy of the run. Python's standard library
is enough. The runs name their data as /tmp/old-runs/KIND/…, because a run keeps whole paths.
"""
import json
import math
import pathlib
import shutil
import struct
import subprocess
import sys
import zlib

WORK = pathlib.Path("/tmp/old-runs")
STEPS = 6

# Settings of training; an average doubles the weights that are kept.
TRAINING = {"steps": STEPS, "batch": 4, "micro_batch": 2, "learning_rate": 0.01, "warmup": 2, "log_every": 2,
            "evaluate_every": STEPS, "evaluate_examples": 4, "sample_every": STEPS, "sample_count": 1,
            "checkpoint_every": STEPS, "keep": 1, "average": 0, "device": "cpu"}

# name: (data, model, more settings of training)
RUNS = {
    "text": ("{source: bytes, path: text.txt, sequence: 32, split: {valid: 400, test: 400}}",
             "{layers: 2, width: 4, heads: 2, dropout: 0.1, attention: {stride: 8, layers: [strided]}}", {"average": 0.9}),
    "text-bf16": ("{source: bytes, path: text.txt, sequence: 32, split: {valid: 400, test: 400}}",
                  "{layers: 1, width: 4, heads: 2, attention: {stride: 8, layers: [local+column]}}",
                  {"precision": "bf16", "recompute": "block"}),
    "text-fp16": ("{source: bytes, path: text.txt, sequence: 32, split: {valid: 400, test: 400}}",
                  "{layers: 1, width: 4, heads: 2, attention: {stride: 8, layers: [near+start],"
                  " define: {near: {window: {width: 6}}, start: {sink: {tokens: 2}}}}}",
                  {"precision": "fp16", "non_finite": "rollback"}),
    "pictures": ("{source: images, path: pictures, shape: [8, 8, 3], mirror: true, split: {valid: 4, test: 4}}",
                 "{layers: 2, width: 4, heads: 2, attention: {stride: 24, summary: 4, layers: [fixed]}}", {}),
    "raw-pictures": ("{source: bytes, path: pixels.bin, shape: [8, 8, 1], split: {valid: 4, test: 4}}",
                     "{layers: 1, width: 4, heads: 2, attention: {stride: 8, layers: [row+previous]}}", {}),
    "numpy": ("{source: numpy, path: pictures.npy, shape: [8, 8, 1], split: {valid: 4, test: 4}}",
              "{layers: 1, width: 4, heads: 2, attention: {stride: 8, layers: [dense]}}", {}),
    "cifar10": ("{source: cifar10, path: batches, split: {valid: 2}}",
                "{layers: 1, width: 4, heads: 2, attention: {stride: 96, layers: [[local, column]]}}",
                {"batch": 2, "sample_every": 0}),
    "sound": ("{source: audio, path: sounds, audio: {sample_rate: 4000}, sequence: 64, split: {valid: 1, test: 1}}",
              "{layers: 1, width: 4, heads: 2, attention: {stride: 8, layers: [strided]}}", {}),
    "scores": ("{source: midi, path: scores, midi: {voices: 2}, sequence: 64, transpose: 3,"
               " split: {valid: 1, test: 1}}",
               "{layers: 1, width: 4, heads: 2, attention: {stride: 8, layers: [row+summary], summary: 2}}", {}),
    "generated-pictures": ("{source: generated, shape: [8, 8, 3], generated: {items: 100},"
                           " split: {valid: 4, test: 4}}",
                           "{layers: 1, width: 4, heads: 2, attention: {stride: 24, layers: [strided]}}", {}),
    "generated-tunes": ("{source: generated, sequence: 512, generated: {kind: tunes, items: 100},"
                        " split: {valid: 2, test: 2}}",
                        "{layers: 1, width: 4, heads: 2, attention: {stride: 32, layers: [fixed], summary: 8}}",
                        {}),
    "packed": ("{source: packed, path: pictures.safetensors, shape: [8, 8, 3]}",
               "{layers: 1, width: 4, heads: 2, attention: {stride: 24, layers: [strided]}}", {}),
}


def text():
    words = ["the ", "sparse ", "model ", "reads ", "rows, ", "then ", "columns. "]
    state, result = 1, ""
    while len(result) < 3000:
        state = (state * 1664525 + 1013904223) % 2**32  # Numerical Recipes' generator
        result += words[(state >> 24) % len(words)]
    return result[:3000].encode()


def picture(number, height, width, channels):
    """A slope of grey or colour, other ones for other numbers."""
    return bytes((number * 7 + y * (3 + number % 5) + x * (9 - number % 4) + 40 * c) % 256
                 for y in range(height) for x in range(width) for c in range(channels))


def png(pixels, height, width):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    rows = b"".join(b"\0" + pixels[3 * width * y:3 * width * (y + 1)] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def npy(pixels, shape):
    header = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header.encode() + pixels


def wav(rate, frequency):
    samples = b"".join(struct.pack("<h", round(9000 * math.sin(6.2832 * frequency * i / rate)))
                       for i in range(rate // 4))
    form = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def midi(pitch):
    """A scale in quarter notes on two tracks, from this pitch on."""
    result = b"MThd" + struct.pack(">IHHH", 6, 1, 2, 96)
    for track in (0, 1):
        events = b"".join(bytes([0, 0x90, note, 0x40, 0x60, 0x80, note, 0])
                          for note in (pitch + i % 8 + 12 * track for i in range(16)))
        events += b"\0\xff\x2f\0"
        result += b"MTrk" + struct.pack(">I", len(events)) + events
    return result


def cifar(numbers):
    """Records of a label and three planes."""
    records = []
    for number in numbers:
        pixels = picture(number, 32, 32, 3)
        records.append(bytes([number % 10]) + pixels[0::3] + pixels[1::3] + pixels[2::3])
    return b"".join(records)


def files_of(name):
    if name.startswith("text"):
        return {"text.txt": text()}
    if name in ("pictures", "packed"):
        return {f"pictures/{i:02}.png": png(picture(i, 8, 8, 3), 8, 8) for i in range(24)}
    if name == "raw-pictures":
        return {"pixels.bin": b"".join(picture(i, 8, 8, 1) for i in range(40))}
    if name == "numpy":
        return {"pictures.npy": npy(b"".join(picture(i, 8, 8, 1) for i in range(40)), (40, 8, 8, 1))}
    if name == "cifar10":
        batches = {f"batches/data_batch_{i}.bin": cifar(range(2 * i, 2 * i + 2)) for i in range(1, 6)}
        return batches | {"batches/test_batch.bin": cifar((20, 21))}
    if name == "sound":
        return {f"sounds/{i}.wav": wav(4000, 200 + 50 * i) for i in range(6)}
    if name == "scores":
        return {f"scores/{i}.mid": midi(50 + i) for i in range(6)}
    return {}


def config_of(name):
    data, model, more = RUNS[name]
    training = ", ".join(f"{key}: {value}" for key, value in (TRAINING | more).items())
    return f"data: {data}\nmodel: {model}\ntraining: {{{training}}}\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


class Program:
    def __init__(self, path):
        self.path = path

    def run(self, *arguments):
        done = subprocess.run([self.path, *arguments], cwd=WORK, capture_output=True, text=True,
                              env={"OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"})
        if done.returncode != 0:
            sys.exit(f"{' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def bits(self, run):
        return json.loads(self.run("evaluate", run, "--json"))["bits"]


def make(program, name):
    folder = WORK / name
    for path, content in files_of(name).items():
        write(folder / path, content)
    write(folder / "config.yaml", config_of(name).encode())
    if name == "packed":
        pack = config_of("pictures").replace("path: pictures", f"path: {folder}/pictures").replace("mirror: true, ", "")
        write(folder / "pack.yaml", pack.encode())
        program.run("prepare", f"{name}/pack.yaml", "--out", f"{name}/pictures.safetensors")
        shutil.rmtree(folder / "pictures")
        (folder / "pack.yaml").unlink()
    program.run("train", f"{name}/config.yaml", "--run", f"{name}/run")
    shutil.copytree(folder / "run", WORK / "resumed", symlinks=True)
    program.run("train", "--run", "resumed", "--resume", "--set", f"training.steps={STEPS + 2}")
    bits = {"saved": program.bits(f"{name}/run"), "resumed": program.bits("resumed/checkpoints/latest")}
    write(folder / "bits.json", (json.dumps(bits) + "\n").encode())
    shutil.rmtree(WORK / "resumed")
    for events in (folder / "run").glob("events.out.tfevents.*"):  # its name has the machine's
        events.rename(events.with_name("events.out.tfevents.0000000000.host.1.0"))


def main(program, out):
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    for name in RUNS:
        make(Program(program.resolve()), name)
    for name in RUNS:
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.copytree(WORK / name, out / name, symlinks=True)
    shutil.rmtree(WORK)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
