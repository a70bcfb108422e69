# SPDX-License-Identifier: Apache-2.0
"""Files that are whole or absent, and never replace one that is there unless that is asked for."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from ._errors import IoError


def save(content: Any, path: "str | os.PathLike[str]", overwrite: bool) -> None:
    """raises  IoError: there is such a file already, or it cannot be written"""
    path = os.fspath(path)
    partial = None
    try:
        handle, partial = tempfile.mkstemp(prefix=os.path.basename(path) + ".partial-", dir=os.path.dirname(path) or ".")
        with os.fdopen(handle, "wb") as file:
            file.write(memoryview(content))
        os.chmod(partial, 0o644)
        if overwrite:
            os.replace(partial, path)
        else:
            os.link(partial, path)
    except FileExistsError:
        raise IoError(f"{path}: there is such a file already; overwrite=True replaces it") from None
    except OSError as error:
        raise IoError(f"{path}: {error.strerror}") from None
    finally:
        if partial is not None and os.path.exists(partial):
            os.unlink(partial)
