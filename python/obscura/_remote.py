# SPDX-License-Identifier: Apache-2.0
"""The client of a service (`obscura-server serve`)."""

from __future__ import annotations

import os
import threading
from typing import Any, Optional

from . import _core
from ._client import Answer
from ._images import as_images
from ._types import Path, Progress


class RemoteClient:
    """A model of a server, and this client's key for it: from images to labels by one call.

    url        http://HOST[:PORT] or https://HOST[:PORT]
    model      its name there
    folder     where keys are kept, a folder for each set of parameters; None: $XDG_DATA_HOME/obscura, else
               ~/.local/share/obscura, as `obscura classify` has it. Whoever has it decrypts everything
    token      of servers that want one
    ca         a PEM file of whom to trust in place of this machine's certificates
    certificate, key   PEM files of this client, for servers that ask for them
    trust      the server's public key of `obscura signkey`: offers and answers of others are refused
    passphrase of the secret key's file, of one that is made and of one that is there; None: without. Python does not
               wipe it from memory
    raises     WrongParams: no URL, a certificate that is not trusted, no valid token, a wrong passphrase; MissingKey: no
               such model; Infeasible: more than max_key_bytes; IoError: no connection; BadFormat: no such server;
               Cancelled

    One call at a time goes through; others wait for it.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        folder: Optional[Path] = None,
        token: str = "",
        ca: Path = "",
        certificate: Path = "",
        key: Path = "",
        trust: Path = "",
        passphrase: Optional[str] = None,
        max_key_bytes: int = 4_000_000_000,
        progress: Progress = None,
    ) -> None:
        options = _core.RemoteOptions()
        options.folder = _folder_of_keys() if folder is None else folder
        options.token = token
        options.ca, options.certificate, options.key = ca, certificate, key
        options.trust, options.max_key_bytes = trust, max_key_bytes
        self._core = _core.RemoteClient.connect(url, model, options, passphrase, progress)
        self._offer = self._core.offer
        self._turn = threading.Lock()

    @property
    def offer(self) -> "_core.Offer":
        """What the server says of the model."""
        return self._offer

    @property
    def made_key(self) -> bool:
        """Whether the key was made now, and not found in the folder."""
        return self._core.made_key

    def classify(self, images: Any, progress: Progress = None) -> Answer:
        """Images leave this process encrypted, and the answer is decrypted here.

        Evaluation keys are sent before, where the server has none of this client.
        raises   WrongParams: images that do not fit, or an answer that is not to these; IoError; Busy: too much to do,
                 or over the quota: later; Cancelled; what the server says
        """
        with self._turn:
            return Answer._of(self._core.classify(as_images(images, self._offer.shape), progress), self._offer)


def _folder_of_keys() -> str:
    data = os.environ.get("XDG_DATA_HOME", "")
    if not data.startswith("/"):
        data = os.path.join(os.path.expanduser("~"), ".local/share")
    return os.path.join(data, "obscura")
