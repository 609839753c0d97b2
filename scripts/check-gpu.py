#!/usr/bin/env python3
"""Runs what needs a GPU out of the folder that scripts/bundle.sh made, and prints one table.

Usage: run.sh check [PART...] [--minutes MINUTES] [--continue RESULTS] [FOLDER]

Two calls, of 4 and 6 minutes, are meant:
  run.sh check --minutes 4 FOLDER
  run.sh check --minutes 6 --continue results.json FOLDER

PARTs of the first call, together called tests; they are run if no part is named:
  canaries   one small test of each kernel family
  suites     the other tests for CUDA, each suite in a process of its own
  training   losses as on the CPU; a run that is killed and resumed; pictures and sound, sampled into FOLDER
PARTs of the second, run too if no part is named and RESULTS are given:
  benchmark  the program's speed: attention, training steps, sampling
  ncu        figures of single kernels (Nsight Compute: the one in $NCU, $PATH or /usr/local/cuda)
  peers      programs in PyTorch at the same sizes (the folder $PEERS, or the one in the bundle)
  sanitizer  compute-sanitizer over a small test of each kernel family ($SANITIZER, $PATH or /usr/local/cuda)
  rest       longer sequences and other peers

Each part has a share of MINUTES; what it leaves of its share is for the parts behind it. A step that does not end
within its own limit has failed; one that its part's share cuts off is left, and is run at the end if there is time.

FOLDER (left out: check) gets results.json, logs.tar.gz, pictures.png and sound.wav. RESULTS is the results.json of an
earlier call: what has passed there is not run again, and its figures are kept. Ends with 0 if all that ran has passed.
"""
import pathlib

from check_gpu.main import main

if __name__ == "__main__":
    main(__doc__, pathlib.Path(__file__).resolve().parent)
