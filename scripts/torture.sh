#!/usr/bin/env bash
# Trains tiny models while everything goes wrong: kills in each phase, failing calls, full disks, damaged files, hostile
# checkpoints, two processes on one run, signals, closed descriptors. After each fault the run continues, and must end with
# the weights, figures and files of a run that met none. Prints what failed, with the command that repeats it, and counts.
#
# Usage: scripts/torture.sh MINUTES [SEED] [PROGRAM]
#        scripts/torture.sh --try SEED.NUMBER [PROGRAM]
#        scripts/torture.sh --soak MINUTES [PROGRAM]
#   MINUTES   may be a fraction; an hour on two cores is some 15,000 tries
#   SEED      of the random numbers; left out: 1
#   PROGRAM   left out: build/release/app/sparse-transformer, which is built first
#   --try     one try again; its commands are printed, and its folder is kept if it fails
#   --soak    one long run instead: its memory, descriptors and temporary files must not grow
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

options=()
case ${1:-} in
  --try | --soak)
    options=("$1" "${2:?"$1" needs a value (see scripts/torture.sh --help)}")
    shift 2
    ;;
  *)
    options=("${1:-1}" "${2:-1}")
    shift $(($# < 2 ? $# : 2))
    ;;
esac
program=${1:-build/release/app/sparse-transformer}
if [[ -z ${1:-} ]]; then set_up_and_build release sparse-transformer; fi
cmake --build --preset release --target fail_calls
PYTHONPATH=scripts PYTHONDONTWRITEBYTECODE=1 exec python3 -m torture --program "$program" \
  --preload build/release/tests/libfail_calls.so "${options[@]}"
