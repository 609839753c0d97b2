#!/usr/bin/env bash
# Fails when clang-format would change one of the tracked sources, and says where.
#
# Usage: scripts/check-format.sh [--fix]
#   --fix   change the files instead
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

list_sources() { git ls-files -z '*.h' '*.cpp' '*.cu' '*.cuh' '*.inl'; }

if [[ ${1:-} == --fix ]]; then
  list_sources | xargs -0 --no-run-if-empty clang-format -i
elif ! report=$(list_sources | xargs -0 --no-run-if-empty clang-format --dry-run -Werror 2>&1); then
  sed -n 's/^\([^:]*:[0-9]*\):.*error: .*/\1: not as clang-format has it/p' <<<"$report" | uniq
  die "scripts/check-format.sh --fix puts it right"
fi
