#!/usr/bin/env bash
# Puts the program and the tests of build/cuda and the shared libraries that they need beside LibTorch into one folder,
# stripped and packed, for a machine that has LibTorch (as Python's torch) and a GPU and nothing else.
#
# Usage: scripts/bundle.sh [FOLDER]
#   FOLDER   left out: build/bundle; it is made anew
#
# On the other machine: FOLDER/run.sh --help
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

folder=${1:-build/bundle}
if [[ -e $folder && ! -e $folder/run.sh ]]; then die "$folder exists and is no bundle; name another folder"; fi
set_up_and_build cuda
rm -rf "$folder"
mkdir -p "$folder"/{bin,lib}
cp build/cuda/app/sparse-transformer build/cuda/tests/*_test "$folder/bin"
rm "$folder/bin/app_test"  # it knows the program only by its place in the build folder
cp -r configs "$folder"

# What every Linux has, and what comes with LibTorch and is found by its own run path, stays behind.
ldd "$folder"/bin/* | awk '/=> \// {print $3}' | sort -u |
  grep -vE '/torch/lib/|/nvidia/|/lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s|cuda|nvidia.*)\.so' |
  while read -r library; do cp -L "$library" "$folder/lib"; done
strip "$folder"/bin/* "$folder"/lib/*
tar -C "$folder" --remove-files -czf "$folder/files.tar.gz" bin lib  # less than half; run.sh unpacks it

cp scripts/bundle-run.sh "$folder/run.sh"
cp scripts/check-gpu.py "$folder"
say "$(du -sh "$folder" | cut -f1) in $folder"
