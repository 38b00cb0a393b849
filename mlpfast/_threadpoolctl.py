"""Lets threadpoolctl see and limit the thread pool: ``with threadpoolctl.threadpool_limits(1): ...``."""

from __future__ import annotations

import functools
import importlib
import os
from typing import Any

from ._version import __version__
from .core import table


@functools.cache
def register() -> None:
    """Register the pool with threadpoolctl, under the ``user_api`` "mlpfast"; do nothing where that is not installed.

    A plain ``threadpool_limits(limits=1)`` covers every registered ``user_api``. It has to know ours when it is
    entered, and it may be imported after us: so this imports it, which takes about 2 ms beside NumPy's 50.
    """
    try:
        threadpoolctl: Any = importlib.import_module("threadpoolctl")
        base, register_controller = threadpoolctl.LibController, threadpoolctl.register
    except (ImportError, AttributeError):  # AttributeError: older than 3.2
        return

    class MlpfastController(base):  # type: ignore[misc, valid-type]
        """The limit of `core.table`, whose shared object (table.*.so) threadpoolctl has found among those loaded."""

        user_api = "mlpfast"
        internal_api = "mlpfast"
        filename_prefixes = ("table.",)
        check_symbols = ("max_threads", "set_max_threads")

        def set_additional_attributes(self) -> None:
            # threadpoolctl looks for `check_symbols` here, next: another package's table.*.so has to be without them.
            # Ours exports nothing of C; the module itself has them.
            self.dynlib = table if self.filepath == os.path.realpath(table.__file__) else None

        def get_num_threads(self) -> int:
            return table.max_threads()

        def set_num_threads(self, num_threads: int) -> None:
            table.set_max_threads(max(num_threads, 0))  # what is not positive restores the default, as for OpenBLAS

        def get_version(self) -> str:
            return __version__

    register_controller(MlpfastController)
