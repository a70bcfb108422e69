#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fails where a source is not as clang-format writes it. `tools/check_format.sh --fix` writes it so.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v clang-format >/dev/null; then
  echo "check_format: clang-format is not installed" >&2
  exit 77
fi
mapfile -t files < <(find src python tests bench fuzz examples -name '*.h' -o -name '*.cpp' | sort)
if [[ "${1:-}" == "--fix" ]]; then
  clang-format -i "${files[@]}"
else
  clang-format --dry-run -Werror --ferror-limit=3 "${files[@]}"
fi
echo "check_format: ${#files[@]} files"
