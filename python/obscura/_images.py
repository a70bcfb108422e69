# SPDX-License-Identifier: Apache-2.0
"""From arrays as people have them to what the library takes: float32, 0 to 1, image after image, in C order."""

from __future__ import annotations

from typing import Any, Tuple

import numpy

from ._errors import WrongParams

Shape = Tuple[int, int, int]


def as_images(images: Any, shape: Shape) -> numpy.ndarray:
    """The array as float32 of {images, C*H*W}, values 0 to 1; the same memory where it is float32 in C order already.

    images   an array (or whatever numpy.asarray takes, tensors of PyTorch on the CPU too) of shape {N, C, H, W},
             {N, H, W, C}, {N, C*H*W}, of one channel also {N, H, W}; without N it is one image. Integers are bytes,
             0 to 255, and become pixel / 255; floats are 0 to 1
    shape    (C, H, W), which the network takes
    raises   WrongParams: another shape, no image, a value out of range or not a number
    """
    array = numpy.asarray(images)
    rows = _rows(array, shape)
    if rows.dtype == numpy.bool_ or not (
        numpy.issubdtype(rows.dtype, numpy.integer) or numpy.issubdtype(rows.dtype, numpy.floating)
    ):
        raise WrongParams(f"images: numbers of type {array.dtype}; integers from 0 to 255 or floats from 0 to 1 are allowed")
    whole = numpy.issubdtype(rows.dtype, numpy.integer)
    least, greatest = rows.min(), rows.max()
    top = 255 if whole else 1
    if not (least >= 0 and greatest <= top):  # also where one is not a number
        raise WrongParams(
            f"images: {array.dtype} values from {least} to {greatest}; allowed are "
            + ("integers from 0 to 255" if whole else "floats from 0 to 1, which are pixel / 255")
        )
    if whole:
        return numpy.divide(rows, numpy.float32(255), dtype=numpy.float32)
    return numpy.ascontiguousarray(rows, dtype=numpy.float32)


def _rows(array: numpy.ndarray, shape: Shape) -> numpy.ndarray:
    """The same numbers as {images, C*H*W}."""
    channels, height, width = shape
    size = channels * height * width
    layouts = [(channels, height, width), (size,)]
    if channels == 1:
        layouts.append((height, width))
    if array.size > 0:
        for layout in layouts:
            if array.shape == layout or array.shape[1:] == layout:
                return array.reshape(-1, size)
        last = (height, width, channels)
        if array.shape == last or array.shape[1:] == last:
            return array.reshape(-1, height, width, channels).transpose(0, 3, 1, 2).reshape(-1, size)
    raise WrongParams(
        f"images: an array of shape {array.shape}; one or more images of {channels} x {height} x {width} "
        "(channels, height, width) are allowed"
    )
