# shellcheck shell=bash
# What the scripts share; sourced by them, not run. Moves to the root of the checkout.

script=$(realpath "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

say() { printf '%s: %s\n' "$(basename "$script")" "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# What set-up downloads, in versioned folders shared by all checkouts.
cache_folder=${XDG_CACHE_HOME:-$HOME/.cache}/sparse-transformer
# Debian's 14 reads LibTorch's headers with every check, a minute and more a file; from 22 on it leaves them out.
export clang_tidy_folder=$cache_folder/clang-tidy-23.1.4
# Python's libraries that tests/interchange compares with.
export peers_folder=$cache_folder/python-peers-1

# With -h or --help as the first argument: prints the comment at the head of the script, and ends.
help_if_asked() {
  case ${1:-} in
    -h | --help)
      sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script"
      exit 0
      ;;
  esac
}

# cuda where a GPU is found or SPARSE_TRANSFORMER_CUDA=1, else release; SPARSE_TRANSFORMER_CUDA=0 means release always.
default_preset() {
  local cuda=${SPARSE_TRANSFORMER_CUDA:-0}
  if [[ -z ${SPARSE_TRANSFORMER_CUDA:-} ]] && nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    cuda=1
  fi
  if [[ $cuda == 0 ]]; then echo release; else echo cuda; fi
}

# As many as there are cores, but no more than memory allows: a file that includes LibTorch takes up to 2 GB to compile.
build_jobs() {
  local cores gigabytes
  cores=$(nproc)
  gigabytes=$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  local by_memory=$((gigabytes / 2 > 0 ? gigabytes / 2 : 1))
  echo $((cores < by_memory ? cores : by_memory))
}

# set_up_and_build PRESET [TARGET]: installs what is missing, then builds the target or everything into build/PRESET.
set_up_and_build() {
  local prefix_path=${CMAKE_PREFIX_PATH:-}
  scripts/setup.sh "$1"
  # Named each time, so that a folder configured before with another LibTorch follows the environment.
  cmake --preset "$1" -DCMAKE_PREFIX_PATH="${prefix_path//:/;}"
  cmake --build --preset "$1" --parallel "$(build_jobs)" --target "${2:-all}"
}
