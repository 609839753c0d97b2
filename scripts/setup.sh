#!/usr/bin/env bash
# Installs what a build needs and this machine lacks: system packages (Debian 12, Ubuntu 24.04) and LibTorch, for
# cuda also patchelf for scripts/bundle.sh.
# Takes less than a second where all is there.
#
# Usage: scripts/setup.sh [--checks] [PRESET]
#   PRESET     release, debug, sanitize or cuda. Only cuda needs LibTorch's CUDA libraries (3 GB to download instead
#              of 0.6 GB). Left out: cuda where there is a GPU or SPARSE_TRANSFORMER_CUDA=1, else release.
#   --checks   also what .ci/run checks the sources with: clang-format, clang-tidy, shellcheck, libFuzzer,
#              and with Python's libraries for pictures, sound, scores and tensors.
#
# Both go into versioned folders under ~/.cache/sparse-transformer (or $XDG_CACHE_HOME/sparse-transformer), shared by
# all checkouts. Those that CMAKE_PREFIX_PATH names are used instead, and nothing is downloaded.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

packages=(
  cmake ninja-build g++ ccache pkg-config git ca-certificates curl
  libcli11-dev libyaml-cpp-dev libspdlog-dev libfmt-dev nlohmann-json3-dev libboost-dev
  libpng-dev libdeflate-dev libjpeg-dev libarchive-dev libssl-dev libcairo2-dev libprotozero-dev
  libsndfile1-dev libflac-dev libmpg123-dev libsoxr-dev
  libgtest-dev libgmock-dev fonts-dejavu-core
)
checks=
if [[ ${1:-} == --checks ]]; then
  checks=1
  packages+=(clang-format shellcheck clang libclang-rt-dev)
  shift
fi
preset=${1:-$(default_preset)}
if [[ $preset == cuda ]]; then flavour=cuda; else flavour=cpu; fi
if [[ $preset == cuda ]]; then packages+=(patchelf); fi

torch_version=$(sed -n 's/^set(SPARSE_TRANSFORMER_TORCH_VERSION \(.*\))$/\1/p' cmake/LibTorch.cmake)
torch_folder=$cache_folder/libtorch-$torch_version-$flavour
# libtorch_cpu of the CUDA build, the only one in the package registry, needs these two of CUDA's libraries.
torch_packages=("torch==$torch_version")
if [[ $flavour == cpu ]]; then
  torch_packages+=(nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
fi

have_libtorch() {
  [[ -d $torch_folder || ($flavour == cpu && -d $cache_folder/libtorch-$torch_version-cuda) ]] && return
  local prefix prefixes
  IFS=: read -ra prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do  # the same places that cmake/LibTorch.cmake looks into
    [[ -e $prefix/include/ATen/ATen.h || -e $prefix/../../include/ATen/ATen.h ||
      -e $prefix/torch/include/ATen/ATen.h ]] && return
  done
  return 1
}

missing_packages() {
  local installed package
  # shellcheck disable=SC2016  # dpkg-query's variables, not the shell's
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n')
  for package in "${packages[@]}"; do
    grep -qx "installed $package" <<<"$installed" || echo "$package"
  done
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian or Ubuntu system: please see to the equivalents of ${packages[*]}"
    return
  fi
  local missing
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} == 0)); then return; fi

  local as_root=()
  if ((EUID != 0)); then as_root=(sudo); fi
  if ((EUID != 0)) && ! command -v sudo >/dev/null; then
    die "system packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
  fi
  say "installing system packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq || say "apt-get update failed; trying with the package lists that are there"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends "${missing[@]}" ||
    die "system packages could not be installed; as root: apt-get install ${missing[*]}"
}

# Leaves the headers, the libraries that a program links, and the licences.
slim() {
  local folder=$1
  find "$folder" -mindepth 1 -maxdepth 1 ! -name torch ! -name nvidia ! -name '*.dist-info' -exec rm -rf {} +
  find "$folder/torch" -mindepth 1 -maxdepth 1 ! -name include ! -name lib -exec rm -rf {} +
  find "$folder" -name 'libtorch_python.so' -delete
  if [[ $flavour == cpu ]]; then
    find "$folder/torch/lib" -mindepth 1 -maxdepth 1 \
      ! -name libc10.so ! -name libtorch_cpu.so ! -name 'libgomp*' -exec rm -rf {} +
    find "$folder/nvidia" -type f ! -name 'libcudart.so*' ! -name 'libcupti.so*' -delete
    find "$folder/nvidia" -type d -empty -delete
  fi
}

pip_install() {
  python3 -m pip install --disable-pip-version-check --root-user-action=ignore --no-compile "$@"
}

# install_from_pip FOLDER PACKAGE...
install_from_pip() {
  if [[ -d $1 ]]; then return; fi
  say "installing ${*:2} into $1"
  rm -rf "$1.new"
  pip_install --quiet --target "$1.new" "${@:2}" || return
  mv -T "$1.new" "$1"
}

install_for_checks() {
  if [[ -z $checks ]]; then return; fi
  install_from_pip "$@" || die "${*:2} could not be downloaded: see pip's message above"
}

install_libtorch() {
  mkdir -p "$cache_folder"
  exec {lock}>"$cache_folder/libtorch.lock"
  flock --nonblock "$lock" || {
    say "waiting for another set-up on this machine"
    flock "$lock"
  }
  if have_libtorch; then return; fi

  say "installing LibTorch $torch_version ($flavour) into $torch_folder"
  local new=$torch_folder.new dependencies=()
  if [[ $flavour == cpu ]]; then dependencies=(--no-deps); fi
  rm -rf "$new"
  mkdir -p "$new/tmp"
  # TMPDIR: pip unpacks there first, and /tmp may be too small.
  TMPDIR=$new/tmp pip_install "${dependencies[@]}" --target "$new/content" "${torch_packages[@]}" ||
    die "LibTorch could not be downloaded: see pip's message above. Run this again when the network is there, or" \
      "name an installed LibTorch $torch_version in CMAKE_PREFIX_PATH."
  slim "$new/content"
  mv -T "$new/content" "$torch_folder"
  rm -rf "$new"
}

have_checks() { [[ -z $checks || (-d $clang_tidy_folder && -d $peers_folder) ]]; }

if ! { have_libtorch && have_checks; } && ! python3 -m pip --version >/dev/null 2>&1; then
  packages+=(python3-pip)
fi
install_packages
if ! have_libtorch; then install_libtorch; fi
install_for_checks "$clang_tidy_folder" "clang-tidy==${clang_tidy_folder##*-}"
install_for_checks "$peers_folder" numpy==2.4.6 pillow==13.0.0 soundfile==0.14.0 safetensors==0.8.0 mido==1.3.3
