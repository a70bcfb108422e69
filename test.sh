#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds Obscura and runs its tests and checks, on a Debian 12 machine with nothing but git:
#
#   ./test.sh          release, and ASan + UBSan: the fast tests; layers, format, clang-tidy. Half an hour, 2 cores.
#   ./test.sh --fast   release: the fast tests; layers and format. For use while working.
#   ./test.sh --slow   release: the slow tests, one after the other: full-size bootstrapping (12 GB of memory), whole test sets.
#
# The last line says 'N passed, N failed'.
set -uo pipefail
cd "$(dirname "$0")"

fast=false
slow=false
case "${1:-}" in
  "") ;;
  --fast) fast=true ;;
  --slow) slow=true ;;
  *)
    sed -n '3,9s/^# \?//p' "$0"
    exit 2
    ;;
esac

jobs="$(nproc)"
passed=0
failed=0
logs="build/test-logs"
mkdir -p "$logs"

say() { printf '\n== %s (%s min)\n' "$1" "$((SECONDS / 60))"; }

count() {  # count NAME STATUS: one check that is not ctest's
  if [[ "$2" -eq 0 ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $1"
  fi
}

finish() {
  echo "$passed passed, $failed failed"
  [[ "$failed" -eq 0 ]]
  exit
}

build() {  # build PRESET [CMAKE-OPTIONS...]: configure and build, the log only where it fails
  say "build $1"
  if ! { cmake --preset "$@" && cmake --build --preset "$1" -j "$jobs"; } >"$logs/build-$1.log" 2>&1; then
    grep -nE 'error|Error|FAILED' "$logs/build-$1.log" | head -n 20
    tail -n 20 "$logs/build-$1.log"
    count "build $1" 1
    return 1
  fi
  count "build $1" 0
}

tests() {  # tests PRESET CTEST-OPTIONS...: adds ctest's counts
  say "test $1"
  local preset="$1" log="$logs/ctest-$1.log"
  shift
  ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error "$@" 2>&1 | tee "$log" | grep -vE '^ +Start +'
  local summary
  summary="$(grep -oE '[0-9]+ tests failed out of [0-9]+' "$log")"
  if [[ -z "$summary" ]]; then
    count "ctest of $preset" 1
    return
  fi
  local bad all
  read -r bad all < <(sed -E 's/([0-9]+) tests failed out of ([0-9]+)/\1 \2/' <<<"$summary")
  # Under sanitizers an entry of ctest is a program, of many tests.
  local cases
  cases="$(awk '/^\[  PASSED  \] [0-9]+ test/ { sum += $4 } END { print sum + 0 }' "build/$preset/Testing/Temporary/LastTest.log")"
  passed=$((passed + (cases > all - bad ? cases : all - bad)))
  failed=$((failed + bad))
}

web() {  # the client for browsers, which tests/web then finds; without emscripten those tests are skipped
  if ! command -v em++ >/dev/null; then
    echo "web: not built: emscripten is not here (tools/setup.sh --web)"
    return
  fi
  build wasm || return
  say web
  (cd web && npm ci --ignore-scripts && npm run page) >"$logs/web.log" 2>&1
  local status=$?
  [[ "$status" -eq 0 ]] || tail -n 20 "$logs/web.log"
  count "npm run page" "$status"
}

say setup
options=()
$fast || $slow || options=(--web)
if ! tools/setup.sh "${options[@]}"; then
  count setup 1
  finish
fi

# SEAL, which judges the engine.
tests/judge/setup.sh
count "tests/judge/setup.sh" $?

say "layers and format"
python3 tools/check_layers.py
count "tools/check_layers.py" $?
tools/check_format.sh
count "tools/check_format.sh" $?

# demo.sh may have configured the folder without tests and training.
if build release -DOBSCURA_DEVELOPER=ON -DOBSCURA_TRAIN=ON; then
  if ! build/release/obscura data fetch mnist; then
    count "obscura data fetch mnist" 1
  fi
  if $slow; then
    jobs=1
    tests release -L slow
    finish
  fi
  web
  tests release -L fast
fi

if ! $fast; then
  if build dev; then
    tests dev -L fast
  fi
  say clang-tidy
  tools/check_tidy.py
  count "tools/check_tidy.py" $?
fi
finish
