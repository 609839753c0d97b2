#!/usr/bin/env bash
# Installs what is missing, builds, trains the quick start on pictures that the program draws itself, samples from it,
# and says where the pictures are. May be run again: only training and sampling are done anew, in a new run folder.
#
# Usage: scripts/demo.sh [PRESET]
#   PRESET   release or cuda. Left out: cuda where there is a GPU, else release.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

preset=${1:-$(default_preset)}
set_up_and_build "$preset" sparse-transformer

program=build/$preset/app/sparse-transformer
run=runs/demo-$(date +%Y%m%d-%H%M%S)
"$program" train configs/quickstart.yaml --run "$run"
"$program" sample "$run" --out "$run/demo-samples.png" --count 36
"$program" pattern configs/quickstart.yaml --out "$run/demo-pattern.png"

cat <<END

Samples of the trained model:    $PWD/$run/demo-samples.png
Training pictures, to compare:   $PWD/$run/samples/training.png
Who attends to whom:             $PWD/$run/demo-pattern.png
END
