#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Slurm: one file of encrypted images on many ranks.
#
#   sbatch --ntasks=64 --cpus-per-task=1 --mem-per-cpu=8G tools/slurm/mpi.sh PLAN EVAL IN OUT
#
# `obscura inspect PLAN --ranks 64 --images N` says what to ask for (docs/SCALING.md). All nodes see PLAN, EVAL, IN and
# OUT; $OBSCURA names the program, else it is on the PATH. Requeued, or given again, with any number of tasks, it goes on
# after the batches that are finished. Where Slurm was built with PMIx, MPIRUN="srun --mpi=pmix" does as well as mpirun.
#SBATCH --job-name=obscura-mpi
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

if [[ $# -ne 4 ]]; then
  echo "mpi.sh: PLAN EVAL IN OUT are wanted, $# words were given" >&2
  exit 2
fi
if [[ -e "$4" ]]; then
  echo "mpi.sh: $4 is there"
  exit 0
fi
# shellcheck disable=SC2086  # MPIRUN may be several words
exec ${MPIRUN:-mpirun} "${OBSCURA:-obscura}" run --mpi "$1" --eval "$2" "$3" -o "$4" --resume \
  --threads "${SLURM_CPUS_PER_TASK:-1}"
