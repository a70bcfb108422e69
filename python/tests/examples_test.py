# SPDX-License-Identifier: Apache-2.0
"""The examples in a small form, each as its reader runs it. Data that is absent is made up: then nothing is claimed of
how many are right."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys

import numpy
import pytest

from conftest import ROOT, pixels

EXAMPLES = ROOT / "python" / "examples"
DATA = pathlib.Path(os.environ.get("OBSCURA_DATA", ROOT / "data"))
SHARED = pathlib.Path(os.environ.get("OBSCURA_SHARED", ROOT.parent / "shared" / "data"))


def installed(name):
    return importlib.util.find_spec(name) is not None


def made_up_idx(folder, splits):
    """A folder as MNIST's: each label has a square of its own brightness, so that there is something to learn."""
    folder.mkdir(parents=True)
    for split, count in splits.items():
        labels = numpy.arange(count, dtype=numpy.uint8) % 2
        images = pixels(count, (28, 28)) // 4
        images[labels == 1, 8:20, 8:20] += 150
        (folder / f"{split}-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, count, 28, 28) + images.tobytes())
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, count) + labels.tobytes())
    return folder


def run(example, *arguments, cwd, data=DATA):
    done = subprocess.run(
        [sys.executable, EXAMPLES / example, *map(str, arguments)],
        cwd=cwd, env={**os.environ, "OBSCURA_DATA": str(data)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_picture(path):
    return path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 1000


def mnist(tmp_path):
    """The folder of data, and whether the digits are real."""
    if (DATA / "mnist" / "train-images-idx3-ubyte").exists():
        return DATA, True
    made_up_idx(tmp_path / "data" / "mnist", {"train": 2000, "t10k": 200})
    return tmp_path / "data", False


@pytest.mark.skipif(not installed("torch"), reason="python3-torch is not installed")
def test_mnist_from_zero_to_a_service(tmp_path, server_program):
    data, real = mnist(tmp_path)
    said = run("1_mnist_service.py", 4000, 2, 200, cwd=tmp_path, data=data)
    right, agree = re.search(r"encrypted: ([\d.]+) % of 200 right, ([\d.]+) % as without", said).groups()
    assert float(right) > (85 if real else 70) and float(agree) > 98
    assert re.search(r"through http://\S+:( \d){16}\n", said)
    assert is_picture(tmp_path / "mnist.png")


@pytest.mark.skipif(not installed("torch"), reason="python3-torch is not installed")
def test_your_own_cnn(tmp_path):
    data, real = mnist(tmp_path)
    said = run("2_your_own_cnn.py", 2000, 1, 100, data / "mnist", cwd=tmp_path)
    accuracies = [float(v) for v in re.findall(r": ([\d.]+) %", said)]
    assert len(accuracies) == 3 and min(accuracies) > (70 if real else 60)
    assert abs(accuracies[1] - accuracies[2]) < 3
    assert is_picture(tmp_path / "fashion.png")


@pytest.mark.skipif(not installed("PIL"), reason="python3-pil is not installed")
def test_pretrained_network(tmp_path):
    from PIL import Image

    data, real = DATA, (DATA / "cifar10" / "test_batch.png").exists()
    if not real:
        data = tmp_path / "data"
        (data / "cifar10").mkdir(parents=True)
        for picture, labels in (("data_batch_1", "train_lables"), ("test_batch", "test_lables")):
            Image.fromarray(pixels(300, (1024, 3))).save(data / "cifar10" / f"{picture}.png")
            (data / "cifar10" / f"{labels}.json").write_text(json.dumps([k % 10 for k in range(300)]))
    # The ResNet takes 12 GB and minutes; this has five of the same activations.
    network = ROOT / "models" / "teachers" / "cifar10-compact-relu.onnx"
    said = run("3_pretrained_resnet.py", 2, 0, network, cwd=tmp_path, data=data)
    assert re.search(r"compiled in \d+ s", said)
    assert re.search("simulated: [012] of 2 right, [12] as in floating point", said)
    if real:
        assert "2 as in floating point" in said
    assert is_picture(tmp_path / "resnet.png")


def test_medical_images(tmp_path):
    data = SHARED / "medical" / "pneumoniamnist"
    real = data.exists()
    if not real:
        data = made_up_idx(tmp_path / "pneumoniamnist", {"train": 300, "test": 60})
    said = run("4_medical_images.py", 60, data, cwd=tmp_path)
    right, agree = (int(re.search(pattern, said)[1]) for pattern in (r"right: (\d+) of 60", r"encryption: (\d+) of 60"))
    assert agree >= 58
    assert right > 48 or not real
    assert is_picture(tmp_path / "pneumonia.png")


def test_the_readme_and_the_page_show_code_that_runs(tmp_path):
    """Every block of Python in docs/PYTHON.md and in the README's section, in order, in one program."""
    if not installed("torch"):
        pytest.skip("python3-torch is not installed")
    data, _ = mnist(tmp_path)
    for page in (ROOT / "README.md", ROOT / "docs" / "PYTHON.md"):
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S)
        assert blocks, page
        folder = tmp_path / page.stem
        folder.mkdir()
        shutil.copytree(ROOT / "models", folder / "models", ignore=shutil.ignore_patterns("*.png", "teachers"))
        os.symlink(data, folder / "data")
        program = folder / "blocks.py"
        program.write_text("\n".join(blocks))
        done = subprocess.run([sys.executable, program.name], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{page}: {done.stderr}"
