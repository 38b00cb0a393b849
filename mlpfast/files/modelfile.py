"""Model files: array files with the model's layers in their header, and its arrays by name.

Members: ``header.json``, then an array for each tensor and each buffer of the model: ``W0.npy`` (fan_in, fan_out),
``b0.npy`` (fan_out,), ``W1.npy``, ... They can be read without mlpfast, by `numpy.load`. The header tells the format's
version, the kind of file, and everything of the model but the values. Its layers are as `fields` writes them; format 1
knew Dense alone.

What is written and read here is a header and arrays by name: models are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import validation
from .._version import __version__
from ..errors import NewerFileError, integer, unknown_name
from ..layers import Columns, Dense, Layer, lower
from ..program import Program
from . import arrayfile
from .arrayfile import ArrayFile, member_of, required
from .fields import layers_from_json, layers_to_json

__all__ = ["KIND", "TABLE", "Header", "ModelFile", "write"]

FORMAT = "mlpfast model"
KIND = "model"
TABLE = "mlpfast table"  # the format of files with an estimator of tables, of which a model is a part
TRAINER = "trainer"  # with the arrays of a trainer beside those of its model
VERSION = 2
_MOST_INPUTS = 1 << 20  # of a file that is smaller


class Header(NamedTuple):
    """Everything of a model but the values of its parameters, in the order of the arguments that build it."""

    inputs: int
    layers: tuple[Layer, ...]
    dtype: str
    seed: int


def write(path: str, header: Header, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a model file, replacing the one that is there; see `Model.save`."""
    arrayfile.write(path, to_json(header, KIND), arrays)


class ModelFile:
    """The model of a file that is open, with a header that is read and sizes that fit it.

    Parameters
    ----------
    file : ArrayFile
    kinds : collection of str
        The header has to be of one of these.
    fields : object, optional
        What the file's header says of the model; by default all of it does.
    folder : str, default ""
        What the names of the model's arrays begin with.
    beside : str, optional
        What those of others begin with.

    Attributes
    ----------
    header : Header
        Its layers and dtype are valid ones; whether they make a model is for the model to say.
    """

    def __init__(
        self,
        file: ArrayFile,
        kinds: Collection[str],
        *,
        fields: Any = None,
        folder: str = "",
        beside: str | None = None,
    ) -> None:
        self._file, self._folder = file, folder
        fields = file.header if fields is None else fields
        self.header, self.kind = from_json(fields, kinds), fields.get("kind", KIND)
        ours = {name for name in file.names if name.startswith(folder)}
        self._check_sizes(ours if beside is None else {name for name in ours if not name.startswith(beside)})

    def _member(self, name: str) -> str:
        return self._folder + member_of(name)

    def _check_sizes(self, found: set[str]) -> None:
        """Compare the members with the layers, by the zip's directory alone."""
        layers = self.header.layers
        # Before anything is made of so many: their weights, or columns that pass, would not fit into the file.
        if self.header.inputs > max(self._file.length, _MOST_INPUTS) and not _drop(layers):
            raise ValueError(f"expected inputs that fit its arrays, got {self.header.inputs:,}")
        expected = {self._member(name): shape for name, shape in arrays_of(lower(self.header.inputs, layers)).items()}
        differing = {"missing": sorted(set(expected) - found), "of none of them": sorted(found - set(expected))}
        if told := [f"{what}: {', '.join(names[:5])}" for what, names in differing.items() if names]:
            raise ValueError(f"its members do not fit its {len(layers)} layers; {'; '.join(told)}")
        for name, shape in expected.items():
            self._file.check_size(name, shape, self.header.dtype)

    def read_into(
        self, arrays: Mapping[str, NDArray[Any]], *, allow_non_finite: bool, unlearnt: Collection[str] = ()
    ) -> None:
        """Fill the arrays, which have the names, shapes and dtype that the header tells.

        Those that are `unlearnt` to begin with may be NaN throughout.
        """
        for name, array in arrays.items():
            self._file.read_into(self._member(name), array)
            if not allow_non_finite and not (name in unlearnt and np.isnan(array).all()):
                self._check_finite(self._member(name), array)

    def _check_finite(self, name: str, array: NDArray[Any]) -> None:
        try:
            validation.check_finite(array, array.dtype, name)
        except ValueError as error:
            if self.kind != KIND or self._folder:
                raise
            raise ValueError(f"{error}; mlpfast.load(..., allow_non_finite=True) reads it") from None


def _drop(layers: Iterable[Layer]) -> bool:
    """Whether there are layers that read some columns alone."""
    return any(
        layer.remainder == "drop" if isinstance(layer, Columns) else _drop(getattr(layer, "layers", ()))
        for layer in layers
    )


def to_json(header: Header, kind: str) -> dict[str, Any]:
    """What the file's header says of the model; a file of another kind may say more."""
    return {
        "format": FORMAT,
        "kind": kind,
        "version": VERSION,
        "written_by": f"mlpfast {__version__}",
        "dtype": header.dtype,
        "seed": header.seed,
        "inputs": header.inputs,
        "layers": layers_to_json(header.layers),
    }


def from_json(fields: Any, kinds: Collection[str]) -> Header:
    """The header of a file of one of these kinds."""
    kind = fields.get("kind", KIND) if isinstance(fields, dict) else KIND
    if kind not in kinds:
        raise ValueError(f"expected a {' or '.join(kinds)} file, got a file of kind {kind!r}")
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ValueError(f"not a model file: {arrayfile.HEADER} does not name the format {FORMAT!r}")
    version = integer("version", required(fields, "version"))
    if version > VERSION:
        raise NewerFileError(
            f"it has format version {version} (written by {fields.get('written_by')!s:.40}), mlpfast {__version__} "
            f"reads versions up to {VERSION}; upgrade mlpfast to read it"
        )
    inputs = integer("inputs", required(fields, "inputs"))
    items = required(fields, "layers", list)
    layers = layers_from_json(items if version > 1 else [_from_format_1(item) for item in items])
    dtype, seed = required(fields, "dtype"), required(fields, "seed")
    if dtype not in ("float32", "float64"):
        raise unknown_name("dtype", dtype, ("float32", "float64"))
    return Header(inputs, layers, dtype, seed)


def arrays_of(program: Program) -> dict[str, tuple[int, ...]]:
    """The names and shapes of the arrays in the file of a model: of its tensors, then of its buffers."""
    tensors = {tensor.name: tensor.shape for tensor in program.tensors}
    return tensors | {buffer.name: buffer.shape for buffer in program.buffers}


def _from_format_1(item: object) -> object:
    """A layer of format 1, which knew Dense alone and had no tags, as format 2 has it."""
    if not isinstance(item, dict):
        return item
    layer: dict[str, Any] = {"layer": Dense.name, **item}
    tags = {"activation": "activation", "kernel_initializer": "initializer", "bias_initializer": "initializer"}
    for field, tag in tags.items():
        if isinstance(layer.get(field), dict):
            layer[field] = {tag if key == "name" else key: value for key, value in layer[field].items()}
    return layer
