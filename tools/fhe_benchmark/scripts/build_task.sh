#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_task.sh SUBMISSION: builds the stages, and a plan for each size where it is not there. The harness calls it.
#   OBSCURA_PREFIX   where Obscura is installed (cmake --install build/release --prefix ...); default: /usr
#   OBSCURA_MODEL    the network; default: mnist-square
#   OBSCURA_DATA     folder with the data set that calibrates it
set -euo pipefail
task="$1"
prefix="${OBSCURA_PREFIX:-/usr}"
model="${OBSCURA_MODEL:-mnist-square}"
dataset=mnist
[[ "$model" == cifar10* ]] && dataset=cifar10
cmake -S "$task" -B "$task/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$task/build" -j "$(nproc)" >/dev/null
mkdir -p "$task/plans"
if [[ "$(cat "$task/plans/model" 2>/dev/null)" != "$model" ]]; then
  rm -f "$task"/plans/*
  echo "$model" >"$task/plans/model"
fi
names=(single small medium large) images=(1 100 1000 10000)
for k in 0 1 2 3; do
  plan="$task/plans/${names[k]}"
  [[ -f "$plan.offer" ]] && continue
  # Keys of one image are what a client sends first: half of them cost it little (docs/PERFORMANCE.md, "Smaller keys").
  options=()
  [[ "$k" == 0 && -n "${OBSCURA_MAX_KEYS:-}" ]] && options=(--max-keys "$OBSCURA_MAX_KEYS")
  "$prefix/bin/obscura" compile "$prefix/share/obscura/models/$model.onnx" --batch "${images[k]}" --calibrate "$dataset" "${options[@]}" -o "$plan.plan"
  "$prefix/bin/obscura" offer "$plan.plan" -o "$plan.offer"
done
