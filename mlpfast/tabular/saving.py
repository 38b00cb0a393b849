"""Tabular estimators to and from files: array files, as models are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._version import __version__
from ..errors import NewerFileError
from ..files.arrayfile import ArrayFile, member_of, reading, required, write
from ..files.fields import setting_from_json, setting_to_json
from ..files.modelfile import TABLE, Header, ModelFile, to_json
from ..files.replacing import as_path
from ..model import Model
from ..validation import check_finite
from .encoder import TableEncoder
from .families import Family, family_of
from .parameters import parameters_from_json, parameters_to_json
from .storing import levels_from_arrays, levels_to_arrays, shapes_of, shapes_of_plan
from .thresholding import DEFAULT, threshold_of

__all__ = ["AFTER", "read_estimator", "write_estimator"]

VERSION = 1
_EXACT = 2**53  # integers up to here are float64
_LEARNT = ("centre_", "scale_", "low_", "high_")
_ONE_FOR_ALL = ("temperature_", "decision_threshold_", "baseline_score_")
_COUNTS = ("n_training_rows_", "n_validation_rows_", "n_epochs_planned_", "n_networks_planned_", "refit_epoch_")
_OF_COLUMNS = ("feature_importances_", "feature_importances_std_")
_OF_RESIDUALS = ("residuals_", "residual_ranks_")
#: What comes after training, and not of every fit.
AFTER = (*_ONE_FOR_ALL, *_COUNTS, *_OF_COLUMNS, *_OF_RESIDUALS)


def write_estimator(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator; see `BaseTabular.save`."""
    model = estimator.model_
    fields, arrays = estimator.encoder_.to_json()
    header: dict[str, Any] = {
        "format": TABLE,
        "kind": type(estimator).__name__,
        "version": VERSION,
        "written_by": f"mlpfast {__version__}",
        "encoder": fields,
        "model": to_json(Header(model.inputs, model.layers, model.dtype.name, model.seed), "model"),
        "history": {name: len(values) for name, values in estimator.history_.items()},
        "networks": len(estimator.models_),
        "best_epochs": estimator.best_epochs_,
        "best_score": estimator.best_score_,
        "outputs": estimator.n_outputs_,
        "parameters": parameters_to_json(estimator),
    }
    members = {f"columns{name}": array for name, array in arrays.items()}
    for number, each in enumerate(estimator.models_):
        members |= {f"{_folder(number)}{name}": array for name, array in each._arrays().items()}
    members |= {f"history/{name}": np.array(values, dtype=np.float64) for name, values in estimator.history_.items()}
    if hasattr(estimator, "classes_"):
        threshold_of(estimator)  # whatever was set: a file has what is right
        classes = estimator.classes_
        header["classes_dtype"] = "str" if classes.dtype.kind in "OU" else classes.dtype.name
        header["multilabel"] = estimator.multilabel_
        header["classes"], found = levels_to_arrays(_as_levels(classes), "/classes")
        members |= {f"targets{name}": array for name, array in found.items()}
    else:
        family = estimator._family
        header |= {"flat": estimator.flat_, "loss": family.name, "quantiles": list(family.quantiles or ())}
        header["loss_settings"] = setting_to_json(family.loss)
        members |= {f"targets/{name}": getattr(estimator, name) for name in _LEARNT}
    after = {name: np.asarray(vars(estimator)[name], dtype=np.float64) for name in AFTER if name in vars(estimator)}
    header["after"] = {name: array.shape for name, array in after.items()}
    members |= {f"after/{name}": array for name, array in after.items()}
    write(as_path(path, in_memory="pickle.dumps(model)"), header, members)


