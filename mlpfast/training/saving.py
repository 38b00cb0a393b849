"""What of a trainer goes into a file, and how it comes back: settings as they were given, and the state."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    Doctor,
    EarlyStopping,
    ReduceLROnPlateau,
    Snapshots,
    TensorBoard,
)
from ..errors import ModelFileError, NewerFileError, excerpt
from ..files.fields import setting_from_json, setting_to_json
from ..fullbatch.epochs import FullBatch
from ..history import History
from .epochs import Place
from .folder import checkpoints
from .settings import kind_of
from .trainerfile import Saved, check_finite, read

__all__ = ["SETTINGS", "arguments_of", "newest", "restore", "settings_of", "state_of"]

#: The callbacks that a saved trainer brings back by itself.
CALLBACKS: dict[str, type[Callback]] = {cls.__name__: cls for cls in (EarlyStopping, ReduceLROnPlateau, Snapshots)}
#: Those that it does not: they would write to where a file says, which is not trusted, or hold data, which it lacks.
LEFT_OUT: tuple[type[Callback], ...] = (Checkpoint, CSVLogger, TensorBoard, Doctor)
#: The arguments of a trainer that a file has.
SETTINGS = (
    *("loss", "optimizer", "batch_size", "l1", "l2", "clip_norm", "clip_value", "shuffle", "metrics", "n_threads"),
    *("seed", "callbacks", "groups", "penalty_over_weights", "class_weight", "dropout_scale", "last_batch"),
)


def settings_of(trainer: Any) -> dict[str, Any]:
    """The settings as JSON; what no file holds is ``{"given": ...}``, and has to be given again."""
    values = {name: getattr(trainer, name) for name in SETTINGS if name != "callbacks"}
    values |= {"metrics": trainer._given_metrics, "groups": trainer.groups or None, "learning_rate": trainer._rate}
    found = {name: _to_json(value) for name, value in values.items()}
    given = [callback for callback in trainer.callbacks if type(callback) not in LEFT_OUT]
    callbacks = [_callback_to_json(callback) for callback in given]
    missing = [repr(each) for each, item in zip(given, callbacks, strict=True) if item is None]
    return found | {"callbacks": {"given": ", ".join(missing)} if missing else {"callbacks": callbacks}}


def _to_json(value: Any) -> Any:
    try:
        return setting_to_json(value)
    except TypeError:  # a function of the user's, or a class
        return {"given": repr(value)}


def _callback_to_json(callback: Any) -> list[Any] | None:
    """Its class and arguments; None where these are not all numbers and names, or it is not one of `CALLBACKS`."""
    cls = type(callback)
    if CALLBACKS.get(cls.__name__) is not cls:
        return None
    try:
        names = list(inspect.signature(cls).parameters)
        return [cls.__name__, {name: setting_to_json(getattr(callback, name)) for name in names}]
    except (AttributeError, TypeError):
        return None


def arguments_of(saved: Saved, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the trainer: those given, and for the rest those of the file."""
    found = dict(given)
    for name in (*SETTINGS, "learning_rate"):
        item: Any = saved.settings.get(name)
        if name in given or (name == "learning_rate" and "optimizer" in given):
            continue
        if isinstance(item, dict) and "given" in item:
            raise ValueError(
                f"expected {name} to be given again, Trainer.load(path, {name}=...); the file can't hold what it was: "
                f"{excerpt(str(item['given']), 100)}"
            )
        try:
            if name == "callbacks":
                found[name] = [_callback_from_json(each) for each in item["callbacks"]]
            elif name in saved.settings:
                found[name] = setting_from_json(item, name)
        except Exception as error:  # of the constructors, which raise many kinds for bad content
            raise ModelFileError(f"can't read a trainer's {name}: {excerpt(str(error), 200)}") from None
    return found


def _callback_from_json(item: Any) -> Any:
    name, arguments = item
    if name not in CALLBACKS:
        raise ValueError(f"expected a callback of mlpfast in the file, got {name!r}")
    return CALLBACKS[name](**{key: setting_from_json(value, key) for key, value in arguments.items()})


