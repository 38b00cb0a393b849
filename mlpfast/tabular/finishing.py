"""What follows training in spite of Ctrl-C, so that what was learnt is not lost by it."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType
from typing import TypeVar

__all__ = ["finished", "one_at_a_time"]

_Result = TypeVar("_Result")
_SAME = 0.2  # seconds, within which nobody has seen what the first Ctrl-C does


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """What follows a Ctrl-C so closely that it is the same one is not heard.

    Keys bounce, and programs that start others pass on what the terminal has sent to these as well: the second one
    would come between the places that are ready for one. Handlers of the user's, and other threads, are left alone.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    last = -math.inf

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > _SAME:
            last = now
            signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def finished(function: Callable[[], _Result], interrupted: Event) -> _Result:
    """What a short function that changes nothing returns: after Ctrl-C meanwhile, which is noted, it begins anew.

    A second Ctrl-C is raised: who insists gets out.
    """
    try:
        return function()
    except KeyboardInterrupt:
        interrupted.set()
    return function()
