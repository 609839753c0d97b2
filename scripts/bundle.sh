#!/usr/bin/env bash
# Puts the program and the tests of build/cuda and the shared libraries that they need beside LibTorch into one folder,
# stripped and packed, for a machine that has LibTorch (as Python's torch) and a GPU and nothing else.
#
# Usage: scripts/bundle.sh [FOLDER]
#   FOLDER   left out: build/bundle; it is made anew
#   $PEERS   a folder with attn_bench.py and train_bench.py, which `run.sh check` compares with; it is copied too
#
# On the other machine: FOLDER/run.sh --help
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

folder=${1:-build/bundle}
most=60  # MiB
peers=${PEERS:-}
if [[ -e $folder && ! -e $folder/run.sh ]]; then die "$folder exists and is not a bundle; name another folder"; fi
if [[ -n $peers && ! -e $peers/attn_bench.py ]]; then die "$peers, which PEERS names, has no attn_bench.py"; fi
set_up_and_build cuda
rm -rf "$folder"
mkdir -p "$folder"/{bin,lib}
cp build/cuda/app/sparse-transformer build/cuda/tests/*_test "$folder/bin"
rm "$folder/bin/app_test"  # it knows the program only by its place in the build folder

libraries=$(ldd "$folder"/bin/* | awk '/=> \// {print $3}' | sort -u)
torch=$(dirname "$(grep '/libtorch_cpu\.so$' <<<"$libraries")")
# What every Linux has, and what comes with LibTorch, stays behind.
grep -vE '/torch/lib/|/nvidia/|/lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s|cuda|nvidia.*)\.so' <<<"$libraries" |
  while read -r library; do cp -L "$library" "$folder/lib"; done
strip "$folder"/bin/* "$folder"/lib/*

# The programs find their libraries through an RPATH, since a variable would change what Python and other tools load.
# `torch` is a link that run.sh makes. Unlike a RUNPATH, an RPATH also applies to the libraries' own libraries.
torch_path=$(patchelf --print-rpath "$torch/libtorch_cpu.so")
# shellcheck disable=SC2016  # the loader's variable, not the shell's
patchelf --force-rpath --set-rpath "${torch_path//'$ORIGIN'/'$ORIGIN/../torch'}:"'$ORIGIN/../lib' "$folder"/bin/*
patchelf --remove-rpath "$folder"/lib/*
tar -C "$folder" --remove-files -czf "$folder/files.tar.gz" bin lib  # less than half; run.sh unpacks it elsewhere

cp scripts/bundle-run.sh "$folder/run.sh"
cp -r scripts/check-gpu.py scripts/check_gpu configs "$folder"
rm -rf "$folder/check_gpu/__pycache__"
if [[ -n $peers ]]; then
  mkdir "$folder/peers"
  cp "$peers"/*.py "$folder/peers"
fi
size=$(du -s --block-size=1M --apparent-size "$folder" | cut -f1)
say "$size MiB in $folder"
if ((size > most)); then die "that is more than $most MiB"; fi
