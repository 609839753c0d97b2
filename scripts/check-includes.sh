#!/usr/bin/env bash
# Fails, with file:line, where a source includes a room it may not know. Rooms may include downwards only:
# app -> training -> generation -> model -> attention -> runtime -> config, and generation -> data -> files -> config.
# config, files and data never include LibTorch. A quoted include names its room: "files/png.h", not "png.h".
#
# Usage: scripts/check-includes.sh
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
help_if_asked "$@"

git ls-files -z 'app/*' 'src/*' 'tests/*' | grep -zE '\.(h|cpp|cu|cuh|inl)$' |
  xargs -0 --no-run-if-empty grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' |
  awk '
    BEGIN {
      below["config"] = " "
      below["files"] = " config "
      below["data"] = " files config "
      below["cuda"] = " training generation model attention runtime config "  # tests/cuda
      below["libtorch_cuda"] = " training generation model attention runtime config "  # tests/libtorch_cuda
      below["fuzz"] = " training data files config "  # tests/fuzz; of training only training_state.h
      below["runtime"] = " config "
      below["attention"] = " runtime config "
      below["model"] = " attention runtime config "
      below["generation"] = " model attention runtime data files config "
      below["training"] = " generation model attention runtime data files config "
      below["app"] = " training generation model attention runtime data files config "
    }
    function fail(reason) {
      print place ": " reason ": " line
      failed = 1
    }
    {
      match($0, /^[^:]*:[0-9]*:/)
      place = substr($0, 1, RLENGTH - 1)
      line = substr($0, RLENGTH + 1)
      split(place, folders, "/")
      in_tests = folders[1] == "tests"
      room = folders[1] == "app" ? "app" : folders[2]

      if (line ~ /</) {
        if (room ~ /^(config|files|data|fuzz|cuda)$/ && line ~ /<(ATen|torch|c10|caffe2)\//) {
          fail(room " never includes LibTorch")
        }
        next
      }
      split(line, quoted, "\"")
      slash = index(quoted[2], "/")
      target = substr(quoted[2], 1, slash - 1)
      if (!slash || target ~ /^\./) {
        fail("an include names its room")
      } else if (target == room || (in_tests && target == "tests")) {
        next
      } else if (!(target in below)) {
        fail("there is no room " target)
      } else if (index(below[room], " " target " ") == 0) {
        fail(room " may not include " target)
      }
    }
    END { exit failed }'
