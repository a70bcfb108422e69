# SPDX-License-Identifier: Apache-2.0
"""What the signatures of the package speak of."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional, Union

#: A file's path, or anything that shows its bytes: bytes, obscura.Bytes, memoryview, a numpy array, mmap.
Source = Union[str, "os.PathLike[str]", Any]

#: A file to write, which must not exist unless it may be overwritten.
Path = Union[str, "os.PathLike[str]"]

#: Called as (what, done, total), at most 50 times a second, on the thread that made the call. False stops the call,
#: which then raises Cancelled; what it raises stops it too, and is raised by the call.
Progress = Optional[Callable[[str, int, int], Optional[bool]]]
