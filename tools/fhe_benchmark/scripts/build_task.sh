#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_task.sh SUBMISSION: builds the stages, and a plan for each size where it is not there. The harness calls it.
#   OBSCURA_PREFIX    where Obscura is installed (cmake --install build/release --prefix ...); default: /usr
#   OBSCURA_MODEL     the network: one of those that are installed, or a file; default: mnist-square
#   OBSCURA_DATA      folder with the data set that calibrates it
#   OBSCURA_MAX_KEYS  limit of one image's keys in the server's memory, as 60MB
#   OBSCURA_COMPILE   other options of `obscura compile`, as "--max-error 0.01"
#   OBSCURA_SIZES     sizes that get a plan; default: "0 1 2 3"
set -euo pipefail
task="$1"
prefix="${OBSCURA_PREFIX:-/usr}"
model="${OBSCURA_MODEL:-mnist-square}"
dataset=mnist
[[ "$(basename "$model")" == cifar10* ]] && dataset=cifar10
file="$prefix/share/obscura/models/$model.onnx"
[[ "$model" == *.onnx ]] && file="$model"
[[ -f "$file" ]] || { echo "build_task.sh: $file is not there: OBSCURA_MODEL names an installed network, or a file .onnx by its whole path" >&2; exit 2; }
cmake -S "$task" -B "$task/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$task/build" -j "$(nproc)" >/dev/null
mkdir -p "$task/plans"
wanted="$model ${OBSCURA_MAX_KEYS:-} ${OBSCURA_COMPILE:-}"
if [[ "$(cat "$task/plans/model" 2>/dev/null)" != "$wanted" ]]; then
  rm -f "$task"/plans/*
  echo "$wanted" >"$task/plans/model"
fi
names=(single small medium large) images=(1 100 1000 10000)
for k in ${OBSCURA_SIZES:-0 1 2 3}; do
  plan="$task/plans/${names[k]}"
  [[ -f "$plan.offer" ]] && continue
  read -ra options <<<"${OBSCURA_COMPILE:-}"
  # Keys of one image are what a client sends first: half of them cost it little (docs/PERFORMANCE.md, "Smaller keys").
  [[ "$k" == 0 && -n "${OBSCURA_MAX_KEYS:-}" ]] && options+=(--max-keys "$OBSCURA_MAX_KEYS")
  rm -f "$plan.plan"
  "$prefix/bin/obscura" compile "$file" --batch "${images[k]}" --calibrate "$dataset" "${options[@]}" -o "$plan.plan"
  "$prefix/bin/obscura" offer "$plan.plan" -o "$plan.offer"
done
