#!/usr/bin/env python3
"""Compares how the program reads sound files with FFmpeg (or with samples that lie beside them).

Usage: compare-sound-files.py PROGRAM FILE-OR-FOLDER...     needs numpy, av, safetensors (PyPI)

Each file is prepared at its own rate and compared sample by sample, as 8-bit µ-law, with the channels' mean by the
second decoder: a file of 16-bit little-endian samples with the ending .pcm in its place, else FFmpeg. Prints a line a
file (equal; near: within a step of µ-law; other length; other samples; refused; alone: FFmpeg refuses it) and counts.
"""
import collections, pathlib, subprocess, sys, tempfile

import av
import numpy as np
from safetensors.numpy import load_file

def mu_law(samples):
    """G.711, as files hold it, from samples in ±1."""
    s = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int64)
    size = np.minimum(np.abs(s), 32635) + 132
    exponent = np.floor(np.log2(size)).astype(np.int64) - 7
    code = (exponent << 4) | ((size >> (exponent + 3)) & 15)
    return (~(code | np.where(s < 0, 128, 0)) & 255).astype(np.uint8)


def linear(codes):
    c = ~codes.astype(np.int64) & 255
    size = (((c & 15) << 3) + 132 << (c >> 4 & 7)) - 132
    return np.where(c & 128, -size, size)


def ours(program, path, rate, folder):
    config, out = folder / "c.yaml", folder / "out.safetensors"
    config.write_text(f'data: {{source: audio, path: "{path}", sequence: 16, audio: {{sample_rate: {rate}}}, '
                      "split: {valid: 0, test: 0}}\n")
    done = subprocess.run([program, "prepare", config, "--out", out, "--overwrite"], capture_output=True, text=True)
    words = " ".join(line.replace(str(path), "") for line in done.stderr.splitlines() if "warning" in line or "error" in line)
    return (load_file(out)["train"].reshape(-1) if done.returncode == 0 else None), words, done.returncode


def mpeg_format(data):
    """Rate and channels of the first frame."""
    for i in range(len(data) - 4):
        if data[i] == 255 and data[i + 1] >> 5 == 7 and data[i + 1] >> 1 & 3 and data[i + 2] >> 2 & 3 != 3:
            rate = (44100, 48000, 32000)[data[i + 2] >> 2 & 3] >> {3: 0, 2: 1, 0: 2}.get(data[i + 1] >> 3 & 3, 0)
            return rate, 1 if data[i + 3] >> 6 == 3 else 2
    return 44100, 1


def values_of(frame):
    """[samples, channels] in ±1."""
    values = frame.to_ndarray().reshape((len(frame.layout.channels), -1) if frame.format.is_planar
                                        else (-1, len(frame.layout.channels)))
    if frame.format.is_planar:
        values = values.T
    if values.dtype == np.uint8:
        return (values.astype(float) - 128) / 128
    return values / -float(np.iinfo(values.dtype).min) if values.dtype.kind == "i" else values.astype(float)


def theirs(path):
    samples = path.with_suffix(".pcm")
    if samples.exists():
        rate, channels = mpeg_format(path.read_bytes())
        values = np.fromfile(samples, "<i2")
        return values[:len(values) // channels * channels].reshape(-1, channels).mean(1) / 32768, rate
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    return np.concatenate([values_of(f).mean(1) for f in frames]), frames[0].sample_rate


def is_near(tokens, expected):
    """A step of µ-law is 1/16 of the sample at most, and 8 near zero."""
    return (np.abs(linear(tokens) - linear(expected)) <= 16 + np.abs(linear(expected)) / 8).all()


def verdict(program, path, folder):
    try:
        expected, rate = theirs(path)
    except (av.error.FFmpegError, IndexError, ValueError) as error:
        tokens, words, code = ours(program, path, 44100, folder)
        return ("refused" if tokens is None else "alone"), f"{words} (FFmpeg: {error})", code
    tokens, words, code = ours(program, path, rate, folder)
    if tokens is None:
        return "refused", words, code
    expected = mu_law(expected)
    common = min(len(tokens), len(expected))
    if len(tokens) != len(expected):
        alike = [name for name, part in (("beginning", slice(0, common)), ("end", slice(-common, None)))
                 if common and is_near(tokens[part], expected[part])]
        return "other length", f"{len(tokens)} of {len(expected)}, alike from the {' '.join(alike) or 'none'} {words}", code
    if np.array_equal(tokens, expected):
        return "equal", words, code
    what = "near" if is_near(tokens, expected) else "other samples"
    return what, f"{(tokens != expected).mean():.2%} of the codes differ {words}", code


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    files = [f for a in map(pathlib.Path, sys.argv[2:]) for f in (sorted(a.rglob("*")) if a.is_dir() else [a]) if f.is_file()]
    counts = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            if path.suffix in (".pcm", ".txt", ".html", ".m3u"):
                continue
            what, words, code = verdict(sys.argv[1], path.resolve(), pathlib.Path(folder))
            counts[what if code in (0, 2) else f"exit {code}"] += 1
            print(f"{what:14} {path.name:40} {words}")
    print(*(f"{count} {what}" for what, count in counts.most_common()), sep=", ")


if __name__ == "__main__":
    main()