def read_estimator(classes: Sequence[type[Any]], path: str | os.PathLike[str]) -> Any:
    """Read an estimator of one of these classes; see `BaseTabular.load`."""
    what = " or ".join(f"a {cls.__name__}" for cls in classes)
    with reading(as_path(path, in_memory="pickle.loads(data)"), what) as file:
        header = file.header
        kind = required(header, "kind")
        cls = next((cls for cls in classes if cls.__name__ == kind), None)
        if cls is None or required(header, "format") != TABLE:
            raise ValueError(f"expected a file of {what}, got one of {kind!r}")
        if required(header, "version", int) > VERSION:
            raise NewerFileError(f"it has format version {header['version']}, this version reads up to {VERSION}")
        fields = required(header, "encoder", dict)
        items = enumerate(required(fields, "columns", list))
        shapes = dict(pair for number, item in items for pair in shapes_of_plan(item, number).items())
        encoder = TableEncoder.from_json(fields, dict(_read(file, shapes, "columns")))
        best_epochs = [int(n) for n in header.get("best_epochs") or [required(header, "best_epoch", int)]]
        model_fields = required(header, "model", dict)  # but for their seeds, all have the same
        models = [
            Model._read(ModelFile(file, ("model",), fields=model_fields, folder=_folder(number)))
            for number in range(int(header.get("networks", len(best_epochs))))
        ]
        model = models[0]
        outputs = int(required(header, "outputs", int))
        family = None
        if "classes" not in header:
            family = _family_of(header)
        each = family.each if family else 1
        if model.outputs != outputs * each or model.inputs != len(encoder.get_feature_names_out()):
            raise ValueError("expected a network that fits the columns and targets")
        learnt: dict[str, Any] = {"n_outputs_": outputs}
        if "classes" in header:
            found = dict(_read(file, shapes_of(header["classes"], "/classes"), "targets"))
            labels = levels_from_arrays(header["classes"], found, "/classes")
            learnt["multilabel_"] = bool(header.get("multilabel", False))
            learnt["classes_"] = _as_classes(labels, str(required(header, "classes_dtype", str)))
        else:
            learnt |= dict(_read(file, dict.fromkeys(_LEARNT, (outputs, "float64")), "targets/"))
            for name in _LEARNT:
                check_finite(learnt[name], learnt[name].dtype, name)
            if not (learnt["scale_"] > 0).all():
                raise ValueError("expected scale_ of targets to be > 0")
            learnt |= {"flat_": bool(required(header, "flat")), "_family": family}
        learnt |= _read_after(file, required(header, "after", dict), len(encoder.columns_), outputs)
        lengths = {str(name): (int(n), "float64") for name, n in required(header, "history", dict).items()}
        history = {name: values.tolist() for name, values in _read(file, lengths, "history/")}
        items = required(header, "parameters", dict) if "parameters" in header else {}  # the first files have none
        parameters = parameters_from_json(items, cls)
        if family:
            parameters.setdefault("loss", family.loss)
        estimator = cls(**parameters)
        estimator._set(encoder, models, learnt, history, best_epochs, float(required(header, "best_score")))
        return estimator


def _folder(number: int) -> str:
    """Of one of the networks."""
    return f"model{number or ''}/"


def _read(file: ArrayFile, shapes: dict[str, tuple[int, str]], place: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, (length, dtype) in shapes.items():
        file.check_size(member_of(place + name), (length,), dtype)
        array = np.empty(length, dtype)
        file.read_into(member_of(place + name), array)
        yield name, array


def _read_after(file: ArrayFile, shapes: dict[str, Any], columns: int, outputs: int) -> dict[str, Any]:
    """What comes after training, of the shapes that it has to have."""
    learnt: dict[str, Any] = {}
    for name in AFTER:
        if name not in shapes:
            continue
        shape = tuple(int(n) for n in shapes[name])
        kept = shape[0] if shape and shape[0] > 0 else 1
        expected = (kept, outputs) if name in _OF_RESIDUALS else (columns,) if name in _OF_COLUMNS else ()
        if shape != expected:
            raise ValueError(f"expected {name} of shape {expected}, got {shape}")
        file.check_size(member_of(f"after/{name}"), shape, "float64")
        array = np.empty(shape)
        file.read_into(member_of(f"after/{name}"), array)
        if name in _OF_RESIDUALS and not (np.isfinite(array).all() and (np.diff(array, axis=0) >= 0).all()):
            raise ValueError(f"expected {name} to be finite and to ascend")
        learnt[name] = array if shape else int(array) if name in _COUNTS else float(array)
    if len({learnt[name].shape for name in _OF_RESIDUALS if name in learnt}) > 1:
        raise ValueError("expected a rank for each residual")
    if not 0 < learnt.get("temperature_", 1.0) < np.inf:
        raise ValueError(f"expected a temperature above 0, finite, got {learnt['temperature_']}")
    if not 0 <= learnt.get("decision_threshold_", DEFAULT) <= 1:
        raise ValueError(f"expected a decision threshold from 0 to 1, got {learnt['decision_threshold_']}")
    return learnt


def _family_of(header: Mapping[str, Any]) -> Family:
    """The regressor's, with the loss's own numbers, which the first files do not hold."""
    settings = header.get("loss_settings")
    if settings is None:
        return family_of(header.get("loss", "squared_error"), header.get("quantiles") or None)
    return family_of(setting_from_json(settings, "loss_settings"))


def _as_levels(classes: NDArray[Any]) -> list[Any]:
    """Strings or numbers: dates, and integers that float64 does not hold, as strings."""
    kind = classes.dtype.kind
    if kind == "M" or (kind in "iu" and any(abs(c) > _EXACT for c in classes.tolist())):
        return [str(c) for c in classes]
    found: list[Any] = classes.tolist()
    return found


def _as_classes(classes: tuple[Any, ...], dtype: str) -> NDArray[Any]:
    if dtype == "str":
        return np.array(classes, dtype=str)
    if np.dtype(dtype).kind not in "iufbM":
        raise ValueError(f"expected classes of numbers, dates or strings, got {dtype!r}")
    return np.array(classes).astype(dtype)
