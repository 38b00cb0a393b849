"""`coefs_` and `intercepts_`: lists of views into the model's parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray


class ParameterViews(list[NDArray[Any]]):
    """The model's weight matrices, or its biases. Assigning an element copies the values into the model.

    Where a layer has no biases there are zeros, which are read-only: nothing else can be assigned to them.
    """

    def __setitem__(self, index: SupportsIndex | slice, values: Any) -> None:
        if isinstance(index, slice):
            self._assign_all(range(len(self))[index], list(values))
        else:
            self._assign_all([range(len(self))[index]], [values])

    def _assign_all(self, places: Iterable[int], arrays: list[ArrayLike]) -> None:
        places = list(places)
        if len(arrays) != len(places):
            raise ValueError(f"expected {len(places)} arrays, one for each layer, got {len(arrays)}")
        values = [np.asarray(array) for array in arrays]
        for place, array in zip(places, values, strict=True):
            if array.shape != self[place].shape:
                raise ValueError(f"expected shape {self[place].shape} for layer {place}, got {array.shape}")
            if array.any() and not self[place].flags.writeable:
                raise ValueError(f"expected zeros for layer {place}, which has no biases but the shift of a norm")
        with np.errstate(all="ignore"):  # a cast rounds as it does, whatever the user has set
            for place, array in zip(places, values, strict=True):
                if self[place].flags.writeable:
                    np.copyto(self[place], array, casting="same_kind")