def state_of(trainer: Any) -> dict[str, Any]:
    """Everything that training goes on from, beside the model."""
    history, place = trainer.history, trainer._place
    series = trainer._series
    return {
        "run_id": trainer.run_id,
        "counts": place.counts,
        "totals": place.totals,
        "kind": place.kind,
        "seconds": place.seconds,
        "aim": place.aim,
        "weighed": trainer._weighed,
        "optimizer_kind": kind_of(trainer.optimizer),
        "optimizer": trainer._state.state_dict() if isinstance(trainer._state, FullBatch) else trainer._state,
        "series": {"begun": {name: first for name, (_, first) in series._begun.items()}, "last": series.last},
        "set_aside": trainer._set_aside,
        "began": trainer._began,
        "stopped": trainer._ended if trainer._loop is None else trainer._loop.stopped,
        "history": {
            "names": list(history),
            "values": np.array([history.seconds, history.samples_per_second, *history.values()], np.float64),
            "stopped_by": history.stopped_by,
            "reason": history.reason,
            "finished": history._finished,
        },
        "callbacks": [
            [type(callback).__name__, callback.state_dict()]
            for callback in trainer.callbacks
            if hasattr(callback, "state_dict")
        ],
    }


def restore(trainer: Any, saved: Saved, keep_rate: bool = False) -> None:
    """Put the trainer, and its callbacks, where the saved one was; an error leaves all as it was.

    With `keep_rate`, the learning rate is left alone.

    Raises
    ------
    ValueError
        If the file is of another model.
    ModelFileError
        If its state is not one of this trainer, whose optimizer is of another kind, or not one at all.
    """
    state = saved.state
    theirs, ours = saved.model, trainer.model
    for what in ("inputs", "dtype", "layers"):
        if getattr(theirs, what) != getattr(ours, what):
            raise ValueError(
                f"expected a trainer of this model, with {what} {getattr(ours, what)}, got one with "
                f"{getattr(theirs, what)} in the file"
            )
    try:
        _check_optimizer(trainer, saved)
        found = _found(trainer, state)
        callbacks = _matched(trainer.callbacks, state["callbacks"])
        found["history"] = _history(state["history"])
        rate = None if keep_rate else _rate(saved, trainer)
        begun = {str(name): int(first) for name, first in state["series"]["begun"].items()}
        last = {str(name): float(value) for name, value in state["series"]["last"].items()}
    except ValueError as error:
        raise ModelFileError(f"can't go on from the file: {excerpt(str(error), 260)}") from None
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
        message = f"can't go on from the file: it lacks what a trainer has ({type(error).__name__}: "
        raise ModelFileError(f"{message}{excerpt(str(error), 100)})") from None
    before = [(callback, callback.state_dict()) for callback, _ in callbacks]
    try:
        for callback, theirs_state in callbacks:
            callback.load_state_dict(theirs_state)
    except Exception as error:
        for callback, own in before:
            callback.load_state_dict(own)
        raise ModelFileError(
            f"can't go on from the file: {type(callback).__name__} does not take its state "
            f"({type(error).__name__}: {excerpt(str(error), 100)})"
        ) from None
    trainer.model.state[:] = saved.model.state
    trainer.__dict__.update(found)
    if rate is not None:
        trainer.learning_rate = rate
    trainer._driven = None
    schedules = trainer._schedules()
    trainer._series._begun = {name: (schedules[name], begun[name]) for name in begun if name in schedules}
    trainer._series.last = last


def _check_optimizer(trainer: Any, saved: Saved) -> None:
    """A ValueError for the state of an optimizer of another kind: its arrays may fit, but mean something else."""
    theirs, ours = tuple(saved.state["optimizer_kind"]), kind_of(trainer.optimizer)
    if theirs != ours:
        item: Any = saved.settings["optimizer"]
        of = item["given"] if isinstance(item, dict) and "given" in item else setting_from_json(item, "optimizer")
        raise ValueError(
            f"expected the state of {excerpt(repr(trainer.optimizer), 90)}, got that of an optimizer of another kind, "
            f"{excerpt(str(of), 90)}"
        )


