# SPDX-License-Identifier: Apache-2.0
"""Obscura: convolutional networks on images that the server never sees.

    net = obscura.Network("x.onnx").calibrate(training_images)
    plan = net.compile(batch=8192)
    plan.simulate(images)                                        # without encryption, with its errors
    client, server = obscura.Client(plan.offer), obscura.Server(plan)
    keys = server.read_keys(client.evaluation_keys())            # the client's, none of which decrypts
    answer = client.decrypt(server.run(keys, client.encrypt(images)))
    answer.labels

Images are numpy arrays, bytes or floats from 0 to 1; obscura.torch has what goes before an ONNX file.
"""

from ._classify import classify
from ._client import Answer, Client
from ._compiler import Network, Plan
from ._core import Bytes, EvaluationKeys, Offer, __version__
from ._errors import (
    BadFormat,
    Busy,
    Cancelled,
    Error,
    Infeasible,
    IoError,
    MissingKey,
    Unsupported,
    WrongParams,
)
from ._remote import RemoteClient
from ._server import Server

__all__ = [
    "Answer",
    "BadFormat",
    "Busy",
    "Bytes",
    "Cancelled",
    "Client",
    "Error",
    "EvaluationKeys",
    "Infeasible",
    "IoError",
    "MissingKey",
    "Network",
    "Offer",
    "Plan",
    "RemoteClient",
    "Server",
    "Unsupported",
    "WrongParams",
    "__version__",
    "classify",
    "compile_torch",
]


def __getattr__(name: str) -> object:
    # PyTorch is loaded by who asks for it.
    if name == "compile_torch":
        from .torch import compile_torch

        return compile_torch
    raise AttributeError(f"module 'obscura' has no attribute {name!r}")
