#!/usr/bin/env bash
# Compiles the CUDA kernels as the cuda preset does, for sm_90, and prints a table of what is in their machine code.
# Needs no GPU, but nvcc, and cuobjdump and nvdisasm in PATH (CUDA's, or PyPI's nvidia-cuda-cuobjdump and
# nvidia-cuda-nvdisasm). The first time takes minutes; objects stay in build/inspect, and only what has changed is
# compiled again.
#
# Usage: scripts/inspect-kernels.sh [--markdown] [--families] [--kernels REGEX] [FILE.cu...]
#   --markdown        as a table for docs/
#   --families        one row a kernel function: the most registers and spilled bytes of its kernels, the rest added up
#   --kernels REGEX   only kernels whose names match: 'union_.*, 64, 128'
#   FILE.cu...        only these sources; left out: all of src
#
# A row is a kernel: function<type, template arguments>; the union kernels' are query width, value width and warps a block.
#   reg         registers a thread, of 255
#   spill st/ld bytes a thread that the compiler moved to memory for want of registers: stored/loaded
#   stack, smem bytes of stack a thread and of static shared memory a block
#   STG, LDG    stores to and loads from global memory, by their bits; less: 8 and 16
#   copies      from global to shared memory (cp.async)
#   CALL        calls of functions, those of 64-bit division in brackets
# and counts of other instructions: HMMA (tensor cores), LDSM (ldmatrix), LDL/STL (local memory), BAR, MUFU.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

table_options=()
while [[ ${1:-} == --* ]]; do
  case $1 in
    --markdown | --families) table_options+=("$1") ;;
    --kernels)
      (($# > 1)) || die "--kernels wants a regular expression"
      table_options+=("$1" "$2")
      shift
      ;;
    *) die "no option $1; see --help" ;;
  esac
  shift
done
if (($# > 0)); then sources=("$@"); else mapfile -t sources < <(git ls-files 'src/*.cu'); fi

PATH=$PATH:${CUDA_HOME:-/usr/local/cuda}/bin
for tool in nvcc cuobjdump nvdisasm readelf; do
  command -v "$tool" >/dev/null || die "there is no $tool"
done

# is_current OBJECT: whether nothing that it was made from has changed since, this script included.
is_current() {
  [[ -e $1.log && -e $1.d ]] || return
  local inputs
  mapfile -t inputs < <(sed 's/^[^ ]* *://; s/\\$//' "$1.d" | tr -s ' ' '\n' | grep .)
  [[ -z $(find "${inputs[@]}" "$script" -newer "$1.log" 2>&1) ]]
}

mkdir -p build/inspect
objects=()
for source in "${sources[@]}"; do
  [[ -e $source ]] || die "there is no $source"
  object=build/inspect/${source//\//.}
  if ! is_current "$object"; then
    say "compiling $source"
    rm -f "$object.log"
    nvcc -cubin -arch=sm_90 -O3 -DNDEBUG -std=c++17 --expt-relaxed-constexpr -Isrc -Xptxas=-v \
      -MD -MF "$object.d" -o "$object.cubin" "$source" 2>"$object.tmp" || {
      cat "$object.tmp" >&2
      die "nvcc failed"
    }
    cuobjdump -sass "$object.cubin" >"$object.sass"
    readelf --symbols --wide "$object.cubin" >"$object.symbols"
    mv "$object.tmp" "$object.log"
  fi
  objects+=("$object")
done
exec python3 scripts/inspect-kernels.py "${table_options[@]}" "${objects[@]}"
