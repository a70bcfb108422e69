# SPDX-License-Identifier: Apache-2.0
"""Radiographs that their hospital does not show: a shipped network looks for pneumonia in encrypted images.

  4_medical_images.py [IMAGES-TO-CLASSIFY] [FOLDER]       all of the test set; writes pneumonia.png

FOLDER is where PneumoniaMNIST lies (docs/DATA.md says how to place it), data/pneumoniamnist unless said. Hospital and
server share files alone: the offer, evaluation keys, encrypted images, an encrypted answer.
"""
import pathlib
import sys
import tempfile

import numpy
from helper import DATA, idx_set, model, numbers, save_picture

import obscura


def main():
    (count,) = numbers(624)
    folders = [word for word in sys.argv[1:] if not word.isdigit()]
    data = pathlib.Path(folders[0]) if folders else DATA / "pneumoniamnist"
    training, _ = idx_set(data, "train", 256)
    images, true = idx_set(data, "test", count)
    exchange = pathlib.Path(tempfile.mkdtemp())

    # Whoever owns the network. Its file says how pixels are normalised; training images give the ranges of its values.
    network = obscura.Network(model("pneumonia.onnx")).calibrate(training)
    plan = network.compile(batch=count, class_names=["normal", "pneumonia"])
    plan.save(exchange / "server.plan")
    (exchange / "offer").write_bytes(plan.offer.bytes)

    # The hospital: the secret key stays with it.
    offer = obscura.Offer(exchange / "offer")
    print(f"{offer.network}: keys of {offer.key_bytes / 1e6:.1f} MB, {offer.images_at_once} images at once")
    client = obscura.Client(offer)
    client.save(exchange / "hospital.secret")
    client.evaluation_keys(to=exchange / "keys")
    client.encrypt(images, to=exchange / "images")

    # The server has the plan, and sees noise.
    server = obscura.Server(exchange / "server.plan")
    server.run(server.read_keys(exchange / "keys"), exchange / "images", to=exchange / "answer")

    # The hospital again, later, by the key that it kept.
    answer = obscura.Client(offer, exchange / "hospital.secret").decrypt(exchange / "answer")
    ill = answer.labels == 1
    found, cleared = (ill & (true == 1)).sum(), (~ill & (true == 0)).sum()
    print(f"right: {found + cleared} of {len(true)} ({100 * (found + cleared) / len(true):.2f} %)")
    print(f"sensitivity: {found} of {(true == 1).sum()} ill; specificity: {cleared} of {(true == 0).sum()} well")
    exact = network.run(images).argmax(1)
    print(f"labels as without encryption: {(answer.labels == exact).sum()} of {len(true)}")

    unsure = numpy.abs(answer.probabilities[:, 1] - 0.5).argsort()[:8]
    shown = [*range(min(8, len(true))), *unsure]
    captions = [f"{100 * answer.probabilities[k].max():.0f}% {answer.class_names[answer.labels[k]]}" for k in shown]
    save_picture("pneumonia.png", images[shown], captions, (answer.labels == true)[shown])


if __name__ == "__main__":
    main()
