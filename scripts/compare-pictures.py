#!/usr/bin/env python3
"""Times `prepare` on PNG and JPEG files beside a loop over them with Pillow, and prints one table.

Usage: scripts/compare-pictures.py [--count N] [--side N] [--rounds N] [--folder FOLDER] PROGRAM

Makes N pictures (half of them PNG, half JPEG, 96 to 320 pixels a side) in FOLDER, unless they are there, and packs them
as `--side` x `--side` pixels, cropped and resized with antialiasing:

  ours      PROGRAM prepare, to a packed file
  pillow    a pool of processes, one a core, each decoding with Pillow; into one array, saved by numpy
  draft     the same, JPEG files decoded at a fraction of their size where that is enough (Image.draft)

In turn, `--rounds` times; the table has the medians, and what memory ours took (not counting mapped files) for a tenth
of the pictures and for all. Needs numpy and Pillow.
"""
import argparse
import multiprocessing
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy
from PIL import Image, ImageFilter, ImageOps


def make_picture(task):
    """A smooth, noisy picture from its number alone."""
    path, number = task
    random = numpy.random.default_rng(number)
    width, height = (int(side) for side in random.integers(96, 321, 2))
    coarse = random.integers(0, 256, (6, 6, 3), dtype=numpy.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.BICUBIC)
    noise = random.normal(0, 6, (height, width, 3))
    pixels = numpy.clip(numpy.asarray(picture) + noise, 0, 255).astype(numpy.uint8)
    picture = Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(0.5))
    picture.save(path, **({"quality": 90} if path.suffix == ".jpg" else {"compress_level": 6}))


def make_pictures(folder, count):
    paths = [folder / f"{i // 1000:03}" / f"{i:06}{'.jpg' if i % 2 else '.png'}" for i in range(count)]
    missing = [(path, i) for i, path in enumerate(paths) if not path.exists()]
    for path in {path.parent for path in paths}:
        path.mkdir(parents=True, exist_ok=True)
    with multiprocessing.Pool() as pool:
        for done, _ in enumerate(pool.imap_unordered(make_picture, missing, 64), 1):
            if done % 5000 == 0:
                print(f"made {done:,} of {len(missing):,} pictures", file=sys.stderr)
    return paths


def decode(task):
    path, side, draft = task
    with Image.open(path) as picture:
        if draft:
            picture.draft("RGB", (side, side))
        picture = ImageOps.exif_transpose(picture).convert("RGB")
        return numpy.asarray(ImageOps.fit(picture, (side, side), Image.BICUBIC))


def pack_with_pillow(paths, side, draft, out):
    array = numpy.empty((len(paths), side, side, 3), numpy.uint8)
    with multiprocessing.Pool() as pool:
        tasks = ((path, side, draft) for path in paths)
        for i, pixels in enumerate(pool.imap(decode, tasks, 64)):
            array[i] = pixels
    numpy.save(out, array)


def anonymous_memory(process):
    try:
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)


def pack_with_ours(program, folders, side, out):
    """The most memory that it took, in MiB."""
    command = [program, "prepare", "--quiet", "--overwrite", "--out", str(out), str(out.parent / "prepare.yaml")]
    listed = ", ".join(str(folder) for folder in folders)
    (out.parent / "prepare.yaml").write_text(
        f"data: {{source: images, path: [{listed}], shape: [{side}, {side}, 3], split: {{valid: 0.01, test: 0.01}}}}\n")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        most = max(most, anonymous_memory(process))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    return most / 1024


def seconds(task):
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("program")
    options.add_argument("--count", type=int, default=50_000)
    options.add_argument("--side", type=int, default=64)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("runs/compare-pictures"))
    given = options.parse_args()
    folder = given.folder.absolute()
    paths = make_pictures(folder / "pictures", given.count)
    folders = sorted({path.parent for path in paths})
    out = folder / "packed.safetensors"
    ways = {
        "ours": lambda: pack_with_ours(given.program, folders, given.side, out),
        "pillow": lambda: pack_with_pillow(paths, given.side, False, folder / "pillow.npy"),
        "draft": lambda: pack_with_pillow(paths, given.side, True, folder / "draft.npy"),
    }
    times = {name: [] for name in ways}
    for round_number in range(given.rounds):
        for name, way in ways.items():
            times[name].append(seconds(way))
            print(f"round {round_number + 1}: {name} {times[name][-1]:.1f} s", file=sys.stderr)
    medians = {name: statistics.median(all_times) for name, all_times in times.items()}
    print(f"{given.count:,} pictures to {given.side} x {given.side}, {os.cpu_count()} cores, medians of {given.rounds}")
    print("| way | seconds | pictures a second | ours is faster |\n| --- | --- | --- | --- |")
    for name, median in medians.items():
        print(f"| {name} | {median:.1f} | {given.count / median:,.0f} | {median / medians['ours']:.2f}x |")
    few = pack_with_ours(given.program, folders[: max(1, len(folders) // 10)], given.side, out)
    many = pack_with_ours(given.program, folders, given.side, out)
    print(f"memory of ours: {few:.0f} MiB for a tenth of the pictures, {many:.0f} MiB for all")


if __name__ == "__main__":
    main()
