#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Slurm: an array of jobs over files of encrypted images, one job a file. Needs no MPI.
#
#   sbatch --array=0-11%4 --cpus-per-task=16 --mem=20G tools/slurm/array.sh PLAN EVAL IN OUT
#
# Job k takes the file of IN/*.enc that stands at place k, counted from 0 in the order of `ls`, and writes OUT/ of the same
# name. All nodes see all of them; $OBSCURA names the program, else it is on the PATH. A job that is requeued (a node that
# failed, preemption, `scontrol requeue`) goes on after the batches that it finished, and what is there already is left
# alone: the same sbatch may be given again after any failure.
#SBATCH --job-name=obscura
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

fail() {
  echo "array.sh: $*" >&2
  exit 2
}
[[ $# -eq 4 ]] || fail "PLAN EVAL IN OUT are wanted, $# words were given"
[[ -n "${SLURM_ARRAY_TASK_ID:-}" ]] || fail "no array: sbatch --array=0-N, one number for each file of $3"
plan="$1" eval="$2" out="$4"
shopt -s nullglob
files=("$3"/*.enc)
((SLURM_ARRAY_TASK_ID < ${#files[@]})) ||
  fail "$3 has ${#files[@]} files of encrypted images, none at place $SLURM_ARRAY_TASK_ID: sbatch --array=0-$((${#files[@]} - 1))"
in="${files[$SLURM_ARRAY_TASK_ID]}"
answer="$out/$(basename "$in")"
if [[ -e "$answer" ]]; then
  echo "array.sh: $answer is there"
  exit 0
fi
mkdir -p "$out"
exec "${OBSCURA:-obscura}" run "$plan" --eval "$eval" "$in" -o "$answer" --resume --threads "${SLURM_CPUS_PER_TASK:-1}"
