#!/usr/bin/env bash
# Starts the bundle in a bare Debian 13, whose Python and libraries are newer than those of Debian 12, where it was
# made: prints the program's version there, and trains 3 steps on the CPU. Ends with 1 if anything is wrong.
#
# Usage: scripts/test-bundle.sh [BUNDLE]
#   BUNDLE          left out: build/bundle, as scripts/bundle.sh leaves it
#   $DEBIAN_MIRROR  left out: the one that apt uses on this Debian
#
# Needs root, debootstrap, and LibTorch as scripts/setup.sh cuda installs it. Debian 13 is kept in
# ~/.cache/sparse-transformer. Not part of .ci/run.
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

bundle=$(realpath "${1:-build/bundle}")
root=$cache_folder/debian-13
torch=$cache_folder/libtorch-$(sed -n 's/^set(SPARSE_TRANSFORMER_TORCH_VERSION \(.*\))$/\1/p' cmake/LibTorch.cmake)-cuda
[[ -e $bundle/files.tar.gz ]] || die "$bundle is not a bundle; scripts/bundle.sh makes one"
[[ -d $torch/torch/lib ]] || die "$torch is missing; scripts/setup.sh cuda installs it"
((EUID == 0)) || die "chroot needs root"

debian_mirror() {
  # shellcheck disable=SC2016  # apt's variables, not the shell's
  apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1
}

make_debian() {
  if [[ -d $root ]]; then return; fi
  command -v debootstrap >/dev/null || die "debootstrap is missing: apt-get install debootstrap"
  local mirror=${DEBIAN_MIRROR:-$(debian_mirror)}
  [[ -n $mirror ]] || die "apt has no mirror of Debian; name one in DEBIAN_MIRROR"
  say "making a Debian 13 in $root"
  rm -rf "$root.new"
  debootstrap --variant=minbase --include=python3 trixie "$root.new" "$mirror" >"$root.log" ||
    die "debootstrap failed: see $root.log"
  mv -T "$root.new" "$root"
}

# Writes what runs inside. Python only has to say where torch is, so its package holds LibTorch and nothing else. The
# Python that run.sh starts must find Debian's own libexpat: the bundle's is older and lacks functions of the newer.
write_inside() {
  mkdir -p "$root"/{bundle,libtorch} "$root/test/python/torch"
  touch "$root/test/python/torch/__init__.py"
  ln -sfn /libtorch/torch/lib "$root/test/python/torch/lib"
  cat >"$root/test/python3" <<'EOF'
#!/bin/sh
python3 -c 'import pyexpat; assert pyexpat.version_info >= (2, 6), "libexpat of the bundle"' || exit 9
exec python3 "$@"
EOF
  cat >"$root/test/inside.sh" <<'EOF'
#!/bin/bash
set -euo pipefail
export PYTHON=/test/python3 PYTHONPATH=/test/python
echo "Debian $(cat /etc/debian_version)"
python3 -c 'import pyexpat, sys; print("Python", sys.version.split()[0], pyexpat.EXPAT_VERSION)
assert sys.version_info >= (3, 13) and pyexpat.version_info >= (2, 6), "older than this test is for"'
/bundle/run.sh --version
/bundle/run.sh check --help | head -n 1
/bundle/run.sh train /bundle/configs/quickstart.yaml --run /tmp/run --set training.device=cpu --set training.steps=3 \
  --set training.log_every=1 --set training.evaluate_every=0 --set training.sample_every=0
test -e /tmp/run/checkpoints/step-00000003/manifest.json
EOF
  chmod +x "$root/test/python3" "$root/test/inside.sh"
}

make_debian
write_inside
before=$(ls -lR "$bundle")
# The mounts are seen by this one command alone, and end with it. Nothing can be written to the bundle or to LibTorch.
export root bundle torch
# shellcheck disable=SC2016  # variables of the inner shell
unshare --mount bash -euc '
  mount --bind "$bundle" "$root/bundle"
  mount -o remount,bind,ro "$root/bundle"
  mount --bind "$torch" "$root/libtorch"
  mount -o remount,bind,ro "$root/libtorch"
  mount -t proc proc "$root/proc"
  mount -t tmpfs tmpfs "$root/tmp"
  chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root /test/inside.sh
' || die "the bundle does not work in Debian 13"
[[ $(ls -lR "$bundle") == "$before" ]] || die "$bundle has changed"
say "the bundle works in Debian 13"
