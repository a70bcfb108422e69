# SPDX-License-Identifier: Apache-2.0
"""The client's side: whoever has images that nobody else may see."""

from __future__ import annotations

import dataclasses
from typing import Any, List, Optional, Union

import numpy

from . import _core
from ._images import as_images
from ._types import Path, Progress, Source


@dataclasses.dataclass(frozen=True)
class Answer:
    """Decrypted logits and what they say."""

    #: {images, classes}, float32
    logits: numpy.ndarray
    #: Of one label an image {images}, int64; of several a list for each image; None where the outputs are plain values.
    labels: Union[numpy.ndarray, List[List[int]], None]
    #: {images, classes} (binary: {images, 1}), float64: how likely each label is; None where the outputs are values.
    probabilities: Optional[numpy.ndarray]
    #: One of the labels' names for each class.
    class_names: List[str]

    def __len__(self) -> int:
        return len(self.logits)

    @classmethod
    def _of(cls, parts: tuple, offer: "_core.Offer") -> "Answer":
        logits, labels, probabilities = parts
        if offer.answer in ("one", "binary"):
            labels = numpy.array(labels, numpy.int64).reshape(-1)
        elif offer.answer == "values":
            labels = None
        count = 2 if offer.answer == "binary" else offer.classes
        return cls(logits, labels, probabilities, [offer.class_name(k) for k in range(count)])


class Client:
    """A secret key for one offer, and what is done with it.

    offer    of a plan, or the path or bytes of an offer's file
    secret   a file of save(); without it a fresh key is made
    raises   WrongParams: parameters that are refused, a key for other ones; IoError, BadFormat of the files
    """

    def __init__(self, offer: Union["_core.Offer", Source], secret: Optional[Path] = None) -> None:
        self._offer = offer if isinstance(offer, _core.Offer) else _core.Offer(offer)
        self._core = (
            _core.Client.generate(self._offer) if secret is None else _core.Client.load(self._offer, secret)
        )

    @property
    def offer(self) -> "_core.Offer":
        """What the key was made for."""
        return self._offer

    def save(self, secret: Path, overwrite: bool = False) -> None:
        """Writes the secret key to a file that only its owner may read. Whoever has it decrypts everything."""
        self._core.save(secret, overwrite)

    def evaluation_keys(
        self,
        to: Optional[Path] = None,
        overwrite: bool = False,
        max_bytes: int = 4_000_000_000,
        progress: Progress = None,
    ) -> Optional["_core.Bytes"]:
        """All that a server needs to compute, none of which decrypts: Bytes, or None where they go to a file.

        raises   Infeasible: the offer asks for more than max_bytes; IoError; Cancelled
        """
        return self._core.write_keys(to, overwrite, max_bytes, progress)

    def encrypt(
        self, images: Any, to: Optional[Path] = None, overwrite: bool = False, progress: Progress = None
    ) -> Optional["_core.Bytes"]:
        """Encrypted images for Server.run: Bytes, or None where they go to a file.

        images   {N, C, H, W} and the like (Network): bytes from 0 to 255 or floats from 0 to 1
        raises   WrongParams: no image, or such that do not fit; IoError; Cancelled
        """
        return self._core.encrypt(as_images(images, self._offer.shape), to, overwrite, progress)

    def decrypt(self, source: Source, progress: Progress = None) -> Answer:
        """The server's answer, of a path or its bytes.

        raises   BadFormat; WrongParams: made for another plan or key, or values that overflowed; IoError; Cancelled
        """
        return Answer._of(self._core.decrypt(source, progress), self._offer)
