# SPDX-License-Identifier: Apache-2.0
"""Exceptions: one for each code of the library, all of them an Error."""

from __future__ import annotations


class Error(Exception):
    """What the library says no to. str(error) is one sentence: what it is about, the actual and the allowed value."""

    #: "bad_format", "unsupported", "wrong_params", "missing_key", "infeasible", "io", "busy" or "cancelled"
    code: str = ""


class BadFormat(Error):
    """Bytes that are not what they should be: truncated, damaged, of another kind."""

    code = "bad_format"


class Unsupported(Error):
    """Well-formed, but outside of what Obscura does."""

    code = "unsupported"


class WrongParams(Error, ValueError):
    """Made for another plan, key or parameter set; arrays or options that do not fit."""

    code = "wrong_params"


class MissingKey(Error):
    """An evaluation key that the plan needs is absent, or a server has no such model."""

    code = "missing_key"


class Infeasible(Error):
    """No parameters satisfy the request."""

    code = "infeasible"


class IoError(Error, OSError):
    """The operating system said no: absent, exists already, disk full, no connection."""

    code = "io"


class Busy(Error):
    """Try again later."""

    code = "busy"


class Cancelled(Error):
    """A progress function stopped it."""

    code = "cancelled"


_BY_CODE = {kind.code: kind for kind in Error.__subclasses__()}


def make(code: str, sentence: str) -> Error:
    """The exception of a code; the module _core calls it."""
    return _BY_CODE[code](sentence)
