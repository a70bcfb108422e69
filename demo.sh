#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Classifies 8192 encrypted MNIST test images with the shipped network, then one image by itself: a server and a client
# that share only files.
#
#   ./demo.sh [IMAGES]      8192 unless said; prints figures, writes obscura-demo.png
#   ./demo.sh --page        builds and serves the page for browsers instead, with networks for MNIST, until Ctrl-C
#
# Needs Debian 12 and git; the first run installs packages and builds (some minutes).
set -euo pipefail
cd "$(dirname "$0")"
serve_page=0
if [[ "${1:-}" == --page ]]; then
  serve_page=1
  shift
fi
images="${1:-8192}"
if ! [[ "$images" =~ ^[1-9][0-9]*$ ]] || [[ "$images" -gt 10000 ]]; then
  echo "demo: $images: the number of images is 1 to 10000" >&2
  exit 2
fi
network=models/mnist-swish4.onnx
obscura=build/release/obscura
export OBSCURA_DATA="${OBSCURA_DATA:-data}"

tools/setup.sh --no-train --no-developer
echo "demo: building" >&2
mkdir -p build
log=build/demo-build.log
# A build folder that is there keeps its options; a fresh one needs neither libtorch nor the tests.
options=()
[[ -f build/release/CMakeCache.txt ]] || options=(-DOBSCURA_TRAIN=OFF -DOBSCURA_DEVELOPER=OFF)
if ! { cmake --preset release "${options[@]}" && cmake --build --preset release --target obscura obscura-server -j "$(nproc)"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "demo: the build failed (whole log: $log)" >&2
  exit 1
fi

"$obscura" data fetch mnist >&2

# Two networks for digits, each with keys small enough for a tab, and the page; ends with the server.
if [[ "$serve_page" == 1 ]]; then
  page=web/dist-page plans=build/demo-page
  if [[ ! -f "$page/index.html" ]]; then
    tools/setup.sh --web --no-train --no-developer
    echo "demo: building the page" >&2
    if ! { cmake --preset wasm && cmake --build --preset wasm -j "$(nproc)" && (cd web && npm ci --ignore-scripts && npm run page); } >"$log" 2>&1; then
      tail -n 30 "$log" >&2
      echo "demo: the page was not built (whole log: $log)" >&2
      exit 1
    fi
  fi
  rm -rf "$plans"
  mkdir -p "$plans"
  for name in mnist-square mnist-swish4; do
    "$obscura" compile "models/$name.onnx" --layout image --batch 1 --calibrate mnist --max-keys 60MB -o "$plans/$name.plan" >&2
  done
  exec build/release/obscura-server serve "$plans" --port "${OBSCURA_DEMO_PORT:-8080}" --page "$page"
fi
test_images="$OBSCURA_DATA/mnist/t10k-images-idx3-ubyte:0:$images"
test_labels="$OBSCURA_DATA/mnist/t10k-labels-idx1-ubyte:0:$images"
folder=build/demo
rm -rf "$folder"
mkdir -p "$folder/server" "$folder/client"
server="$folder/server" client="$folder/client"

# step NAME COMMAND...: runs a verb, keeps its JSON in NAME.json
step() {
  local name="$1"
  shift
  printf '$ obscura %s\n' "$*" >&2
  "$obscura" "$@" --json >"$folder/$name.json"
}

step compile compile "$network" --batch "$images" --calibrate mnist -o "$server/net.plan"
step offer offer "$server/net.plan" -o "$client/net.offer"
step keygen keygen "$client/net.offer" --secret "$client/secret.key" --eval "$server/eval.keys"
step encrypt encrypt "$client/net.offer" --secret "$client/secret.key" "$test_images" -o "$server/images.enc"
step run run "$server/net.plan" --eval "$server/eval.keys" "$server/images.enc" -o "$client/answer.enc"
step decrypt decrypt "$client/net.offer" --secret "$client/secret.key" "$client/answer.enc" --labels "$test_labels" \
  --images "$test_images" --picture "$folder/obscura-demo.png"
step float evaluate "$network" --dataset mnist --split test --limit "$images" --backend float --predictions
mv "$folder/obscura-demo.png" obscura-demo.png

# One image by itself: the same network in the image layout, with keys of its own.
one="$OBSCURA_DATA/mnist/t10k-images-idx3-ubyte:0:1"
step one-compile compile "$network" --batch 1 --calibrate mnist -o "$server/one.plan"
step one-offer offer "$server/one.plan" -o "$client/one.offer"
step one-keygen keygen "$client/one.offer" --secret "$client/one.secret" --eval "$server/one.keys"
step one-encrypt encrypt "$client/one.offer" --secret "$client/one.secret" "$one" -o "$server/one.enc"
step one-run run "$server/one.plan" --eval "$server/one.keys" "$server/one.enc" -o "$client/one.answer"
step one-decrypt decrypt "$client/one.offer" --secret "$client/one.secret" "$client/one.answer"

# The same over a network: a server with a fresh certificate, and a client that has its address and a token.
mkdir "$folder/plans"
cp "$server/one.plan" "$folder/plans/mnist.plan"
build/release/obscura-server init "$folder/plans" >"$folder/init.log"
build/release/obscura-server token add "$folder/plans" demo >"$client/token"
: >"$folder/server.log"
build/release/obscura-server serve "$folder/plans" --port 0 >"$folder/server.log" 2>&1 &
serving=$!
trap 'kill "$serving" 2>/dev/null || true' EXIT
url=""
for _ in {1..100}; do
  url="$(sed -n 's/.*\(https:[^ ]*\) serves.*/\1/p' "$folder/server.log")"
  [[ -z "$url" ]] || break
  sleep 0.1
done
step classify classify --server "$url" --ca "$folder/plans/tls/certificate.pem" --token-file "$client/token" --keys "$client/keys" mnist "$OBSCURA_DATA/mnist/t10k-images-idx3-ubyte:0:10"
kill -TERM "$serving"
wait "$serving"

python3 tools/demo_report.py "$folder"
# Half a gigabyte or more of ciphertexts that nobody needs any longer.
rm -f "$server/images.enc" "$client/answer.enc"
echo "picture: obscura-demo.png"
echo "page: ./demo.sh --page serves it at http://127.0.0.1:${OBSCURA_DEMO_PORT:-8080}"
