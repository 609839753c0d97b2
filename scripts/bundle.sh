#!/usr/bin/env bash
# Puts the program and the tests of build/cuda and the shared libraries that they need beside LibTorch into one folder,
# stripped, for a machine that has LibTorch (as Python's torch) and a GPU and nothing else.
#
# Usage: scripts/bundle.sh [FOLDER]
#   FOLDER   left out: build/bundle; it is made anew
#
# On the other machine: FOLDER/run.sh --help
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

folder=${1:-build/bundle}
if [[ -e $folder && ! -e $folder/run.sh ]]; then die "$folder exists and is no bundle; name another folder"; fi
set_up_and_build cuda
rm -rf "$folder"
mkdir -p "$folder"/{bin,lib}
cp build/cuda/app/sparse-transformer build/cuda/tests/*_test "$folder/bin"
rm "$folder/bin/app_test"  # it knows the program only by its place in the build folder
cp -r configs "$folder"

# What every Linux has, and what comes with LibTorch and is found by its own run path, stays behind.
ldd "$folder"/bin/* | awk '/=> \// {print $3}' | sort -u |
  grep -vE '/torch/lib/|/nvidia/|/lib(c|m|dl|rt|util|pthread|stdc\+\+|gcc_s|cuda|nvidia.*)\.so' |
  while read -r library; do cp -L "$library" "$folder/lib"; done
strip "$folder"/bin/* "$folder"/lib/*

cat >"$folder/run.sh" <<'END'
#!/usr/bin/env bash
# Usage: run.sh tests [FILTER]      runs the tests whose names match; left out: '*cuda*:*Cuda*:*CUDA*'; '*' is all
#        run.sh COMMAND [ARG...]    runs the program: run.sh train configs/quickstart.yaml
# Needs a Python with torch 2.11.0 (python3, or the one in $PYTHON).
set -euo pipefail
here=$(dirname "$(realpath "$0")")
if [[ ${1:---help} == --help ]]; then
  sed -n '2,/^[^#]/s/^# //p' "$0"
  exit 0
fi
torch=$("${PYTHON:-python3}" -c 'import torch; print(torch.__path__[0])')
export LD_LIBRARY_PATH=$torch/lib:$here/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
if [[ $1 != tests ]]; then exec "$here/bin/sparse-transformer" "$@"; fi

failed=()
for test in "$here"/bin/*_test; do
  echo "== $(basename "$test")"
  "$test" --gtest_brief=1 --gtest_filter="${2:-*cuda*:*Cuda*:*CUDA*}" || failed+=("$(basename "$test")")
done
if ((${#failed[@]} > 0)); then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
END
chmod +x "$folder/run.sh"
say "$(du -sh "$folder" | cut -f1) in $folder"
