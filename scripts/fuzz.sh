#!/usr/bin/env bash
# Feeds the readers of files with damaged ones, under the address and undefined-behaviour sanitizers, and stops at the
# first fault. Needs clang with its run-time libraries (Debian: clang libclang-rt-dev).
#
# Usage: scripts/fuzz.sh [SECONDS] [TARGET...]
#   SECONDS   for each target; left out: 60
#   TARGET    archive, config, midi, midi_pairing, numpy, packed, picture, png, sound, state or wav; left out: all, one
#             after another
#
# Starts from tests/fuzz/corpus/TARGET and collects what it finds in build/fuzz/found/TARGET, where the next call goes
# on. A fault is left as build/fuzz/found/TARGET-crash-…; to see it again: build/fuzz/tests/fuzz/fuzz_TARGET FILE
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

seconds=${1:-60}
[[ $seconds =~ ^[0-9]+$ ]] || { say "$seconds: expected seconds (see scripts/fuzz.sh --help)"; exit 2; }
targets=("${@:2}")
if ((${#targets[@]} == 0)); then targets=(archive config midi midi_pairing numpy packed picture png sound state wav); fi
command -v clang++ >/dev/null || die "clang is needed: apt-get install clang libclang-rt-dev"

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --parallel "$(build_jobs)"
for target in "${targets[@]}"; do
  [[ -x build/fuzz/tests/fuzz/fuzz_$target ]] || die "$target: no such target (see scripts/fuzz.sh --help)"
  mkdir -p "build/fuzz/found/$target"
  say "$target: $seconds s"
  "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="build/fuzz/found/$target-" \
    "build/fuzz/found/$target" "tests/fuzz/corpus/$target"
done
say "no fault"