def _found(trainer: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that the state gives, checked."""
    place = Place()
    for name, own in (("counts", place.counts), ("totals", place.totals)):
        if state[name].shape != own.shape or state[name].dtype != own.dtype:
            raise ValueError(f"expected {name} of shape {own.shape}, got {state[name].shape}")
        own[:] = state[name]
    if place.counts.min() < 0 or not np.isfinite(place.totals).all():
        raise ValueError("expected counts >= 0 and finite totals")
    place.kind, place.seconds, place.aim = dict(state["kind"]), float(state["seconds"]), _moment(state["aim"])
    weighed, optimizer = state["weighed"], state["optimizer"]
    if weighed.shape != (2,) or not np.isfinite(weighed).all():
        raise ValueError(f"expected two finite weights of steps, got shape {weighed.shape}")
    if isinstance(trainer._state, FullBatch) != isinstance(optimizer, dict) or (
        isinstance(optimizer, np.ndarray)
        and (optimizer.shape, optimizer.dtype) != (trainer._state.shape, trainer._state.dtype)
    ):
        raise ValueError(f"expected the state of {trainer.optimizer!r}, got another one")
    if isinstance(optimizer, dict):
        kept = FullBatch(trainer.optimizer.update)
        kept.load_state_dict(optimizer, trainer.model.parameters)
    else:
        check_finite("the optimizer's state", optimizer)
        kept = optimizer
    aside = state["set_aside"]
    if aside is not None:
        for each in aside:
            if each.shape != trainer.model.state.shape or each.dtype != trainer.model.dtype:
                raise ValueError(f"expected states of shape {trainer.model.state.shape}, got {each.shape}")
    return {
        "_run_id": str(state["run_id"]),
        "_place": place,
        "_weighed": weighed.astype(np.float64),
        "_state": kept,
        "_set_aside": None if aside is None else (aside[0], aside[1]),
        "_began": _moment(state["began"]),
        "_ended": None if state["stopped"] is None else (str(state["stopped"][0]), str(state["stopped"][1])),
    }


def _moment(state: Sequence[Any]) -> tuple[float, int, int]:
    if len(state) != 3:
        raise ValueError(f"expected a place in training as three numbers, got {len(state)}")
    return float(state[0]), int(state[1]), int(state[2])


def _rate(saved: Saved, trainer: Any) -> float | None:
    """The rate that callbacks have left, if the optimizer began with the same; None where ours stays."""
    item, ours = saved.settings["learning_rate"], settings_of(trainer)["optimizer"]
    theirs = saved.settings["optimizer"]
    if not isinstance(item, float) or not isinstance(trainer._rate, float):
        return None
    same = isinstance(theirs, dict) and isinstance(ours, dict) and theirs.get("learning_rate") == ours["learning_rate"]
    return item if same else None


def _matched(callbacks: Sequence[Any], states: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Each callback with the state that the next one of its class had."""
    left = [(name, state) for name, state in states]
    found = []
    for callback in callbacks:
        for item in left:
            if item[0] == type(callback).__name__ and hasattr(callback, "load_state_dict"):
                found.append((callback, item[1]))
                left.remove(item)
                break
    return found


def _history(state: Mapping[str, Any]) -> History:
    history = History()
    seconds, speeds, *values = state["values"].tolist()
    if len(values) != len(state["names"]):
        raise ValueError(f"expected a history of {len(values)} names, got {len(state['names'])}")
    history.seconds, history.samples_per_second = seconds, speeds
    history.update(dict(zip(state["names"], values, strict=True)))
    history.stopped_by, history.reason = state["stopped_by"], state["reason"]
    history._finished = bool(state["finished"])
    return history


def newest(folder: str) -> Saved | None:
    """The newest whole checkpoint of a folder; None if it has none. Of damaged ones, it warns."""
    for path in checkpoints(folder):
        try:
            return read(path)
        except NewerFileError:
            raise
        except ModelFileError as error:
            warnings.warn(f"left out a checkpoint that is not whole: {error}", stacklevel=4)  # whoever called `fit`
    return None
