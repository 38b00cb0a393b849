"""A thread that works ahead."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Ahead"]

T = TypeVar("T")


class Ahead(Generic[T]):
    """The items of a generator, made by a thread of its own, at most `depth` ahead of who takes them.

    It begins when the first item is taken. After `close` it ends with the item at hand, and closes the generator. What
    the generator raises is raised where the next item would be taken.

    Parameters
    ----------
    make : function
        Makes the generator, which nobody else may use. It is given a function without arguments that tells whether an
        item is waited for at the moment.
    depth : int, default 2
        Items that may be ready, or in the making, beside the one that was taken last.
    """

    def __init__(self, make: Callable[[Callable[[], bool]], Iterator[T]], depth: int = 2) -> None:
        self._items = make(lambda: self._awaited and self._ready.empty())
        self._awaited = False
        self._room = threading.Semaphore(depth)
        self._ready: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
        self._stopping = False
        self._process = os.getpid()
        # A daemon: the process must be able to end while somebody's generator waits for what never comes.
        self._thread = threading.Thread(target=self._make, name="mlpfast reader", daemon=True)

    @property
    def lost(self) -> bool:
        """Whether this is a child forked since, which has no such thread: it would wait for it for ever."""
        return self._process != os.getpid()

    def _make(self) -> None:
        end: BaseException | None = None
        try:
            while self._room.acquire() and not self._stopping:
                try:
                    item = (next(self._items),)
                except StopIteration:
                    break
                self._ready.put(item)
                del item
        except BaseException as error:  # whatever it is, it belongs to the thread that takes the items
            end = error
        finally:
            self._ready.put(end)
            getattr(self._items, "close", int)()  # last: whoever waits must not wait on, if this fails

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        while True:
            if self.lost:
                raise RuntimeError("rows are read by a thread of the process that this one was forked from")
            self._awaited = True
            item = self._ready.get()
            self._awaited = False
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item[0]
            del item
            self._room.release()

    def close(self) -> None:
        """Wait for the end of the thread."""
        self._stopping = True
        if self.lost:  # and may have taken locks along
            return
        self._room.release()
        if self._thread.ident is not None:
            self._thread.join()
