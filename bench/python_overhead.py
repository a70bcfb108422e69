#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What Python adds to Server.run: the same run from Python and from C++ (bench/library_run), in turns.

  PYTHONPATH=build/release/python /usr/bin/python3 bench/python_overhead.py build/release/library_run MODEL.onnx [RUNS [BATCH]]

Prints of each the median and the least of wall and processor seconds, and the ratios. 15 runs, batch 8192 unless said.
"""
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy

import obscura


def from_python(server, keys, images, progress):
    begin, cpu = time.perf_counter(), time.process_time()
    server.run(keys, images, progress=progress)
    return time.perf_counter() - begin, time.process_time() - cpu


def from_library(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return tuple(float(word) for word in process.stdout.readline().split())


def main():
    program, model, *numbers = sys.argv[1:]
    runs, batch = (int(n) for n in [*numbers, *("15", "8192")[len(numbers) :]])
    network = obscura.Network(model)
    plan = network.compile(batch=batch)
    client, server = obscura.Client(plan.offer), obscura.Server(plan)
    count = min(batch, plan.images_at_once)
    folder = pathlib.Path(tempfile.mkdtemp())
    plan.save(folder / "plan")
    client.evaluation_keys(to=folder / "keys")
    client.encrypt(numpy.random.default_rng(1).random((count, *network.shape), numpy.float32), to=folder / "images")
    keys, images = server.read_keys(folder / "keys"), (folder / "images").read_bytes()
    arguments = [program, folder / "plan", folder / "keys", folder / "images"]
    seconds = {"C++": [], "Python": [], "Python with progress": []}
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for run in range(runs + 1):  # the first warms up
            taken = {
                "C++": from_library(process),
                "Python": from_python(server, keys, images, None),
                "Python with progress": from_python(server, keys, images, lambda what, done, total: None),
            }
            for who in seconds if run > 0 else ():
                seconds[who].append(taken[who])
        process.stdin.close()
    print(f"{network.name}, {count} images, {runs} runs each, in turns")
    best = {}
    for who, taken in seconds.items():
        wall, cpu = zip(*taken)
        best[who] = [statistics.median(wall), min(wall), statistics.median(cpu), min(cpu)]
        print(f"{who:21} wall {best[who][0]:.4f} s median, {best[who][1]:.4f} s least; "
              f"processor {best[who][2]:.4f} s median, {best[who][3]:.4f} s least")  # fmt: skip
    for who in list(seconds)[1:]:
        ratios = ", ".join(f"{100 * (a / b - 1):+.2f} %" for a, b in zip(best[who], best["C++"]))
        print(f"{who} over C++: {ratios}")


if __name__ == "__main__":
    main()
