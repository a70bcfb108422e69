#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy (checks: .clang-tidy) over src/, from the compile commands of a build folder, all cores. The default is the
# unity build, where a header is parsed once for eight sources.
#   tools/check_tidy.sh [BUILD-FOLDER [FILE-REGEX]]
set -euo pipefail
cd "$(dirname "$0")/.."
build="$(realpath "${1:-build/dev}")"
# Left out: train/, since clang 14 does not parse libtorch's headers; simd.cpp, whose flags clang does not know (its arithmetic is in
# headers that g++ compiles with all warnings).
pattern="${2:-($PWD|$build)/src/(?!train/|kernels/simd).*\.c(pp|xx)$}"
if [[ ! -f "$build/compile_commands.json" ]]; then
  echo "check_tidy: $build/compile_commands.json is absent; run: cmake --preset dev" >&2
  exit 1
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
status=0
# run-clang-tidy prints each command line; only findings are of interest.
# clang does not know every warning of g++ that the compile commands name.
run-clang-tidy -quiet -p "$build" -j "$(nproc)" -extra-arg=-Wno-unknown-warning-option "$pattern" >"$log" 2>/dev/null || status=$?
if [[ "$status" -ne 0 ]]; then
  sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E '(warning|error):' | sort -u | head -n 50
  echo "check_tidy: clang-tidy has findings" >&2
  exit 1
fi
echo "check_tidy: clean"
