# SPDX-License-Identifier: Apache-2.0
"""What the examples share: files of images, a picture of answers, a server."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import struct
import subprocess
import sys
import time
import zlib

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("OBSCURA_DATA", ROOT / "data" if (ROOT / "models").exists() else "data"))
# Five rows of three points, a digit of base 8 each.
FONT = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ .%-",
        "75557 26227 71747 71717 55711 74717 74757 71111 75757 75717 75755 65656 74447 65556 74647 74644 74557 55755 "
        "72227 11157 55655 44447 57755 65555 75557 75744 75571 65655 74717 72222 55557 55552 55775 55255 55222 71247 "
        "00000 00002 51245 00700".split(),
    )
)


def model(name):
    """The path of a shipped network: of the sources, or of the package `obscura`."""
    here = ROOT / "models" / name
    return here if here.exists() else pathlib.Path("/usr/share/obscura/models") / name


def read_idx(path):
    """The array of bytes of an idx file, as MNIST has them."""
    with open(path, "rb") as file:
        axes = struct.unpack(">4B", file.read(4))[3]
        shape = struct.unpack(f">{axes}I", file.read(4 * axes))
        return numpy.frombuffer(file.read(), numpy.uint8).reshape(shape)


def idx_set(folder, split, count):
    """The first images {N, 1, 28, 28} and labels {N} of a folder with MNIST's file names; at most `count`."""
    images = read_idx(pathlib.Path(folder) / f"{split}-images-idx3-ubyte")[:count, None]
    return images, read_idx(pathlib.Path(folder) / f"{split}-labels-idx1-ubyte")[:count].astype(numpy.int64)


def numbers(*defaults):
    """The numbers of the command line, and the defaults of those that it leaves out."""
    given = [int(word) for word in sys.argv[1:] if word.isdigit()]
    return [*given, *defaults[len(given) :]]


def show_progress(what, done, total):
    """A line of standard error that says how far a call is."""
    if sys.stderr.isatty():
        print(f"\r{what} {100 * done // max(1, total)} %      ", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def serving(folder):
    """The address of `obscura-server serve FOLDER`, which ends with the block: on this machine alone, without TLS."""
    log = pathlib.Path(folder).with_suffix(".log")
    with log.open("w") as out:
        server = subprocess.Popen(
            [os.environ.get("OBSCURA_SERVER", "obscura-server"), "serve", folder, "--port", "0"], stdout=out, stderr=out
        )
    try:
        deadline = time.monotonic() + 30
        while not (found := re.search(r"http://\S+:\d+", log.read_text())):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"obscura-server does not serve: {log.read_text()}")
            time.sleep(0.05)
        yield found.group()
    finally:
        server.terminate()
        server.wait()


def _written(text, scale, width):
    """Black text on white, {5 * scale, width, 3}; what goes beyond the width is left out."""
    strip = numpy.full((5 * scale, width, 3), 255, numpy.uint8)
    for place, letter in enumerate(text.upper()):
        glyph = [[int(row) >> (2 - k) & 1 for k in range(3)] for row in FONT.get(letter, FONT[" "])]
        block = numpy.kron(numpy.array(glyph, bool), numpy.ones((scale, scale), bool))
        left = place * 4 * scale
        fits = block[:, : max(0, width - left)]
        strip[:, left : left + fits.shape[1]][fits] = 0
    return strip


def save_picture(path, images, captions, right, columns=8, side=96):
    """Writes a PNG of images {N, C, H, W} (bytes) with a caption under each, framed green where it is right, else red."""
    cells = []
    for image, caption, good in zip(images, captions, right):
        colour = image.transpose(1, 2, 0) if len(image) == 3 else numpy.repeat(image[0][..., None], 3, 2)
        take = numpy.arange(side) * colour.shape[0] // side
        cell = numpy.full((side + 24, side + 12, 3), 255, numpy.uint8)
        cell[2 : side + 8, 3 : side + 9] = (40, 160, 60) if good else (210, 40, 40)
        cell[5 : side + 5, 6 : side + 6] = colour[take][:, take]
        cell[side + 11 : side + 21, 6 : side + 6] = _written(caption, 2, side)
        cells.append(cell)
    while len(cells) % columns:
        cells.append(numpy.full_like(cells[0], 255))
    rows = [numpy.concatenate(cells[k : k + columns], 1) for k in range(0, len(cells), columns)]
    pixels = numpy.concatenate(rows)
    height, width, _ = pixels.shape
    lines = numpy.concatenate([numpy.zeros((height, 1), numpy.uint8), pixels.reshape(height, -1)], 1)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes())) + chunk(b"IEND", b"")
    pathlib.Path(path).write_bytes(png)
