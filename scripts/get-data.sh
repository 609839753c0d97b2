#!/usr/bin/env bash
# Downloads a data set, checks it, and leaves it where the configs look for it. An interrupted download goes on where it
# stopped; what is there already and right is not fetched again.
#
# Usage: scripts/get-data.sh NAME [FOLDER]
#   NAME     enwik8           36 MB   English Wikipedia, 10^8 bytes                    (configs/enwik8*.yaml)
#            text8            31 MB   the same page's 10^8 letters and spaces
#            cifar10         170 MB   60,000 pictures of 32 x 32                       (configs/cifar10*.yaml)
#            imagenet32      4.3 GB   1.28 million pictures of 32 x 32, those of Pixel RNN
#            imagenet64       13 GB   the same of 64 x 64, which the paper uses        (configs/imagenet64*.yaml)
#            imagenet32-npz  3.4 GB   another down-sampling of the same photographs, in NumPy's format
#            imagenet64-npz   13 GB   the same of 64 x 64                              (configs/imagenet64-npz.yaml)
#            maestro          58 MB   1,276 piano performances as MIDI files
#   FOLDER   where it goes; left out: data/ of this checkout
#
# Archives are read in place and stay as they are; the -npz ones, which hold archives, are unpacked. ImageNet's site has
# withdrawn the pictures of Pixel RNN; the script says where they are, and checks files that are in FOLDER already.
# SPARSE_TRANSFORMER_DATA_ADDRESS: an address of a mirror with files of the same names, such as http://localhost:8000.
#
# Example:
#   scripts/get-data.sh enwik8
set -euo pipefail
asked_from=$PWD
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

wikipedia=https://mattmahoney.net/dc
imagenet=https://image-net.org/data/downsample
pixel_rnn=https://image-net.org/small
# Lines of: address, size in bytes (about, where there is no sum), SHA-256 or "none" where nobody publishes one.
files_of() {
  case $1 in
    enwik8)
      echo "$wikipedia/enwik8.zip 36445475 547994d9980ebed1288380d652999f38a14fe291a6247c157c3d33d4932534bc"
      ;;
    text8)
      echo "$wikipedia/text8.zip 31344016 a6640522afe85d1963ad56c05b0ede0a0c000dddc9671758a6cc09b7a38e5232"
      ;;
    cifar10)
      echo "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz 170052171" \
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
      ;;
    # Sizes and sums as TensorFlow Datasets keeps them (url_checksums/downsampled_imagenet.txt).
    imagenet32)
      echo "$pixel_rnn/train_32x32.tar 4113018880 244a323d48f8d72f65ad8b54658c01fed68d2d7bdc77ccb43da58c11e94224e5"
      echo "$pixel_rnn/valid_32x32.tar 161474560 862e559462b24cf736212a19f6b0d47b55c2dc8ebdaa95ccecfe71260124c8f7"
      ;;
    imagenet64)
      echo "$pixel_rnn/train_64x64.tar 12112588800 e2a2c1947a748d0d256e98e6d82800d855441dc9e4de2e71a773f1324c4524d7"
      echo "$pixel_rnn/valid_64x64.tar 477255680 eeac03ec4f585baf871d2b4cb9c974bfe345e74878a74e5820fe6eb1041629cd"
      ;;
    imagenet32-npz)
      echo "$imagenet/Imagenet32_train_npz.zip 3300000000 none"
      echo "$imagenet/Imagenet32_val_npz.zip 130000000 none"
      ;;
    imagenet64-npz)
      echo "$imagenet/Imagenet64_train_part1_npz.zip 6200000000 none"
      echo "$imagenet/Imagenet64_train_part2_npz.zip 6200000000 none"
      echo "$imagenet/Imagenet64_val_npz.zip 500000000 none"
      ;;
    maestro)
      echo "https://storage.googleapis.com/magentadata/datasets/maestro/v3.0.0/maestro-v3.0.0-midi.zip 58416533 none"
      ;;
    *)
      say "$1: unknown data set; expected enwik8, text8, cifar10, imagenet32, imagenet64, imagenet32-npz," \
        "imagenet64-npz or maestro"
      exit 2
      ;;
  esac
}

# is_right FILE SHA256
is_right() { [[ $(sha256sum "$1") == "$2 "* ]]; }

# Where files are that their address no longer has.
elsewhere() {
  local torrent
  case $1 in
    *_64x64.tar) torrent=96816a530ee002254d29bf7a61c0c158d3dedc3b ;;
    *_32x32.tar) torrent=bf62f5051ef878b9c357e6221e879629a9b4b172 ;;
    *) return ;;
  esac
  say "ImageNet's site withdrew these pictures; those who have them share them as the torrent $torrent" \
    "(academictorrents.com/details/$torrent). Put ${1##*/} into $folder and call this script again: it checks the file"
}

# download ADDRESS SIZE SHA256: into $folder, under its final name only when it is whole and right.
download() {
  local address=$1 size=$2 sum=$3 name=${1##*/}
  local file=$folder/$name
  if [[ -n ${SPARSE_TRANSFORMER_DATA_ADDRESS:-} ]]; then address=${SPARSE_TRANSFORMER_DATA_ADDRESS%/}/$name; fi
  if [[ -f $file ]]; then
    if [[ $sum == none ]] || is_right "$file" "$sum"; then
      say "$file is there already"
      return
    fi
    die "$file is there, but is not the file that $address had: move it away"
  fi
  say "$name: $(numfmt --to=si --suffix=B "$size") from $address"
  curl --fail --location --continue-at - --retry 3 --output "$file.part" "$address" ||
    {
      elsewhere "$address"
      die "$address: not downloaded; what came is kept in $file.part, and the next call continues from there"
    }
  if [[ $sum == none ]]; then
    say "$name: nobody publishes a checksum of it, so it is not checked; it is $(sha256sum "$file.part" | cut -c 1-64)"
  elif ! is_right "$file.part" "$sum"; then
    mv "$file.part" "$file.wrong"
    die "$name: not the file that was expected (SHA-256 $sum); it is kept as $file.wrong"
  fi
  mv "$file.part" "$file"
}

(($# == 1 || $# == 2)) || { say "expected NAME [FOLDER] (see scripts/get-data.sh --help)"; exit 2; }
name=$1
list=$(files_of "$name")
folder=$PWD/data
if (($# == 2)); then folder=$(cd "$asked_from" && realpath -m "$2"); fi
command -v curl >/dev/null || die "curl is needed to download: install it, such as by apt-get install curl"
mkdir -p "$folder"
while read -r address size sum; do
  download "$address" "$size" "$sum"
  if [[ $name == *-npz ]]; then
    part="train"
    if [[ $address == *_val_* ]]; then part="val"; fi
    say "unpacking ${address##*/} into $folder/$name/$part"
    python3 -m zipfile -e "$folder/${address##*/}" "$folder/$name/$part"
  fi
done <<<"$list"
say "$name is in $folder"
