"""Lets threadpoolctl see and limit the thread pool: ``with threadpoolctl.threadpool_limits(1): ...``."""

from __future__ import annotations

import functools
import importlib
from typing import Any

from ._version import __version__


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
        """Calls into the shared object that threadpoolctl found: mlpfast/core/table.*.so (.pyd)."""

        user_api = "mlpfast"
        internal_api = "mlpfast"
        filename_prefixes = ("table.",)
        check_symbols = ("mf_max_threads", "mf_set_max_threads")  # no other package's table.* has them

        def get_num_threads(self) -> int:
            return int(self.dynlib.mf_max_threads())

        def set_num_threads(self, num_threads: int) -> None:
            self.dynlib.mf_set_max_threads(num_threads)

        def get_version(self) -> str:
            return __version__

    register_controller(MlpfastController)
