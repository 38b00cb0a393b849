"""How many trainings there is room for, side by side."""

from __future__ import annotations

from ..core.table import max_threads

__all__ = ["threads_for"]


def threads_for(n_threads: int | None) -> int:
    """How many threads trainings may have together: what the machine allows, and `n_threads` at most."""
    return min(max_threads(), n_threads or max_threads())
