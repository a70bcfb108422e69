#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh TEST.mjs ARGS...: a test of the WebAssembly client under Node.js; exit code 77 and a sentence where what it needs
# is not here.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
skip() { echo "skipped: $1"; exit 77; }
command -v node >/dev/null || skip "no Node.js: tools/setup.sh --web"
[[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ]] || skip "Node.js is older than 18"
[[ -f "$root/build/wasm/obscura.wasm" ]] || skip "build/wasm is not built: tools/setup.sh --web, cmake --preset wasm && cmake --build --preset wasm"
[[ -f "$root/web/dist/index.js" ]] || skip "web/dist is not built: cd web && npm ci && npm run build"
cmp -s "$root/build/wasm/obscura.wasm" "$root/web/dist/obscura.wasm" || skip "web/dist is of another build than build/wasm: cd web && npm run build"
data="${OBSCURA_DATA:-$root/data}"
[[ -d "$data/mnist" ]] || skip "no MNIST in $data: obscura data fetch mnist"
if [[ "$1" == page* ]]; then
  [[ -f "$root/web/dist-page/index.html" ]] || skip "web/dist-page is not built: cd web && npm ci && npm run page"
  [[ -d "$root/web/node_modules/playwright-core" ]] || skip "playwright-core is not here: cd web && npm ci"
  [[ -x /usr/bin/chromium ]] || skip "no Chromium: tools/setup.sh --web"
fi
test="$1"
shift
exec node "$here/$test" "$root" "$data" "$@"
