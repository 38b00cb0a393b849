"""What follows training in spite of Ctrl-C, so that what was learnt is not lost by it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import TypeVar

__all__ = ["finished"]

_Result = TypeVar("_Result")


def finished(function: Callable[[], _Result], interrupted: Event) -> _Result:
    """What a short function that changes nothing returns: after Ctrl-C meanwhile, which is noted, it begins anew.

    A second Ctrl-C is raised: who insists gets out.
    """
    try:
        return function()
    except KeyboardInterrupt:
        interrupted.set()
    return function()
