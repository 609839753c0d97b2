#!/usr/bin/env bash
# Stands in for a GoogleTest program in check_gpu_test.py. $SUITES names its suites, and each name says how the suite
# ends; the one that $MENDED names passes all the same. The file $CALLS gets a line for each call.
echo "$(basename "$0") $*" >>"$CALLS"
if [[ -n ${LD_LIBRARY_PATH:-} ]]; then
  echo "LD_LIBRARY_PATH is set: $LD_LIBRARY_PATH"
  exit 3
fi
if [[ " $* " == *" --gtest_list_tests "* ]]; then
  if [[ $(basename "$0") == broken_test ]]; then exit 127; fi
  read -ra suites <<<"${SUITES:-Good Fails}"
  if [[ $(basename "$0") != cuda_test ]]; then suites=(RowsCuda Typed/Cuda); fi
  for suite in "${suites[@]}"; do
    printf '%s.\n  SmallCase\n  TheCanaryOfAll\n  Parameter/0  # GetParam() = 3\n' "$suite"
  done
  exit
fi
arguments=$*
filter=${arguments##*--gtest_filter=}
tests=${filter%% *}
suite=${tests%%.*}
echo "[ RUN      ] ${tests%%:*}"
if [[ $suite == "${MENDED:-}" ]]; then suite=Good; fi
case $suite in
  Fails)
    echo "[  FAILED  ] ${tests%%:*} (3 ms)"
    echo "[  FAILED  ] 1 test, listed below:"
    echo "[  FAILED  ] ${tests%%:*}"
    exit 1
    ;;
  Hangs) tail -n 0 -f "$CALLS" ;;  # a process of its own, whose command line names the folder
  Crashes) kill -SEGV $$ ;;
  Skips)
    echo "a_test.cpp:3: Skipped"
    echo "no kernels"
    echo "[  PASSED  ] 1 test."
    echo "[  SKIPPED ] 1 test, listed below:"
    ;;
  Floods)
    head -c 3000000 /dev/urandom
    echo
    echo "[  PASSED  ] 2 tests."
    ;;
  *) echo "[  PASSED  ] 1 test." ;;
esac
