#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures `obscura run --mpi` on this machine, beside what `obscura inspect --ranks` predicts.

  bench/ranks.py [--build build/release] [--work DIR] [--jobs mnist,mnist-shared,compact,narrow] [--repeat 2] [--ranks 1,2,4]
      [--cores 2]

mnist: 8 batches of models/mnist-square.onnx twice over, dealt to ranks; mnist-shared: one batch, shared by all; compact and
narrow: one batch of CIFAR-10, shared by all. Each is run by 1, 2 and 4 ranks of one thread, one after the other,
`--repeat` times over, so that what else the machine does meets all of them. Prints the least of each: seconds of the
network (rank 0's run and read), processor seconds of all ranks, how much faster than one rank, and the model's answer
with the one rank's time as its only measured figure. Ranks wait for each other without a core of their own, so that
processor seconds say what sharing costs on a machine that others use too. DIR keeps what is made once: about 2 GB for
mnist, 4 GB and 16 GB of memory for one rank of narrow, 6 GB for compact; --ranks 1,2 leaves out what
does not fit. The answers are compared byte for byte.
"""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# name: network, data set, split, images, and how often: the training images of MNIST fill no more than 8 batches
JOBS = {
    "mnist": ("mnist-square", "mnist", "train", 60000, 2),
    "mnist-shared": ("mnist-square", "mnist", "test", 8192, 1),
    "compact": ("cifar10-compact-element-kd", "cifar10", "test", 8192, 1),
    "narrow": ("cifar10-narrow", "cifar10", "test", 8192, 1),
}
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])


def run(command, env=None):
    """What the command printed, and the processor seconds that it and its children took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"ranks: {' '.join(map(str, command))}: exit status {done.returncode}\n{done.stderr}")
    return done.stdout, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def prepare(obscura, work, network, dataset, split, images):
    """A folder with plan, keys and encrypted images of a network."""
    folder = work / network
    folder.mkdir(parents=True, exist_ok=True)
    plan, offer, secret, evaluation = (folder / name for name in ("plan", "offer", "secret", "eval"))
    if not plan.exists():
        run([obscura, "compile", ROOT / "models" / f"{network}.onnx", "--batch", 8192, "--layout", "batch",
             "--calibrate", dataset, "-o", plan])
        run([obscura, "offer", plan, "-o", offer])
        run([obscura, "keygen", offer, "--secret", secret, "--eval", evaluation])
    inputs = folder / f"{split}-{images}.enc"
    if not inputs.exists():
        run([obscura, "encrypt", offer, "--secret", secret, "--dataset", dataset, "--split", split, "--limit", images,
             "-o", inputs])
    return plan, evaluation, inputs


def measure(arguments, obscura, name):
    network, dataset, split, images, copies = JOBS[name]
    plan, evaluation, inputs = prepare(obscura, arguments.work, network, dataset, split, images)
    best, answer = {}, None
    for _ in range(arguments.repeat):
        for ranks in arguments.ranks:
            out = arguments.work / f"{name}-{ranks}.enc"
            seconds, processor = 0.0, 0.0
            for _ in range(copies):
                out.unlink(missing_ok=True)
                text, used = run(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", ranks, obscura, "run", "--mpi",
                                  "--threads", 1, "--json", plan, "--eval", evaluation, inputs, "-o", out],
                                 {**os.environ, **AS_ROOT})
                report = last_json(text)
                seconds += report["read_seconds"] + report["run_seconds"] + report["write_seconds"]
                processor += used
            content = out.read_bytes()
            if answer is not None and content != answer:
                sys.exit(f"ranks: {out}: another answer than of one rank")
            answer = content
            out.unlink()
            if ranks not in best or seconds < best[ranks][0]:
                best[ranks] = (seconds, processor, report["batches"])
    batches = best[1][2]
    model = last_json(run([obscura, "inspect", plan, "--ranks", max(arguments.ranks), "--images", images, "--network", 100,
                           "--core-seconds", best[1][0] / batches / copies, "--json"])[0])
    print(f"\n{name}: {batches * copies} batches of {network}, load {os.getloadavg()[0]:.1f}, {arguments.cores} cores")
    print(f"{'ranks':>6} {'seconds':>9} {'processor s':>12} {'faster':>7} {'model':>7} {'of model':>9}")
    for ranks in arguments.ranks:
        seconds, processor, _ = best[ranks]
        # Ranks beyond the cores share them.
        predicted = next(r["seconds"] for r in model["runs"] if r["ranks"] == min(ranks, arguments.cores)) * copies
        print(f"{ranks:6} {seconds:9.2f} {processor:12.2f} {best[1][0] / seconds:7.2f} {best[1][0] / predicted:7.2f} "
              f"{100 * seconds / predicted:8.0f}%", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()) / "obscura-ranks")
    parser.add_argument("--jobs", default="mnist,mnist-shared,compact,narrow")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--ranks", type=lambda text: [int(n) for n in text.split(",")], default=[1, 2, 4])
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if 1 not in arguments.ranks:
        parser.error("--ranks: 1 has to be among them, what the others are held against")
    os.environ.setdefault("OBSCURA_DATA", str(ROOT / "data"))
    for name in arguments.jobs.split(","):
        if name not in JOBS:
            sys.exit(f"ranks: no job {name}; there are {', '.join(JOBS)}")
        measure(arguments, arguments.build / "obscura", name)


if __name__ == "__main__":
    main()
