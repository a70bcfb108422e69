#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many classifiers that others published compile for one image, with no option but --calibrate.

  /usr/bin/python3 bench/compile_strangers.py OBSCURA FOLDER [--limit SECONDS] [--memory SIZE] [FILE ...]

FOLDER holds networks and expected.json, as ../shared/data/wild. Networks of MNIST's and CIFAR-10's shape are calibrated
with training images of those ($OBSCURA_DATA), all others with the seeded random pixels of expected.json, since what
they were trained with is not there. Prints a line a network, and the share that compiled.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy


def calibration(dims, folder):
    """What --calibrate takes for a network whose input has these dimensions."""
    shape = [d for d in dims[1:] if d != 1]
    if shape in ([28, 28], [784]):
        return "mnist"
    if sorted(shape) == [3, 32, 32]:
        return "cifar10"
    size = [128, *dims[1:]] if len(dims) > 1 else [128, 1]
    pixels = numpy.random.RandomState(0).randint(0, 256, size=size).astype("float32") / numpy.float32(255)
    if len(size) == 4 and size[1] not in (1, 3) and size[3] in (1, 2, 3):  # files of channels last; arrays are too
        pixels = pixels.transpose(0, 3, 1, 2)
    path = pathlib.Path(folder) / "calibration.npy"
    numpy.save(path, pixels)
    return str(path)


def compile_one(arguments, entry, folder):
    """Seconds, whether it compiled, and what was said."""
    out = pathlib.Path(folder) / "network.plan"
    out.unlink(missing_ok=True)
    command = [arguments.obscura, "compile", str(arguments.folder / entry["file"]), "--batch", "1", "--calibrate",
               calibration(entry["dims"], folder), "--out", str(out)]
    if arguments.memory:
        command += ["--memory", arguments.memory]
    start = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.limit, check=False)
    except subprocess.TimeoutExpired:
        return time.monotonic() - start, False, f"not within {arguments.limit:.0f} s"
    said = done.stderr if done.returncode else next((l for l in done.stdout.splitlines() if "core-seconds" in l), "")
    lines = [line for line in said.strip().splitlines() if line.strip()]
    return time.monotonic() - start, done.returncode == 0, lines[-1].strip() if lines else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("obscura")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--limit", type=float, default=300, help="seconds for each network")
    parser.add_argument("--memory", help="of the server, as 16GB (default: as obscura compile has it)")
    arguments = parser.parse_args()
    entries = [e for e in json.loads((arguments.folder / "expected.json").read_text()) if e["kind"] == "classifier"]
    if arguments.files:
        entries = [e for e in entries if e["file"] in arguments.files]
    compiled = 0
    with tempfile.TemporaryDirectory() as folder:
        for entry in entries:
            seconds, ok, said = compile_one(arguments, entry, folder)
            compiled += ok
            print(f"{entry['file']:28} {'compiled' if ok else 'REFUSED ':8} {seconds:6.1f} s  {said[:400]}", flush=True)
    print(f"{compiled} of {len(entries)} compile ({100 * compiled / max(len(entries), 1):.0f} %)")


if __name__ == "__main__":
    main()
