# SPDX-License-Identifier: Apache-2.0
"""The server's side: nothing here can decrypt."""

from __future__ import annotations

from typing import Optional, Union

from . import _core
from ._compiler import Plan
from ._types import Path, Progress, Source


class Server:
    """A compiled network that computes on encrypted images.

    plan     a Plan, or the path or bytes of its file
    memory   bytes that ciphertexts, keys, weights and encoded diagonals may take together; 0: as the plan says
    raises   IoError; BadFormat, Unsupported, WrongParams: what is wrong with the file
    """

    def __init__(self, plan: Union[Plan, Source], memory: int = 0) -> None:
        self._core = _core.Server.open(plan.bytes if isinstance(plan, Plan) else plan, memory)

    @property
    def network(self) -> str:
        """The network's name."""
        return self._core.network

    @property
    def images_at_once(self) -> int:
        """Images that one batch of ciphertexts holds."""
        return self._core.images_at_once

    @property
    def predicted_seconds(self) -> float:
        """Of one batch, on one core of the machine that compiled."""
        return self._core.predicted_seconds

    @property
    def offer(self) -> "_core.Offer":
        """What a client needs, without weights and layers."""
        return _core.Offer(self._core.offer())

    def read_keys(self, keys: Source) -> "_core.EvaluationKeys":
        """One client's evaluation keys, of a path or their bytes.

        raises   BadFormat; WrongParams: keys for other parameters; MissingKey; Infeasible: too little memory; IoError
        """
        return self._core.read_keys(keys)

    def run(
        self,
        keys: "_core.EvaluationKeys",
        images: Source,
        to: Optional[Path] = None,
        overwrite: bool = False,
        progress: Progress = None,
    ) -> Optional["_core.Bytes"]:
        """Encrypted images, of a path or their bytes, to encrypted logits: Bytes, or None where they go to a file.

        All cores, batch by batch; several threads may run at a time. KeyboardInterrupt and `progress` stop it.
        raises   BadFormat; WrongParams: of another plan or key; IoError; Cancelled
        """
        return self._core.run(keys, images, to, overwrite, progress)
