#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fetches node-seal (Microsoft SEAL compiled to WebAssembly, MIT) into build/judge. package-lock.json holds its digest.
# Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [[ -d build/judge/node_modules/node-seal ]] &&
  cmp -s tests/judge/package-lock.json build/judge/package-lock.json; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  echo "judge: npm is not here; tools/setup.sh installs it" >&2
  exit 1
fi
mkdir -p build/judge
cp tests/judge/package.json tests/judge/package-lock.json build/judge/
if ! npm ci --prefix build/judge --ignore-scripts --no-audit --no-fund >build/judge/npm.log 2>&1; then
  tail -n 10 build/judge/npm.log >&2
  rm -f build/judge/package-lock.json
  echo "judge: npm could not fetch node-seal (the lines above say why); the judge's test will be skipped" >&2
  exit 1
fi
