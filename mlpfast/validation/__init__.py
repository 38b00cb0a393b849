"""User input to what the compiled loops take. The only place that copies or casts, and it copies only where it must.

Features become a C-contiguous (n, d) array of float32, float64, uint8 or int16 (the loops cast on the way in), or `CSR`
rows; targets become (n,) int32 class indices or an (n, outputs) array of the model's dtype; weights (n,) float64.
"""

from __future__ import annotations

from .arrays import as_array, as_dtype, as_parameters, as_tensors, check_buffers, is_missing, may_give_chunks
from .features import as_features, code_error
from .finite import check_finite, finite_error
from .outputs import check_out, shares_memory
from .rows import CSR, Features, Index, dense_rows, n_rows, stored_in, take_rows
from .targets import as_targets, as_they_are
from .weights import (
    as_sample_weight,
    blank_weightless,
    check_sample_weight,
    scale_penalty,
    scale_weights,
    without_weightless,
)

__all__ = [
    "CSR",
    "Features",
    "Index",
    "as_array",
    "as_dtype",
    "as_features",
    "as_parameters",
    "as_sample_weight",
    "as_targets",
    "as_tensors",
    "as_they_are",
    "blank_weightless",
    "check_buffers",
    "check_finite",
    "check_out",
    "check_sample_weight",
    "code_error",
    "dense_rows",
    "finite_error",
    "is_missing",
    "may_give_chunks",
    "n_rows",
    "scale_penalty",
    "scale_weights",
    "shares_memory",
    "stored_in",
    "take_rows",
    "without_weightless",
]
