"""Models to and from model files, which `modelfile` writes and reads."""

from __future__ import annotations

import os

from . import modelfile
from ._files import as_path
from .errors import boolean
from .model import Model

__all__ = ["load", "save"]


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model to a file; see `Model.save`."""
    model.save(path)


def load(path: str | os.PathLike[str], *, allow_non_finite: bool = False) -> Model:
    """Read a model that `Model.save` wrote.

    Parameters
    ----------
    path : str or path-like
    allow_non_finite : bool, default False
        Whether parameters and buffers may be NaN or infinite, as those of a model that was saved with such may be. What
        `Model.adapt` has yet to teach may be NaN anyway.
        Predictions of such a model may depend on the number of rows.

    Returns
    -------
    Model
        With the saved layers, dtype, parameters and buffers, bit by bit.

    Raises
    ------
    ModelFileError
        If the file is damaged, cut short, not a model file, not even a regular file, of a newer version, claims more
        than it holds, or holds values that are not finite, or a negative variance. It is a ValueError, with a message
        of at most 300 printable characters.
    OSError
        If the file can't be opened.
    MemoryError
        If the model does not fit into memory. Loading needs little more than the parameters, whose size is below that
        of the file.

    Examples
    --------
    >>> model = load("digits.npz")  # doctest: +SKIP
    """
    path, allow_non_finite = as_path(path), boolean("allow_non_finite", allow_non_finite)
    with modelfile.reading(path) as file:
        return Model._read(file, allow_non_finite=allow_non_finite)
