#!/usr/bin/env bash
# Usage: run.sh check [PART...] [FOLDER]   everything that needs a GPU, with one table at the end; run.sh check --help
#        run.sh tests [FILTER]      runs the tests whose names match; '*' is all; left out: the tests for CUDA
#        run.sh COMMAND [ARG...]    runs the program: run.sh train configs/quickstart.yaml
# Needs a Python with torch 2.11.0 (python3, or the one in $PYTHON). The bundle stays as it is: the programs are
# unpacked into a folder in $TMPDIR (left out: /tmp), where a link leads them to LibTorch. No variable is exported.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
if [[ ${1:---help} == --help ]]; then
  sed -n '2,/^[^#]/s/^# //p' "$0"
  exit 0
fi
die() {
  echo "run.sh: $*" >&2
  exit 1
}

# The folder is named for what is in it, so that another bundle gets another one.
unpacked=${TMPDIR:-/tmp}/sparse-transformer-$UID-$(sha256sum "$here/files.tar.gz" | cut -c1-16)
if [[ ! -d $unpacked ]]; then
  new=$(mktemp -d "$unpacked.XXXXXX")
  tar -C "$new" -xzf "$here/files.tar.gz"
  mv -T "$new" "$unpacked" || rm -rf "$new"  # another run.sh was first
fi
[[ -O $unpacked ]] || die "$unpacked belongs to another user; name another folder in TMPDIR"

# Found without importing it, which would take seconds.
python=${PYTHON:-python3}
torch=$("$python" -c 'if True:
    import importlib.util
    found = importlib.util.find_spec("torch")
    print(list(found.submodule_search_locations)[0] if found else "")') || die "$python does not run"
[[ -n $torch ]] || die "$python has no torch; name another Python in PYTHON"
ln -sfn "$torch/lib" "$unpacked/torch"

case $1 in
  check) exec "$python" -B "$here/check-gpu.py" --programs "$unpacked/bin" "${@:2}" ;;
  tests) ;;
  *) exec "$unpacked/bin/sparse-transformer" "$@" ;;
esac

failed=()
for test in "$unpacked"/bin/*_test; do
  name=$(basename "$test")
  if [[ $name == cuda_test ]]; then on_cuda='*'; else on_cuda='*cuda*:*Cuda*:*CUDA*'; fi
  echo "== $name"
  "$test" --gtest_brief=1 --gtest_filter="${2:-$on_cuda}" || failed+=("$name")
done
if ((${#failed[@]} > 0)); then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
