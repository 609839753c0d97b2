#!/usr/bin/env bash
# Trains a config once for each pattern, for as many steps, and prints one table: bits and speed beside what a pattern
# costs. Draws the learning curves of all. May be run again: a finished run is not trained anew, a stopped one goes on.
#
# Usage: scripts/compare.sh [--out FOLDER] CONFIG PATTERN... [-- --set KEY=VALUE...]
#   FOLDER    of the runs, table.md and curves.png; left out: runs/compare-CONFIG
#   PATTERN   what every layer does: an entry of model.attention.layers (dense, fixed, local+column, '[local, column]',
#             strided), or several between commas, repeated over the depth (column,local,local,local)
#
# Builds the program first, or takes the one in $SPARSE_TRANSFORMER_PROGRAM. Speeds are medians of what training logged;
# for exact ones: sparse-transformer benchmark.
#
# Example:
#   scripts/compare.sh configs/cifar10-small.yaml dense fixed column,local,local,local -- --set training.steps=300
set -euo pipefail
asked_from=$PWD
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

mistake() {
  say "$* (see scripts/compare.sh --help)"
  exit 2
}

# --- what is asked for

folder=
if [[ ${1:-} == --out ]]; then
  folder=${2:-}
  [[ -n $folder ]] || mistake "--out: no folder is given"
  shift 2
fi
config=${1:-}
[[ -n $config ]] || mistake "no CONFIG is given"
shift
patterns=()
while (($# > 0)) && [[ $1 != -- ]]; do
  [[ $1 != -* ]] || mistake "unknown option $1; options of training stand behind --"
  patterns+=("$1")
  shift
done
((${#patterns[@]} > 0)) || mistake "no PATTERN is given"
if (($# > 0)); then shift; fi
settings=("$@")
folder=${folder:-runs/compare-$(basename "$config" .yaml)}

program=${SPARSE_TRANSFORMER_PROGRAM:-}
if [[ -z $program ]]; then
  preset=$(default_preset)
  set_up_and_build "$preset" sparse-transformer >&2
  program=$PWD/build/$preset/app/sparse-transformer
fi
cd "$asked_from"
[[ -f $config ]] || mistake "$config: there is no such config"

# --- training

# run_folder PATTERN: a folder whose name has no spaces and brackets
run_folder() { echo "$folder/$(tr -d ' ' <<<"$1" | tr '[]' '()')"; }

# train PATTERN
train() {
  local run resume=()
  run=$(run_folder "$1")
  if [[ -f $run/config.yaml ]]; then resume=(--resume); fi
  "$program" train "$config" "${settings[@]}" --set "model.attention.layers=[$1]" --set model.attention.last=[] \
    --run "$run" "${resume[@]}"
}

# --- the table

# number KEY: its value in a JSON object on stdin
number() { sed -n "s/.*\"$1\":\([-+0-9.e]*\).*/\1/p" | head -n 1; }

# median_speed RUN: tokens a second
median_speed() {
  sed -n 's/.*"tokens_per_second":\([-+0-9.e]*\).*/\1/p' "$1/metrics.jsonl" | sort -g |
    awk '{value[NR] = $1} END {print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2}'
}

# bits RUN SPLIT
bits() { "$program" evaluate "$1" --split "$2" --json --quiet | number bits; }

# row PATTERN FIRST_SPEED
row() {
  local run sizes keys parameters valid test speed
  run=$(run_folder "$1")
  sizes=$("$program" inspect "$run" --json)
  keys=$(number attention_pairs_per_query <<<"$sizes")
  parameters=$(number parameters <<<"$sizes")
  valid=$(bits "$run" valid)
  test=$(bits "$run" test)
  speed=$(median_speed "$run")
  LC_ALL=C awk -v pattern="$1" -v keys="$keys" -v parameters="$parameters" -v valid="$valid" -v test="$test" \
    -v speed="$speed" -v first="$2" 'BEGIN {
      printf "| %s | %.1f | %d | %.4f | %.4f | %.0f | %.2f |\n",
             pattern, keys, parameters, valid, test, speed, speed / first
    }'
}

table() {
  local first
  first=$(median_speed "$(run_folder "${patterns[0]}")")
  echo "| pattern | keys a query | parameters | valid bits | test bits | tokens/s | times the first's speed |"
  echo "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
  for pattern in "${patterns[@]}"; do row "$pattern" "$first"; done
}

mkdir -p "$folder"
runs=()
for pattern in "${patterns[@]}"; do
  say "$pattern"
  train "$pattern"
  runs+=("$(run_folder "$pattern")")
done
"$program" curves "${runs[@]}" --out "$folder/curves.png" --overwrite --quiet >/dev/null
table >"$folder/table.md.new"  # where it fails, the one before stays
mv "$folder/table.md.new" "$folder/table.md"
cat "$folder/table.md"
say "runs, table.md and curves.png in $folder"
