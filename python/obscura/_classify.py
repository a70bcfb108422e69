# SPDX-License-Identifier: Apache-2.0
"""All of it in one call."""

from __future__ import annotations

from typing import Any, Union

from ._client import Answer, Client
from ._compiler import Network, Plan
from ._images import as_images
from ._server import Server
from ._types import Progress, Source


def classify(net: Union[Network, Plan, Source], images: Any, *, progress: Progress = None, **options: Any) -> Answer:
    """Images through encryption, with client and server in this process: what a network does there, in one line.

    net       a Network, the path or bytes of an ONNX file, or a Plan, which is not compiled again
    images    as for Network; as many go through at a time as fit
    options   of Network.compile; batch is else the number of images, 16384 at most
    raises    what Network, compile, Client and Server raise
    """
    if isinstance(net, Plan):
        if options:
            raise TypeError(f"classify: {', '.join(options)}: a plan is compiled already")
        plan = net
    else:
        network = net if isinstance(net, Network) else Network(net)
        count = len(as_images(images, network.shape))
        options.setdefault("batch", min(count, 16384))
        plan = network.compile(progress=progress, **options)
    client, server = Client(plan.offer), Server(plan)
    keys = server.read_keys(client.evaluation_keys(progress=progress))
    encrypted = client.encrypt(images, progress=progress)
    return client.decrypt(server.run(keys, encrypted, progress=progress), progress=progress)
