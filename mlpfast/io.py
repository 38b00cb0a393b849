"""Models to and from model files, which `files.modelfile` writes and reads; estimators of tables from theirs."""

from __future__ import annotations

import os
from typing import Any

from .errors import boolean
from .files.arrayfile import reading
from .files.modelfile import KIND, TABLE, ModelFile
from .files.replacing import as_path
from .model import Model

__all__ = ["load", "save"]


def save(model: Model, path: str | os.PathLike[str]) -> None:
    """Write a model to a file; see `Model.save`."""
    model.save(path)


def load(path: str | os.PathLike[str], *, allow_non_finite: bool = False) -> Any:
    """Read a model that `Model.save` wrote, or an estimator of tables, as `TabularClassifier.save` writes them.

    Parameters
    ----------
    path : str or path-like
    allow_non_finite : bool, default False
        Whether a model's parameters and buffers may be NaN or infinite, as those of one that was saved with such may
        be. What `Model.adapt` has yet to teach may be NaN anyway.
        Predictions of such a model may depend on the number of rows.

    Returns
    -------
    Model, TabularClassifier or TabularRegressor
        A model with the saved layers, dtype, parameters and buffers, bit by bit.

    Raises
    ------
    ModelFileError
        If the file is damaged, cut short, not a model file, not even a regular file, of a newer version, claims more
        than it holds, or holds values that are not finite, or a negative variance. It is a ValueError, with a message
        of at most 300 printable characters.
    ImportError
        For a file of a table's estimator, without scikit-learn.
    OSError
        If the file can't be opened.
    MemoryError
        If the model does not fit into memory. Loading needs little more than the parameters, whose size is below that
        of the file.

    Examples
    --------
    >>> import mlpfast as mf, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "model.npz")
    >>> model = mf.mlp([4, 8, 3], "tanh", "softmax", seed=0)
    >>> model.save(path)
    >>> bool((mf.load(path).parameters == model.parameters).all())
    True
    >>> folder.cleanup()
    """
    path = as_path(path, in_memory="pickle.loads(data)")
    allow_non_finite = boolean("allow_non_finite", allow_non_finite)
    with reading(path, "a model") as file:
        if not (isinstance(file.header, dict) and file.header.get("format") == TABLE):
            return Model._read(ModelFile(file, (KIND,)), allow_non_finite=allow_non_finite)
    from .tabular import TabularClassifier, TabularRegressor  # which need scikit-learn
    from .tabular.saving import read_estimator

    return read_estimator((TabularClassifier, TabularRegressor), path)
