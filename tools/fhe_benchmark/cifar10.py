#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the submission on CIFAR-10 by the rules of HomomorphicEncryption.org's suite, without its harness.

  OBSCURA_PREFIX=PREFIX OBSCURA_DATA=data /usr/bin/python3 tools/fhe_benchmark/cifar10.py FOLDER SIZE

The suite's public snapshot has the harness of MNIST only. This driver starts the same programs in the same order, each
a process of its own in FOLDER, and writes what the suite's harness writes for them: pixels in 0..1 with six decimals,
channels first, a line an image, drawn from the test split. It prints and stores (FOLDER/measurements/SIZE) for each
stage the wall time from its start to its end, which is what the suite's tables have, its processor time and largest
memory; the bytes of keys, input and result; and how many labels are right. FOLDER keeps plans and programs; images,
keys and answers are made anew.

SIZE: 0 (one image), 1 (100), 2 (1,000), 3 (10,000). OBSCURA_MODEL and the other variables: scripts/build_task.sh.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import numpy
from PIL import Image

NAMES = ("single", "small", "medium", "large")
IMAGES = (1, 100, 1000, 10000)
HERE = pathlib.Path(__file__).resolve().parent


def read_test_split(data):
    """uint8 images of 3 x 32 x 32, and their labels."""
    folder = pathlib.Path(data) / "cifar10"
    try:
        rows = numpy.asarray(Image.open(folder / "test_batch.png").convert("RGB"))
        labels = json.loads((folder / "test_lables.json").read_text())
    except OSError as error:
        sys.exit(f"cifar10.py: {error}: `obscura data fetch cifar10` fetches it, OBSCURA_DATA names the folder")
    return rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2), numpy.asarray(labels)


def write_input(folder, size, split, seed):
    """Images of the test split: all in their order, or some that the seed draws."""
    images, labels = split
    count = IMAGES[size]
    all_of_them = numpy.arange(len(labels))
    chosen = all_of_them if count == len(labels) else numpy.random.default_rng(seed).permutation(all_of_them)[:count]
    place = folder / "datasets" / NAMES[size] / "intermediate"
    place.mkdir(parents=True, exist_ok=True)
    pixels = images[chosen].reshape(count, -1).astype("float32") / numpy.float32(255)
    numpy.savetxt(place / "test_pixels.txt", pixels, fmt="%.6f")
    numpy.savetxt(place / "test_labels.txt", labels[chosen], fmt="%d")
    return labels[chosen]


def run_stage(folder, stage, *arguments):
    """Wall time, processor time and largest memory of a program that must succeed."""
    start = time.monotonic()
    process = subprocess.Popen([folder / "submission" / "build" / stage, *arguments], cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"cifar10.py: {stage} ended with {process.returncode}")
    seconds = time.monotonic() - start
    memory = usage.ru_maxrss * 1024
    work = f"user {usage.ru_utime:.2f}, system {usage.ru_stime:.2f}"
    print(f"  {stage:28} {seconds:8.2f} s  ({work})  {memory / 1e9:.2f} GB", flush=True)
    return {"seconds": round(seconds, 4), "user_seconds": round(usage.ru_utime, 4),
            "system_seconds": round(usage.ru_stime, 4), "peak_memory_bytes": memory}


def bytes_of(folder, what):
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    print(f"  {what:28} {size / 1e6:8.2f} MB")
    return size


def measure(folder, size, number, split, seed, keys):
    """One run, with keys that are there."""
    io = folder / "io" / NAMES[size]
    expected = write_input(folder, size, split, seed)
    stages = {stage: run_stage(folder, stage, str(size))
              for stage in ("client_preprocess_input", "client_encode_encrypt_input", "server_encrypted_compute",
                            "client_decrypt_decode", "client_postprocess")}
    sizes = {"input": bytes_of(io / "ciphertexts_upload", "input"),
             "result": bytes_of(io / "ciphertexts_download", "result")}
    labels = [int(line) for line in (io / "encrypted_model_predictions.txt").read_text().split()]
    right = sum(a == b for a, b in zip(labels, expected, strict=True))
    print(f"  right: {right} of {len(expected)} ({100 * right / len(expected):.2f} %)")
    result = {"model": os.environ["OBSCURA_MODEL"], "images": len(expected), "right": int(right), "seed": seed,
              "load": os.getloadavg(), "stages": keys["stages"] | stages, "bytes": keys["bytes"] | sizes}
    path = folder / "measurements" / NAMES[size] / f"results-{number}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("size", type=int, choices=range(len(NAMES)))
    parser.add_argument("--runs", type=int, default=3,
                        help="of one key, each with images of its own (default: 3, as the suite asks)")
    parser.add_argument("--seed", type=int, default=3, help="of the first run's images (default: 3)")
    arguments = parser.parse_args()
    folder, size = arguments.folder.resolve(), arguments.size
    os.environ.setdefault("OBSCURA_MODEL", "cifar10-deep-calm")
    for variable in ("OBSCURA_PREFIX", "OBSCURA_MODEL"):  # the stages run in another folder
        if os.path.exists(os.environ.get(variable, "")):
            os.environ[variable] = str(pathlib.Path(os.environ[variable]).resolve())
    os.environ["OBSCURA_SIZES"] = str(size)
    data = os.environ["OBSCURA_DATA"] = str(pathlib.Path(os.environ.get("OBSCURA_DATA", "data")).resolve())
    split = read_test_split(data)
    for part in ("submission", "scripts"):
        shutil.copytree(HERE / part, folder / part, dirs_exist_ok=True)
    subprocess.run(["scripts/build_task.sh", "./submission"], cwd=folder, check=True)
    shutil.rmtree(folder / "io" / NAMES[size], ignore_errors=True)
    (folder / "io" / NAMES[size]).mkdir(parents=True)
    print(f"{os.environ['OBSCURA_MODEL']}, size {size} ({NAMES[size]}), load {os.getloadavg()[0]:.1f}")
    keys = {"stages": {"client_key_generation": run_stage(folder, "client_key_generation", str(size))},
            "bytes": {"keys": bytes_of(folder / "io" / NAMES[size] / "public_keys", "keys")}}
    keys["stages"]["server_preprocess_model"] = run_stage(folder, "server_preprocess_model")
    for run in range(arguments.runs):
        print(f"run {run + 1} of {arguments.runs}")
        measure(folder, size, run + 1, split, arguments.seed + run, keys)


if __name__ == "__main__":
    main()
