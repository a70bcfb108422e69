# SPDX-License-Identifier: Apache-2.0
"""A pretrained ResNet-20 with ReLU, as it is: no retraining, one encrypted picture at a time.

  3_pretrained_resnet.py [IMAGES-TO-SIMULATE [IMAGES-TO-ENCRYPT]] [NETWORK.onnx [MEAN STD]]
                                          16, 1 and the shipped network unless said; writes resnet.png

MEAN and STD are three numbers each with commas between. Needs CIFAR-10 (`obscura data fetch cifar10`) and python3-pil,
and for the encrypted image 12 GB of memory for the server's part and the keys of 2 GB.
"""
import json
import sys
import time

import numpy
from helper import DATA, model, numbers, save_picture, show_progress
from PIL import Image

import obscura

CLASSES = ["airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def cifar10(picture, labels, count):
    """The first images {N, 3, 32, 32} and labels: a row of the picture is an image, point after point."""
    with Image.open(DATA / "cifar10" / picture) as opened:
        rows = numpy.asarray(opened.crop((0, 0, 1024, min(count, opened.height))).convert("RGB"))
    images = rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)
    return images, numpy.array(json.loads((DATA / "cifar10" / labels).read_text())[: len(images)])


def main():
    simulated, encrypted = numbers(16, 1)
    words = [word for word in sys.argv[1:] if not word.isdigit()]
    file = words[0] if words else model("teachers/cifar10-resnet20-relu.onnx")
    mean, std = ([float(v) for v in word.split(",")] for word in words[1:3] or ("0.4914,0.4822,0.4465", "0.247,0.2435,0.2616"))
    training, _ = cifar10("data_batch_1.png", "train_lables.json", 500)
    images, true = cifar10("test_batch.png", "test_lables.json", max(simulated, encrypted))

    network = obscura.Network(file).calibrate(training)
    print(f"{network}: {network.verdict}")
    begin = time.time()
    plan = network.compile(
        batch=1, mean=mean, std=std, class_names=CLASSES, memory=12_000_000_000, progress=show_progress
    )
    print(f"compiled in {time.time() - begin:.0f} s; {plan}, {plan.memory / 1e9:.1f} GB")
    for reason in plan.reasons:
        print(f"  {reason}")

    exact = network.run(images, mean, std).argmax(1)
    labels = plan.simulate(images[:simulated], progress=show_progress).argmax(1)
    print(f"simulated: {(labels == true[:simulated]).sum()} of {simulated} right, "
          f"{(labels == exact[:simulated]).sum()} as in floating point")  # fmt: skip
    if encrypted > 0:
        print(f"keys of {plan.offer.key_bytes / 1e9:.2f} GB")
        begin = time.time()
        answer = obscura.classify(plan, images[:encrypted], progress=show_progress)
        print(f"encrypted: {(answer.labels == exact[:encrypted]).sum()} of {encrypted} as in floating point, "
              f"{time.time() - begin:.0f} s with the making of keys")  # fmt: skip
        labels[:encrypted] = answer.labels[:simulated]
    save_picture("resnet.png", images[:simulated], [CLASSES[label] for label in labels], labels == true[:simulated])


if __name__ == "__main__":
    main()
