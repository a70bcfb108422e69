#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs a build into a folder of its own, builds examples/ against it as a stranger would, runs them, and holds the
# client's library to its size and to what it needs.
#   package_test.sh SOURCE BUILD
set -euo pipefail
source="$1" build="$2"
data="${OBSCURA_DATA:-$source/data}/mnist"
folder="$(mktemp -d)"
server=""
clean() {
  if [[ -n "$server" ]]; then kill "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap clean EXIT
fail() {
  echo "package_test: $1" >&2
  exit 1
}

cmake --install "$build" --prefix "$folder/usr" --strip >"$folder/install.log" || fail "$(tail -n 5 "$folder/install.log")"
cmake -S "$source/examples" -B "$folder/build" -DCMAKE_PREFIX_PATH="$folder/usr" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror -O1" >"$folder/configure.log" 2>&1 || fail "$(tail -n 20 "$folder/configure.log")"
cmake --build "$folder/build" -j 2 >"$folder/build.log" 2>&1 || fail "$(grep -E 'error|undefined' "$folder/build.log" | head -n 20)"
pkg=(env "PKG_CONFIG_PATH=$(dirname "$(find "$folder/usr" -name obscura-client.pc)")" pkg-config)
[[ "$("${pkg[@]}" --modversion obscura-client)" == "$("${pkg[@]}" --modversion obscura-server)" ]] || fail "pkg-config"
[[ "$("${pkg[@]}" --libs obscura-remote)" == *-lobscura-remote*-lobscura-client* ]] || fail "pkg-config of obscura-remote"

# Every public header stands by itself.
for header in "$source"/src/obscura/*.h; do
  echo "#include <obscura/$(basename "$header")>" | g++ -std=c++20 -fsyntax-only -x c++ $("${pkg[@]}" --cflags obscura-client) - ||
    fail "obscura/$(basename "$header") does not compile by itself"
done

client="$(find "$folder/usr" -type f -name 'libobscura-client.so.*')"
size="$(stat -c %s "$client")"
[[ "$size" -le 1500000 ]] || fail "$client has $size bytes; 1500000 are allowed"
needs() { # needs FILE: what it loads besides libsodium and the compiler's own
  readelf -d "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | sed -E '/^(libsodium|libstdc|libm\.|libgcc_s|libc\.|ld-linux)/d' | sort | xargs
}
needed="$(needs "$client")"
[[ -z "$needed" ]] || fail "libobscura-client needs $needed"
needed="$(needs "$(find "$folder/usr" -type f -name 'libobscura-remote.so.*')")"
[[ "$needed" =~ ^libcrypto\.so\.[0-9]+\ libobscura-client\.so\.[0-9]+\ libssl\.so\.[0-9]+$ ]] || fail "libobscura-remote needs $needed"
for library in client server remote; do
  file="$(find "$folder/usr" -type f -name "libobscura-$library.so.*")"
  if nm -DC "$file" | grep -qE 'onnx|dnnl|obscura::(secret|compile)::'; then fail "libobscura-$library shows what it must not have"; fi
done

if [[ ! -f "$data/t10k-images-idx3-ubyte" ]]; then
  echo "package_test: no MNIST in $data (obscura data fetch mnist): the examples were built and not run"
  exit 0
fi
run() { # run EXPECTED PROGRAM ARGUMENTS...: the output has a line with EXPECTED
  local expected="$1" name="$2"
  shift 2
  local output
  output="$("$folder/build/$name" "$@" 2>&1)" || fail "$name: $output"
  grep -qE "$expected" <<<"$output" || fail "$name printed: $output"
}
models="$source/models"
run '^predicted 7, true 7$' 1_one_image "$models/mnist-square.onnx" "$data"
run '^(9[5-9]|100) of 100 right$' 2_batch "$models/mnist-square.onnx" "$data"
run '^[0-9]+ images at once' 3_compile "$models/mnist-swish4.onnx" "$data"
mkdir "$folder/exchange"
run '' 5_two_processes offer "$models/mnist-square.onnx" "$folder/exchange"
run '' 5_two_processes encrypt "$data" "$folder/exchange"
run '' 5_two_processes run - "$folder/exchange"
run '^image 0: 7$' 5_two_processes decrypt - "$folder/exchange"
run '^stopped: cancelled$' 6_progress "$models/mnist-square.onnx"
run '^labels that the noise changes: [0-2] of 200$' 8_noise "$models/mnist-square.onnx" "$data"
run '^5 functions replaced: ' 7_own_activation "$models/teachers/cifar10-compact-relu.onnx" 20 \
  activation1 activation2 activation3 activation4 activation5
lenet="${OBSCURA_SHARED:-$source/../shared/data}/mnist/fheon_lenet5.onnx"
if [[ -f "$lenet" ]]; then
  run '^alpha 6: .* s an image' 4_choose_alpha "$lenet" "$data"
else
  echo "package_test: $lenet is absent: 4_choose_alpha was built and not run"
fi
# A server of one's own, with TLS and a token, and the client of it.
programs="$folder/usr/bin"
"$programs/obscura-server" init "$folder/plans" --name localhost >/dev/null
"$programs/obscura" compile "$models/mnist-square.onnx" --batch 1 --calibrate mnist --data "${data%/mnist}" \
  -o "$folder/plans/mnist-square.plan" >/dev/null || fail "no plan"
token="$("$programs/obscura-server" token add "$folder/plans" alice 2>/dev/null)"
: >"$folder/server.log"
"$programs/obscura-server" serve "$folder/plans" --port 0 >"$folder/server.log" 2>&1 &
server=$!
for ((k = 0; k < 300; ++k)); do
  port="$(sed -nE 's/.*https:\/\/[^ ]*:([0-9]+) serves.*/\1/p' "$folder/server.log" | head -n 1)"
  [[ -n "$port" ]] && break
  sleep 0.1
done
[[ -n "$port" ]] || fail "the server: $(tail -n 3 "$folder/server.log")"
remote=(9_remote "https://localhost:$port" mnist-square "$data" "$folder/keys" "$folder/plans/tls/certificate.pem" "$token")
run '^3 images: 7 2 1$' "${remote[@]}"
run '^the key of before' "${remote[@]}"
# The stages for the harness of the FHE benchmarking suite, in a folder like a checkout of it.
suite="$folder/suite"
mkdir -p "$suite/harness" "$suite/datasets/small/intermediate" "$suite/io/small"
: >"$suite/harness/run_submission.py"
"$source/tools/fhe_benchmark/install.sh" "$suite"
(cd "$suite" && scripts/get_openfhe.sh && OBSCURA_PREFIX="$folder/usr" OBSCURA_DATA="${data%/mnist}" scripts/build_task.sh ./submission) \
  >"$folder/suite.log" 2>&1 || fail "the stages for the benchmarking suite: $(tail -n 20 "$folder/suite.log")"
od -An -v -tu1 -w784 -j16 -N$((3 * 784)) "$data/t10k-images-idx3-ubyte" |
  awk '{ for (k = 1; k <= NF; ++k) printf "%.6f%s", $k / 255, k < NF ? " " : "\n" }' >"$suite/datasets/small/intermediate/test_pixels.txt"
for stage in client_key_generation server_preprocess_model client_preprocess_input client_encode_encrypt_input \
  server_encrypted_compute client_decrypt_decode client_postprocess; do
  (cd "$suite" && "submission/build/$stage" 1) >"$folder/suite.log" 2>&1 || fail "$stage: $(cat "$folder/suite.log")"
done
[[ "$(xargs <"$suite/io/small/encrypted_model_predictions.txt")" == "7 2 1" ]] || fail "the stages' labels are not 7 2 1"
# The same stages on CIFAR-10, by the driver beside them.
cifar="${data%/mnist}/cifar10/test_batch.png"
if [[ -f "$cifar" ]] && /usr/bin/python3 -c 'import numpy, PIL' 2>/dev/null; then
  OBSCURA_PREFIX="$folder/usr" OBSCURA_DATA="${data%/mnist}" OBSCURA_MODEL="$folder/usr/share/obscura/models/cifar10-p1.onnx" OBSCURA_COMPILE="--memory 2GB" \
    /usr/bin/python3 "$source/tools/fhe_benchmark/cifar10.py" "$suite" 0 --runs 1 --seed 1 >"$folder/suite.log" 2>&1 ||
    fail "the stages on CIFAR-10: $(tail -n 20 "$folder/suite.log")"
  grep -q 'right: 1 of 1' "$folder/suite.log" || fail "the stages on CIFAR-10 say $(tail -n 5 "$folder/suite.log")"
else
  echo "package_test: no CIFAR-10, or no numpy and PIL of /usr/bin/python3: its driver was not run"
fi
echo "package_test: 9 examples; client library $size bytes"
