#!/usr/bin/env bash
# Runs clang-tidy over the sources, those that changed last first, and fails where .clang-tidy names a fault. It takes
# some ten seconds a file: LibTorch's headers are read anew for each.
#
# Usage: scripts/check-tidy.sh [--minutes N] [--since REV] [FILE...]
#   --minutes N   start no further file after N minutes, and say which were left out
#   --since REV   only what changed since this revision
#   FILE...       only these; left out: all .cpp files
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

minutes=100000
if [[ ${1:-} == --minutes ]]; then
  minutes=$2
  shift 2
fi
range=()
if [[ ${1:-} == --since ]]; then
  range=("$2..HEAD")
  shift 2
fi

# Uncommitted changes, then each commit's files from the newest back. A header counts as the source of its name.
newest_first() {
  {
    git status --porcelain --no-renames --untracked-files=all | cut -c4-
    git log --format= --name-only "${range[@]}"
  } | sed 's/\.h$/.cpp/' | awk '/^(app|src|tests)\/.*\.cpp$/ && !seen[$0]++' |
    while read -r file; do if [[ -e $file ]]; then echo "$file"; fi; done
}

# A folder of its own: clang cannot read the precompiled header that g++ leaves in the others.
scripts/setup.sh --checks release
prefix_path=${CMAKE_PREFIX_PATH:-}
cmake --preset release -B build/tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON \
  -DCMAKE_PREFIX_PATH="${prefix_path//:/;}" >/dev/null

if (($# > 0)); then files=("$@"); else mapfile -t files < <(newest_first); fi
compiled_here() {
  local file
  for file; do
    if grep -qF "/$file\"" build/tidy/compile_commands.json; then echo "$file"; else say "$file: not part of this build"; fi
  done
}
mapfile -t files < <(compiled_here "${files[@]}")
if ((${#files[@]} == 0)); then
  say "no source has changed"
  exit 0
fi
report=$(mktemp -d)
trap 'rm -rf "$report"' EXIT

tidy_unless_late() {
  local file=$1 report=$2 deadline=$3
  if ((EPOCHSECONDS >= deadline)); then
    echo "$file" >>"$report/left_out"
  elif "$clang_tidy" -p build/tidy --quiet --extra-arg=-Wno-unknown-warning-option \
    --extra-arg=-idirafter"$omp_folder" "$file" 2>"$report/stderr.$$"; then
    echo "clang-tidy: $file: clean"
  else
    sed '/warnings generated\.$/d' "$report/stderr.$$"
    echo "$file" >>"$report/failed"
  fi
}
# It comes without OpenMP's header, which LibTorch's include.
omp_folder=$(dirname "$(g++ -print-file-name=include/omp.h)")
export omp_folder
export clang_tidy=$clang_tidy_folder/clang_tidy/data/bin/clang-tidy
export -f tidy_unless_late
printf '%s\0' "${files[@]}" | xargs -0 --no-run-if-empty -P "$(build_jobs)" -I{} \
  bash -c 'tidy_unless_late "$@"' _ {} "$report" $((EPOCHSECONDS + minutes * 60))

if [[ -e $report/left_out ]]; then
  say "$(wc -l <"$report/left_out") of ${#files[@]} files left out after $minutes minutes:"
  sed 's/^/  /' "$report/left_out" >&2
fi
if [[ -e $report/failed ]]; then
  die "faults in $(sort "$report/failed" | tr '\n' ' ')"
fi
