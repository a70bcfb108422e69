#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The job scripts of tools/slurm/ on a real Slurm: its controller and three nodes of one processor each, all on this
# machine, with a key, sockets and ports of their own. An array of jobs, of which one is requeued and a node is drained;
# an MPI job that is killed, and goes on with another number of ranks. What comes out is what one run of each file gives.
#
#   tests/slurm/slurm_test.sh SOURCE BUILD
#
# Exits 77 (skipped) where Slurm is not installed or this is not root, as which alone its daemons start jobs.
set -euo pipefail
source="$1" build="$2"

skip() {
  echo "slurm_test: skipped: $*"
  exit 77
}
fail() {
  echo "slurm_test: $*" >&2
  tail -n 5 "$work"/cluster/slurmctld.log "$work"/jobs/* >&2 || true
  exit 1
}
for program in munged slurmctld slurmd sbatch sinfo scontrol python3; do
  command -v "$program" >/dev/null || skip "$program is not here (Debian: slurmctld slurmd slurm-client munge)"
done
[[ "$(id -u)" -eq 0 ]] || skip "not root"
export OBSCURA="$build/obscura"

work="$(mktemp -d)"
cluster="$work/cluster"
stop() {
  local pid
  if [[ -s "$cluster/slurmctld.pid" ]]; then  # no job outlives its daemons
    timeout 10 scancel --quiet --full --user="$(id -un)" || true
    sleep 1
  fi
  for pid in "$cluster"/n?/slurmd.pid "$cluster"/slurmctld.pid "$cluster"/munge/pid; do
    [[ -s "$pid" ]] && kill "$(cat "$pid")" 2>/dev/null || true
  done
  sleep 1
  rm -rf "$work"
}
trap stop EXIT
mkdir -p "$cluster"/{state,n1,n2,n3,munge} "$work"/{in,out,whole,jobs}
chmod 700 "$cluster/munge"
cd "$work"

# --- a plan, keys, six files of encrypted images, and what one run of each gives
python3 - <<'X'
import random, struct
random.seed(1)
for name, count in [("small", 40), ("large", 200)]:
    with open(f"{name}-images-idx3-ubyte", "wb") as out:
        out.write(struct.pack(">IIII", 0x803, count, 28, 28) + random.randbytes(count * 784))
X
{
  "$OBSCURA" compile "$source/models/mnist-square.onnx" --batch 1 -o plan
  "$OBSCURA" offer plan -o offer
  "$OBSCURA" keygen offer --secret secret --eval eval
  for k in 0 1 2 3 4 5; do
    "$OBSCURA" encrypt offer --secret secret "small-images-idx3-ubyte:$k:30" -o "in/$k.enc"
    "$OBSCURA" run plan --eval eval "in/$k.enc" -o "whole/$k.enc"
  done
  "$OBSCURA" encrypt offer --secret secret large-images-idx3-ubyte -o large.enc
  "$OBSCURA" run plan --eval eval large.enc -o whole-large.enc
} >"$work/prepare.log" 2>&1 || { cat "$work/prepare.log" >&2; exit 1; }

# --- the cluster
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
head -c 32 /dev/urandom >"$cluster/munge/key"
chmod 400 "$cluster/munge/key"
export SLURM_CONF="$cluster/slurm.conf"
cat >"$SLURM_CONF" <<X
ClusterName=obscura
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$(port)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$cluster/munge/socket
CredType=cred/munge
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/%n
SlurmctldPidFile=$cluster/slurmctld.pid
SlurmdPidFile=$cluster/%n/slurmd.pid
SlurmctldLogFile=$cluster/slurmctld.log
SlurmdLogFile=$cluster/%n/slurmd.log
ReturnToService=2
KillWait=2
MpiDefault=none
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(port) CPUs=1 State=UNKNOWN
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(port) CPUs=1 State=UNKNOWN
NodeName=n3 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$(port) CPUs=1 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
X
munged --socket="$cluster/munge/socket" --key-file="$cluster/munge/key" --pid-file="$cluster/munge/pid" \
  --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed" --num-threads=2 --force 2>/dev/null
slurmctld -i
for node in n1 n2 n3; do slurmd -N "$node"; done

# eventually SECONDS WHAT COMMAND...: until the command succeeds
eventually() {
  local left=$(($1 * 5)) what="$2"
  shift 2
  until "$@"; do
    ((left-- > 0)) || fail "waited in vain for: $what"
    sleep 0.2
  done
}
all_idle() { [[ "$(sinfo -h -N -o %T | sort -u)" == idle ]]; }
eventually 60 "three idle nodes" all_idle
submit() { sbatch --parsable -o "$work/jobs/%j.log" "$@"; }
# States of a job (of all of an array), each once.
states() { scontrol -o show job "$1" 2>/dev/null | grep -o 'JobState=[A-Z]*' | cut -d= -f2 | sort -u | tr '\n' ' '; }
is_in() { [[ " $(states "$1")" == *" $2 "* ]]; }
ended() { [[ "$(states "$1")" =~ ^((COMPLETED|FAILED|CANCELLED|TIMEOUT)\ )+$ ]]; }

# --- an array: a job is requeued while it runs, and a node drained
array="$(submit --array=0-5 "$source/tools/slurm/array.sh" plan eval in out)"
requeued=""
requeue_one() {
  local running
  running="$(squeue -h -r -j "$array" -t R -o %i | head -n 1)"
  [[ -n "$running" ]] && scontrol requeue "$running" 2>/dev/null && requeued="$running"
}
eventually 60 "a job of the array to be requeued" requeue_one
scontrol update nodename=n2 state=drain reason=test
# A requeued job waits two minutes for its turn, unless told otherwise.
start_again() { scontrol update jobid="$requeued" starttime=now 2>/dev/null; }
eventually 60 "the requeued job to be pending" start_again
eventually 200 "the array to end" ended "$array"
[[ "$(states "$array")" == "COMPLETED " ]] || fail "the array ended as $(states "$array")"
for k in 0 1 2 3 4 5; do cmp "out/$k.enc" "whole/$k.enc" || fail "out/$k.enc is not what one run gives"; done
sinfo -h -N -n n2 -o %T | grep -q drain || fail "n2 is not drained"
scontrol update nodename=n2 state=resume
eventually 30 "n2 to be back" all_idle
# Again: all is there, and nothing is run.
again="$(submit --array=0-5 "$source/tools/slurm/array.sh" plan eval in out)"
eventually 60 "the second array to end" ended "$again"
[[ "$(states "$again")" == "COMPLETED " ]] || fail "the second array ended as $(states "$again")"
beyond="$(submit --array=6 "$source/tools/slurm/array.sh" plan eval in out)"
eventually 60 "a job beyond the files to end" ended "$beyond"
is_in "$beyond" FAILED || fail "a job beyond the files ended as $(states "$beyond")"
grep -q "in has 6 files of encrypted images, none at place 6" jobs/*.log || fail "a job beyond the files says nothing"

# --- MPI: killed, and given again with more ranks
if command -v mpirun >/dev/null && [[ -e "$build/obscura_mpi.so" ]]; then
  export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  export MPIRUN="mpirun --oversubscribe --bind-to none"
  killed="$(submit --ntasks=2 "$source/tools/slurm/mpi.sh" plan eval large.enc large-out.enc)"
  some_batches() { (($(stat -c %s large-out.enc.partial 2>/dev/null || echo 0) > $(stat -c %s whole-large.enc) / 20)); }
  eventually 120 "the first batches" some_batches
  scancel "$killed"
  eventually 60 "the job to be cancelled" ended "$killed"
  is_in "$killed" CANCELLED || fail "the job was $(states "$killed") before it could be cancelled"
  [[ ! -e large-out.enc ]] || fail "an answer of a job that was cancelled"
  resumed="$(submit --ntasks=3 "$source/tools/slurm/mpi.sh" plan eval large.enc large-out.enc)"
  eventually 200 "the job that goes on to end" ended "$resumed"
  [[ "$(states "$resumed")" == "COMPLETED " ]] || fail "the job that goes on ended as $(states "$resumed")"
  cmp large-out.enc whole-large.enc || fail "large-out.enc is not what one run gives"
  grep -q "resumes after" "jobs/$resumed.log" || fail "the second job did not go on: $(cat "jobs/$resumed.log")"
else
  echo "slurm_test: no MPI here: the MPI job was left out"
fi
echo "slurm_test: array and MPI job are whole"
