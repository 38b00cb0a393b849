"""What went wrong in the loops, in words: the first value that is not as it should be, and where it stands."""

from __future__ import annotations

import numpy as np

from ..core.memory import all_finite
from ..core.results import BadCodeError, NotAdaptedError, NotFiniteError, NotFiniteParametersError
from ..model import Model
from ..validation import CSR, code_error, finite_error
from .data import Data

__all__ = ["explanation", "parameters_error"]


def explanation(error: ValueError, model: Model, data: Data) -> ValueError:
    """The error that names the place, in place of one of the engine's that does not."""
    found = None
    if isinstance(error, NotFiniteParametersError):
        found = parameters_error(model)
    elif isinstance(error, NotFiniteError) and not isinstance(data.X, CSR):
        found = finite_error(data.X, model.dtype, "X", data.given_X)
    elif isinstance(error, BadCodeError):
        found = code_error(data.X, model.program.codes, data.given_X)
    return found or error


def parameters_error(model: Model) -> ValueError | None:
    """The error that names the first NaN or infinity, if there is one: nothing could be learnt from there."""
    if all_finite(model.state):
        return None
    program = model.program
    for layer, place in zip(program.layers, program.places, strict=True):
        for buffer in (program.buffers[b] for b in layer.buffers):
            if buffer.adapts and np.isnan(model.buffers[buffer.name]).any():
                return NotAdaptedError(layer.kind, place)
    places = {id(tensor): f"model.weights[{i}]" for i, tensor in enumerate(model.weights)}
    places |= {id(tensor): f"model.biases[{i}]" for i, tensor in enumerate(model.biases)}
    for mapping, kind in ((model.tensors, "tensors"), (model.buffers, "buffers")):
        for name, array in mapping.items():
            error = finite_error(array, model.dtype, places.get(id(array), f"model.{kind}[{name!r}]"))
            if error is not None:
                return ValueError(f"{error}: the model's parameters were not finite before training started")
    return None
