#!/usr/bin/env python3
"""Runs what needs a GPU out of the folder that scripts/bundle.sh made, and prints one table.

Usage: run.sh check [PART...] [--minutes MINUTES] [--continue RESULTS] [FOLDER]

Use it in two calls:
  run.sh check --minutes 4 FOLDER
  run.sh check --minutes 6 --continue results.json FOLDER

PARTs of the first call, together called tests; run if no part is named:
  canaries   one small test of each kernel family
  suites     the other tests for CUDA, each suite in a process of its own
  training   losses as on the CPU; a run that is killed and resumed; pictures and sound, sampled into FOLDER
PARTs of the second call, run as well if no part is named and RESULTS are given:
  benchmark  the program's speed: attention, training steps, sampling
  ncu        figures of single kernels (Nsight Compute: the one in $NCU, $PATH or /usr/local/cuda)
  peers      programs in PyTorch at the same sizes (the folder $PEERS, or the one in the bundle)
  sanitizer  compute-sanitizer over a small test of each kernel family ($SANITIZER, $PATH or /usr/local/cuda)
  rest       longer sequences and other peers

Each part has a share of MINUTES (left out: as long as the parts are meant to take). Time that it does not use is shared
by the parts after it. A step that exceeds its own limit fails. A step that exceeds its part's share is left; it runs
again at the end if there is time.

FOLDER (left out: check) gets results.json, logs.tar.gz, pictures.png and sound.wav. RESULTS is the results.json of an
earlier call: steps that passed there are not run again, and their figures are kept. Ends with 0 if every step passed.
"""
import pathlib

from check_gpu.main import main

if __name__ == "__main__":
    main(__doc__, pathlib.Path(__file__).resolve().parent)
