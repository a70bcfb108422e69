#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes 1,000 images of 3x32x32 that are in no data set, or in another, as .npy for `evaluate --images` and `encrypt`.

They are drawn apart from those that training makes (src/train/outliers.h): 200 of uniform noise, 150 of pixels that are black
or full in each channel, 150 checkerboards and 100 stripes with fields of 1 to 8 pixels, 100 of one colour, 100 test images of
CIFAR-10 inverted, 100 with each channel black or full, 100 digits of MNIST in white on black.
"""
import argparse
import pathlib
import sys

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    sys.exit(f"outliers: {missing}: Debian's python3-numpy and python3-pil have it, for /usr/bin/python3")


def cifar(folder, count):
    # A row of the picture is an image, its pixels one after the other.
    rows = np.asarray(Image.open(folder / "cifar10" / "test_batch.png").convert("RGB"))[:count]
    return rows.reshape(count, 32, 32, 3).transpose(0, 3, 1, 2)


def digits(folder, count):
    raw = np.frombuffer((folder / "mnist" / "t10k-images-idx3-ubyte").read_bytes(), np.uint8)
    images = np.zeros((count, 3, 32, 32), np.uint8)
    images[:, :, 2:30, 2:30] = raw[16:16 + count * 784].reshape(count, 1, 28, 28)
    return images


def fields(random, count, both):
    out = np.empty((count, 3, 32, 32), np.uint8)
    y, x = np.mgrid[0:32, 0:32]
    for image in out:
        size = random.integers(1, 9)
        along = random.integers(0, 2)
        place = y // size + x // size if both else (y if along else x) // size
        colours = random.choice([0, 255], (2, 3)) if random.integers(0, 2) else random.integers(0, 256, (2, 3))
        image[:] = np.where(place % 2 == 0, colours[0][:, None, None], colours[1][:, None, None])
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path, help="the .npy file to write")
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("data"), help="folder of the data sets")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    random = np.random.default_rng(options.seed)
    try:
        photographs = cifar(options.data, 200)
        others = digits(options.data, 100)
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename}: not there; obscura data fetch cifar10, obscura data fetch mnist")
    images = np.concatenate([
        random.integers(0, 256, (200, 3, 32, 32), np.uint8),
        random.choice(np.array([0, 255], np.uint8), (150, 3, 32, 32)),
        fields(random, 150, True),
        fields(random, 100, False),
        np.broadcast_to(random.integers(0, 256, (100, 3, 1, 1), np.uint8), (100, 3, 32, 32)),
        255 - photographs[:100],
        np.where(photographs[100:] > 127, 255, 0).astype(np.uint8),
        others,
    ])
    np.save(options.out, images)
    print(f"{options.out}: {len(images)} images")


if __name__ == "__main__":
    main()
