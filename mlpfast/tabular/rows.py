"""Columns of a table as rows of numbers for a network, by compiled loops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.memory import encode_columns
from .columns import Table
from .plans import ColumnPlan

__all__ = ["rows_of"]

#: mf_table_column in csrc/mlpfast.h.
_COLUMN = np.dtype(
    [
        ("numbers", np.uintp),
        ("codes", np.uintp),
        ("table", np.uintp),
        ("categories", np.int64),
        ("bends", np.uintp),
        ("n_bends", np.int64),
        ("centre", np.float64),
        ("factor", np.float64),
        ("tail", np.float64),
        ("indicator", np.int32),
        ("width", np.int32),
    ]
)


def rows_of(table: Table, plans: Sequence[ColumnPlan], n_threads: int | None = None) -> NDArray[np.float32]:
    """What plans make of the columns of a table, (n, outputs); on as many threads at most as are given."""
    arrays: list[NDArray[Any]] = []  # whose addresses the compiled loops are given
    columns: list[tuple[Any, ...]] = []
    for plan, column in zip(plans, table.columns, strict=True):
        if plan.encoding == "ignored":
            continue
        if plan.coded:
            codes, outputs = plan.codes_of(column)
            arrays += [codes, outputs]
            n, width = outputs.shape
            columns.append((0, codes.ctypes.data, outputs.ctypes.data, n - 1, 0, 0, 0.0, 0.0, 0.0, 0, width))
            continue
        numbers = np.ascontiguousarray(column.values, np.float64)
        bends, tail = (plan.views.bends, plan.views.tail) if plan.views else (np.empty((3, 0)), 0.0)
        arrays += [numbers, bends]
        place = bends.ctypes.data if plan.views else 0
        scale, width = (plan.centre, plan.factor, tail), len(plan.outputs)
        columns.append((numbers.ctypes.data, 0, 0, 0, place, bends.shape[1], *scale, plan.indicator, width))
    described = np.array(columns, _COLUMN)
    rows = np.empty((table.rows, described["width"].sum()), np.float32)
    encode_columns(described, rows, n_threads)
    return rows
