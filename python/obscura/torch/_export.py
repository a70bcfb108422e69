# SPDX-License-Identifier: Apache-2.0
"""From a model to an ONNX file that says how it is to be compiled, and to a plan."""

from __future__ import annotations

import inspect
import io
from typing import Any, Optional, Sequence

import numpy
import torch
from torch import nn

from .._compiler import Network, Plan
from .._files import save
from .._types import Path

_OPERATOR_SET = 13
# Fields of ONNX's ModelProto: graph, a GraphProto, whose name is field 2; metadata_props, repeated
# StringStringEntryProto, whose fields are key = 1, value = 2.
_GRAPH, _METADATA_PROPS = 7, 14


def export(
    model: nn.Module,
    shape: Sequence[int],
    path: Optional[Path] = None,
    *,
    name: Optional[str] = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    class_names: Sequence[str] = (),
    headroom_bits: Optional[int] = None,
    max_error: Optional[float] = None,
    overwrite: bool = False,
) -> bytes:
    """The model in evaluation as the bytes of an ONNX file, which is written too where a path is given.

    shape      (C, H, W) of an image
    name       of the network; else that of the model's class
    mean, std  per channel: the model takes (pixel / 255 - mean) / std
    class_names, headroom_bits, max_error   as of Network.compile, which finds all of these in the file
    raises     what torch.onnx.export raises; IoError of the path; ValueError: a name of other than one line
    """
    was_training = model.training
    model.eval()
    file = io.BytesIO()
    # PyTorch 2.9 has another exporter unless told not to, which wants packages that others do not need.
    how = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    try:
        with torch.no_grad():
            torch.onnx.export(
                model,
                torch.zeros(1, *shape, device=_device_of(model)),
                file,
                opset_version=_OPERATOR_SET,
                input_names=["image"],
                output_names=["logits"],
                dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}},
                **how,
            )
    finally:
        model.train(was_training)
    facts = {
        "obscura.mean": " ".join(repr(float(v)) for v in mean),
        "obscura.deviation": " ".join(repr(float(v)) for v in std),
        "obscura.classes": "\n".join(_one_line(name) for name in class_names),
        "obscura.headroom": "" if headroom_bits is None else str(int(headroom_bits)),
        "obscura.max_error": "" if max_error is None else repr(float(max_error)),
    }
    # Fields that are appended to a message of Protobuf are part of it: a name once more stands in place of the first.
    content = file.getvalue() + _field(_GRAPH, _field(2, _one_line(name or type(model).__name__).encode()))
    content += b"".join(_property(key, value) for key, value in facts.items() if value)
    if path is not None:
        save(content, path, overwrite)
    return content


def compile_torch(
    model: nn.Module,
    sample_images: Any,
    batch: int = 8192,
    alpha: "int | str" = "auto",
    *,
    name: Optional[str] = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    **options: Any,
) -> Plan:
    """A model and training images to a plan: export, calibrate and compile.

    sample_images   {N, C, H, W}: bytes from 0 to 255 or floats from 0 to 1, before any normalisation: the ranges of all
                    values are measured on the first 256, polynomials for ReLU and the like on up to 10,000
    name            of the network; else that of the model's class
    mean, std       per channel: the model takes (pixel / 255 - mean) / std
    options         of Network.compile
    raises          what export, Network and Network.compile raise
    """
    images = numpy.asarray(sample_images)
    if images.ndim != 4:
        raise ValueError(f"sample_images: an array of shape {images.shape}; (N, C, H, W) is allowed")
    _, *shape = images.shape
    network = Network(export(model, shape, name=name, mean=mean, std=std))
    return network.calibrate(images).compile(batch, alpha, **options)


def _device_of(model: nn.Module) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def _one_line(name: str) -> str:
    if not name or "\n" in name:
        raise ValueError(f"name {name!r}: text of one line is allowed")
    return name


def _property(key: str, value: str) -> bytes:
    """An entry of metadata_props."""
    return _field(_METADATA_PROPS, _field(1, key.encode()) + _field(2, value.encode()))


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
