#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the figures of a run of demo.sh from the JSON that each verb left in a folder."""

import json
import pathlib
import sys

STAGES = ("compile", "keygen", "encrypt", "run", "decrypt")
FILES = ("server/net.plan", "client/net.offer", "client/secret.key", "server/eval.keys", "server/images.enc",
         "client/answer.enc")


def bytes_text(size):
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"


def main():
    folder = pathlib.Path(sys.argv[1])
    answer = {name: json.loads((folder / f"{name}.json").read_text()) for name in (*STAGES, "float")}
    encrypted, clear = answer["decrypt"]["labels"], answer["float"]["labels"]
    images = len(encrypted)
    if len(clear) != images:
        sys.exit(f"demo: {images} encrypted answers, but {len(clear)} clear ones")
    agree = sum(a == b for a, b in zip(encrypted, clear))
    print(f"\n{images} encrypted images, network {answer['compile']['network']}, N = {answer['compile']['ring_degree']}, "
          f"log2(QP) = {answer['compile']['log2_qp']:.0f}")
    print(f"  accuracy, encrypted        {100 * answer['decrypt']['accuracy']:.2f} %")
    print(f"  accuracy, clear network    {100 * answer['float']['accuracy']:.2f} %")
    print(f"  agreement of both          {100 * agree / images:.2f} % ({images - agree} of {images} differ)")
    print("\n  stage        seconds   ms per image   peak memory")
    for stage in STAGES:
        seconds = answer[stage]["seconds"]
        print(f"  {stage:8} {seconds:11.2f} {1000 * seconds / images:14.3f}   "
              f"{bytes_text(answer[stage]['peak_memory_bytes']):>11}")
    network = answer["run"]["run_seconds"]
    print(f"  of run, the network itself: {network:.2f} s, {1000 * network / images:.3f} ms per image; the rest reads and "
          "writes files")
    print("\n  file                    size")
    for name in FILES:
        print(f"  {name:18} {bytes_text((folder / name).stat().st_size):>10}")
    print(one_image(folder))
    print(served(folder))


def served(folder):
    """The images that went through a server."""
    result = json.loads((folder / "classify.json").read_text())
    labels = " ".join(str(label) for label in result["labels"])
    return (f"\nThrough a server at {result['server']}: labels {labels}; {result['seconds']:.2f} s for "
            f"{result['images']} images, with the making and sending of a key")


def one_image(folder):
    """The image that went through by itself."""
    run, result = (json.loads((folder / f"one-{name}.json").read_text()) for name in ("run", "decrypt"))
    label = result["labels"][0]
    sizes = {name: bytes_text((folder / name).stat().st_size)
             for name in ("server/one.keys", "server/one.enc", "client/one.answer")}
    return (f"\nOne image by itself: label {label}, probability {result['probabilities'][0][label]:.4f}; the network took the "
            f"server {run['run_seconds']:.2f} s\n  (image {sizes['server/one.enc']}, answer {sizes['client/one.answer']}, "
            f"evaluation keys {sizes['server/one.keys']}, sent once)")


if __name__ == "__main__":
    main()
