#!/usr/bin/env bash
# Usage: run.sh check [PART...] [FOLDER]   everything that needs a GPU, with one table at the end; run.sh check --help
#        run.sh tests [FILTER]      runs the tests whose names match; left out: '*cuda*:*Cuda*:*CUDA*'; '*' is all
#        run.sh COMMAND [ARG...]    runs the program: run.sh train configs/quickstart.yaml
# Needs a Python with torch 2.11.0 (python3, or the one in $PYTHON).
set -euo pipefail
here=$(dirname "$(realpath "$0")")
if [[ ${1:---help} == --help ]]; then
  sed -n '2,/^[^#]/s/^# //p' "$0"
  exit 0
fi
[[ -d $here/lib ]] || tar -C "$here" -xzf "$here/files.tar.gz"
python=${PYTHON:-python3}
torch=$("$python" -c 'import torch; print(torch.__path__[0])')
export LD_LIBRARY_PATH=$torch/lib:$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
case $1 in
  check) exec "$python" "$here/check-gpu.py" "${@:2}" ;;
  tests) ;;
  *) exec "$here/bin/sparse-transformer" "$@" ;;
esac

failed=()
for test in "$here"/bin/*_test; do
  echo "== $(basename "$test")"
  "$test" --gtest_brief=1 --gtest_filter="${2:-*cuda*:*Cuda*:*CUDA*}" || failed+=("$(basename "$test")")
done
if ((${#failed[@]} > 0)); then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
