"""Whose call a warning is about: the line outside the package, however deep within it the warning is given."""

from __future__ import annotations

import sys

__all__ = ["levels_to_the_user"]

_WRAPPERS = ("mlpfast", "sklearn")  # scikit-learn wraps methods, and calls them in pipelines and searches


def levels_to_the_user() -> int:
    """The `stacklevel` of `warnings.warn`, for whoever asks, that names the first frame outside the package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] in _WRAPPERS:
        level, frame = level + 1, frame.f_back
    return level
