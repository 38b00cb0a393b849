"""One BLAS thread while L-BFGS runs, and all of them in a forked child."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


class OneBlasThread:
    """Limits the BLAS libraries that are loaded by now to one thread, as long as any fit runs.

    The limit is the whole process's: of fits in several threads, the first sets it and the last lifts it. A child that
    is forked meanwhile has none of these threads, so it lifts the limit, and has a lock that nobody holds.
    """

    def __init__(self) -> None:
        # Found once: the search takes a lock of the C library, which a child forked in it would find locked for ever.
        self._libraries = ThreadpoolController().select(user_api="blas").lib_controllers
        self._threads: list[int] = []  # each library's own number, kept from before the limit is set until it is lifted
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """The limit holds inside of the block, at least."""
        fit = object()
        try:
            with self._lock:
                if not self._threads:
                    self._threads = [library.get_num_threads() for library in self._libraries]
                self._fits.add(fit)
                for library in self._libraries:
                    _limit(library, 1)
            yield
        finally:
            with self._lock:
                self._fits.discard(fit)  # a child that was forked inside of the block does not know it
                if not self._fits:
                    self._lift()

    def _lift(self) -> None:
        for library, n_threads in zip(self._libraries, self._threads, strict=False):
            _limit(library, n_threads)
        self._threads = []

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._fits: set[object] = set()
        self._lift()


def _limit(library: Any, n_threads: int) -> None:
    """Set a library's number of threads, and leave it to any thread to set the next.

    Newer versions of threadpoolctl ignore, without a word, what other threads than the first ask for, until that ends
    or gives up its privilege: the fit that ends last, in whichever thread, could not lift the limit.
    """
    library.set_num_threads(n_threads)
    if hasattr(library, "clear_controlling_thread"):
        library.clear_controlling_thread()
