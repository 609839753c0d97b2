#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests. May be run again cheaply.
#
# Usage: scripts/test.sh [PRESET] [CTEST-OPTION...]
#   PRESET   release, debug, sanitize or cuda. Left out: cuda where there is a GPU, else release.
#
# Examples:
#   scripts/test.sh
#   scripts/test.sh sanitize
#   scripts/test.sh release --tests-regex Pattern
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

preset=$(default_preset)
if [[ ${1:-} =~ ^[^-] ]]; then
  preset=$1
  shift
fi
set_up_and_build "$preset"
ctest --preset "$preset" --parallel "$(build_jobs)" "$@"
