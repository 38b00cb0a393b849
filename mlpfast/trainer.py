"""Training: epochs of compiled steps, with what happens between epochs in Python."""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from copy import deepcopy
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import parts
from ._files import as_path
from .callbacks.checkpoint import Checkpoint
from .callbacks.protocol import Logs, check_callbacks
from .classweight import as_class_weight
from .core.engine import LAST_BATCHES, Engine
from .core.optimizers import new_state, state_slots
from .core.owner import Owner
from .core.random import SHUFFLE, permutation
from .core.results import EpochResult
from .errors import DivergenceError, ModelFileError, boolean, excerpt, integer, known_name, real, verbosity
from .fullbatch import FullBatch, check_full_batch
from .groups import Group, as_groups, check_by_rows, in_groups
from .hints import FIT_ARGUMENTS, TRAINER_ARGUMENTS, TRAINER_ATTRIBUTES, explain_arguments, explain_attributes
from .history import History
from .losses import Loss, as_loss
from .metrics import Metric, Pinball, TopK, as_metrics
from .model import Model
from .optimizers import LBFGS, Adam, Optimizer, as_optimizer
from .program import Program
from .progress import Progress
from .schedules import Constant, Schedule
from .schedules.plain import Scheduled, as_schedule
from .schedules.series import Series, bounds_of, driven
from .settings import Setting
from .training.ahead import Ahead
from .training.chunks import Wanted
from .training.data import Data, check_batches, check_data, data_as_they_are, divide, validation_sets
from .training.epochs import ArrayEpochs, Place
from .training.faults import explanation, parameters_error
from .training.feed import Feed
from .training.loop import Loop, after_steps, nearest_step
from .training.rows import Rows
from .training.saving import arguments_of, newest, restore, settings_of, state_of
from .training.sources import feed_of
from .training.streamed import FeedEpochs
from .training.trainerfile import Saved, read, write
from .validation import Features, scale_penalty

__all__ = ["History", "Trainer"]


def _kind(optimizer: Optimizer) -> tuple[Any, ...]:
    """What the arrays of an optimizer's state mean."""
    return (optimizer.update, 0 if optimizer.full_batch else state_slots(optimizer))


def _of_older_version(state: dict[str, Any]) -> dict[str, Any]:
    """What a trainer pickled before it had a name, an owner and settings kept."""
    state = dict(state)
    counts = np.array([state.pop("steps"), state.pop("epochs"), 0])
    for name in ("_engine_rows", "_snapshot"):
        state.pop(name)
    for name in ("model", "loss", "optimizer", "metrics"):
        state[f"_{name}"] = state.pop(name)
    state["learning_rate"] = state.pop("_learning_rate")
    given = tuple(metric.function or metric.name for metric in state["_metrics"])
    return state | {"_counts": counts, "_given_metrics": given, "_run_id": secrets.token_hex(8), "_set_aside": None}


@explain_attributes(TRAINER_ATTRIBUTES)
class Trainer:
    """Trains a model by mini-batch gradient descent.

    The trainer owns what training carries along beside the parameters: the optimizer's state, the number of steps and
    epochs taken, and the current learning rate. Calling `fit` again goes on from there. The same seed, data and calls
    give bit-identical parameters for every number of threads and every instruction set.

    Parameters
    ----------
    model : Model
        The model to train, in place.
    loss : str or Loss, default "cross_entropy"
        See `mlpfast.losses`. Targets of "cross_entropy" are class indices (n,) or probabilities (n, outputs).
    optimizer : str or Optimizer, default ``Adam(learning_rate=1e-3)``
        See `mlpfast.optimizers`.
    batch_size : int or None, default 128
        Rows in a step; None for all (gradient descent on the full batch, or `optimizers.LBFGS`).
    l1, l2 : float >= 0, default 0.0
        Penalties ``l1 sum|W| + l2/2 sum W^2``, on weights but not on biases, added to the loss and its gradient.
    clip_norm : float > 0, optional
        A gradient whose Euclidean norm is above it is scaled down to it: the norm of all trained parameters together,
        penalties included (Pascanu et al., 2013; ``global_clipnorm`` in Keras, ``clip_grad_norm_`` in PyTorch).
    clip_value : float > 0, optional
        Each element of the gradient, penalties included, is clipped to ``[-clip_value, clip_value]``; after its norm,
        where both are given.
    shuffle : bool, default True
        Go through the rows in a new random order in each epoch.
    metrics : iterable of str or callable, default ()
        See `mlpfast.metrics`.
    n_threads : int, optional
        Upper limit on threads; by default what the machine allows the process.
    seed : int >= 0, default 0
        Seed of the order of rows and of dropout.
    callbacks : iterable of Callback, default ()
        See `mlpfast.callbacks`.
    groups : mapping from str to Group, optional
        Rules of their own for some parameters, by role ("weights", "biases", "scales", "shifts", "slopes",
        "frequencies", "embeddings") or by the name of a tensor, such as "W0", which then counts more: see `Group`. They
        replace what the layers say.
    class_weight : "balanced", mapping, sequence of float, or None, default None
        Weights >= 0 of the classes of the rows that `fit` and `train_on_batch` are given, by class index; those that a
        mapping does not name have 1. They multiply the sample weights, and count where these do. "balanced" is
        ``n / (classes * rows of the class)``, of the classes in y. Evaluation and validation data are not weighted so.
    penalty_over_weights : bool, default False
        Divide the penalties by the sum of the batch's sample weights (its number of rows, where none are given), as
        scikit-learn does with its ``alpha``.
    dropout_scale : float >= 0 or Schedule, default 1.0
        A factor of the dropout rates of all layers.
    last_batch : {"keep", "drop", "spread"}, default "keep"
        What becomes of an epoch's last rows, where they do not fill a batch: "keep" makes them a shorter batch, "drop"
        leaves them out, and "spread" divides all rows into as many batches whose sizes differ by at most one, the
        longer ones first. A last batch of few rows is a noisy step at the end of each epoch. Where layers take
        statistics of a batch, one of a single row goes with the batch before it.

    Attributes
    ----------
    learning_rate : float
        The current rate, of a schedule that of the latest step. It starts as the optimizer's; a number or a schedule
        may be assigned, by callbacks too, and takes the place of what there was from the next epoch on.
    epochs, steps : int
        Epochs begun and optimizer steps taken so far.
    history : History
        Of the latest call of `fit`, also while it runs and after it raised an exception.
    run_id : str
        A random name of this training, which its copies and pickles keep: by it a callback knows its trainer again.

    Raises
    ------
    TypeError, ValueError
        For unknown names, numbers out of range, a loss that does not fit the model's output activation, or an epsilon
        of the optimizer that the model's dtype rounds to zero.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> model = mf.mlp([64, 32, 10], activation="relu", output_activation="softmax", seed=0)
    >>> trainer = mf.Trainer(model, loss="cross_entropy", metrics=["accuracy"], seed=0)
    >>> history = trainer.fit(X / 16, y, epochs=30, verbose=0)
    >>> history.epochs, history["accuracy"][-1] > 0.9
    (30, True)
    """

    #: Whether the loops run, and not a callback.
    at_work = False
    #: What a callback that misses ``"val_..."`` in the logs advises; estimators have another way.
    validation_hint = "give fit() validation_data"

    @explain_arguments(TRAINER_ARGUMENTS)
    def __init__(
        self,
        model: Model,
        loss: str | Loss = "cross_entropy",
        optimizer: str | Optimizer = Adam(learning_rate=1e-3),  # noqa: B008 - immutable
        batch_size: int | None = 128,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        shuffle: bool = True,
        metrics: Iterable[str | TopK | Pinball | Callable[..., float]] = (),
        n_threads: int | None = None,
        seed: int = 0,
        callbacks: Iterable[Any] = (),
        groups: Mapping[str, Group | Mapping[str, Any]] | None = None,
        penalty_over_weights: bool = False,
        class_weight: str | Mapping[int, float] | Iterable[float] | None = None,
        dropout_scale: Scheduled = 1.0,
        last_batch: str = "keep",
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
        self._model = model
        self._owner = Owner()
        self._engine: Engine | None = None
        self._engine_settings: tuple[Any, ...] = ()
        self._place = Place()
        self._loop: Loop | None = None  # of the `fit` under way
        self._began = 0.0, 0, 0  # where the latest `fit` did, in epochs, and the position
        self._ended: tuple[str, str] | None = None  # what had ended it, and why
        self._weighed = np.zeros(2)  # of schedule-free steps: the sum of their weights, and the largest rate
        self._series = Series()
        self._driven: dict[str, Schedule] | None = None
        self._end: int | None = None  # the step at which `fit` will end
        self.loss = loss
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.l1, self.l2 = l1, l2
        self._groups: Mapping[str, Group] = {}
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.shuffle = shuffle
        self.metrics = metrics
        self.n_threads = n_threads
        self.seed = seed
        self.callbacks = callbacks
        self.groups = groups
        self.penalty_over_weights = penalty_over_weights
        self.class_weight = class_weight
        self.dropout_scale = dropout_scale
        self.last_batch = last_batch
        self.history = History()
        self._check_full_batch()
        self._run_id = secrets.token_hex(8)
        self._set_aside: tuple[NDArray[Any], NDArray[Any]] | None = None  # by `show`: the last state, the shown

    # --- what may be assigned: checked, and in force from the next epoch, or the next call ---

    batch_size = Setting[int | None](lambda value: None if value is None else integer("batch_size", value))
    l1 = Setting[float](lambda value: real("l1", value, at_least=0.0))
    l2 = Setting[float](lambda value: real("l2", value, at_least=0.0))
    clip_value = Setting[float | None](lambda value: None if value is None else real("clip_value", value, above=0.0))
    shuffle = Setting[bool](lambda value: boolean("shuffle", value))
    n_threads = Setting[int | None](lambda value: None if value is None else integer("n_threads", value))
    seed = Setting[int](lambda value: integer("seed", value, at_least=0, at_most=2**64 - 1))
    callbacks = Setting[tuple[Any, ...]](check_callbacks)
    penalty_over_weights = Setting[bool](lambda value: boolean("penalty_over_weights", value))
    last_batch = Setting[str](lambda value: known_name("last_batch", value, LAST_BATCHES))

    @property
    def dropout_scale(self) -> float | Schedule:
        """A factor of the dropout rates of all layers."""
        return self._dropout_scale

    @dropout_scale.setter
    def dropout_scale(self, value: Scheduled) -> None:
        self._dropout_scale, self._driven = as_schedule("dropout_scale", value, at_least=0.0), None

    @property
    def learning_rate(self) -> float:
        """The current rate; a number or a schedule may be assigned."""
        if isinstance(self._rate, float):
            return self._rate
        if "learning_rate" in self._series.last:
            return self._series.last["learning_rate"]
        return float(self._rate.values(0, steps_per_epoch=1, total_steps=1))

    @learning_rate.setter
    def learning_rate(self, value: Scheduled) -> None:
        self._rate, self._driven = as_schedule("learning_rate", value, above=0.0), None
        self._series.last.pop("learning_rate", None)

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """What changes with the steps, by name, and the schedules that drive it; read-only.

        The names are "learning_rate", "weight_decay", "momentum", "label_smoothing" and "dropout_scale".

        Examples
        --------
        >>> import mlpfast as mf
        >>> rate = mf.schedules.Cosine(1e-3)
        >>> dict(mf.Trainer(mf.mlp([2, 1]), "mse", mf.Adam(learning_rate=rate)).schedules)["learning_rate"] == rate
        True
        """
        return MappingProxyType(self._schedules())

    @property
    def model(self) -> Model:
        """The model that is trained; another one needs a trainer of its own."""
        return self._model

    @property
    def loss(self) -> Loss:
        """The loss; assigning one, or its name, resolves the metrics anew."""
        return self._loss

    @loss.setter
    def loss(self, value: str | Loss) -> None:
        loss, output = as_loss(value), self.model.output_activation
        loss.check_output(output, self.model.outputs)
        metrics = as_metrics(getattr(self, "_given_metrics", ()), loss, output)
        as_class_weight(getattr(self, "_class_weight", None), loss, self.model.outputs)
        self._loss, self._metrics, self._driven = loss, metrics, None

    @property
    def class_weight(self) -> str | tuple[float, ...] | None:
        """The weights of the classes, "balanced", or None."""
        return self._class_weight

    @class_weight.setter
    def class_weight(self, value: str | Mapping[int, float] | Iterable[float] | None) -> None:
        self._class_weight = as_class_weight(value, self.loss, self.model.outputs)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics, made ready for the loss; names and functions may be assigned."""
        return self._metrics

    @metrics.setter
    def metrics(self, values: Iterable[str | TopK | Pinball | Callable[..., float]]) -> None:
        given = values if isinstance(values, str) else tuple(values)
        self._metrics = as_metrics(given, self.loss, self.model.output_activation)
        self._given_metrics = given

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer. An assigned one brings its learning rate, if that differs; one of another kind begins anew."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, value: str | Optimizer) -> None:
        optimizer, model = as_optimizer(value), self.model
        optimizer.check_precision(model.dtype.name, float(np.finfo(model.dtype).tiny))
        self._check_limits(optimizer, getattr(self, "_program", model.program))
        old = getattr(self, "_optimizer", None)
        if old is None or _kind(old) != _kind(optimizer):
            new = FullBatch() if optimizer.full_batch else new_state(optimizer, model.program, model.dtype)
            self._state: Any = new
            self._counts[2:4] = self._counts[0], 0
        if old is None or old.learning_rate != optimizer.learning_rate:
            self.learning_rate = optimizer.learning_rate
        self._optimizer, self._driven = optimizer, None

    @property
    def groups(self) -> Mapping[str, Group]:
        """Rules of their own for some parameters; another mapping may be assigned."""
        return MappingProxyType(self._groups)

    @groups.setter
    def groups(self, value: Mapping[str, Group | Mapping[str, Any]] | None) -> None:
        program, groups = self.model.program, as_groups(value, self.model.program)
        program = in_groups(program, groups) if groups else program
        if not any(tensor.rule.trainable for tensor in program.tensors):
            raise ValueError("expected parameters that are trained, got a model, or groups, that leave none trainable")
        self._check_limits(self.optimizer, program)
        self._groups, self._program = groups, replace(program, clips=self.clip_norm is not None)

    @staticmethod
    def _check_limits(optimizer: Optimizer, program: Program) -> None:
        limited = [tensor.name for tensor in program.tensors if tensor.rule.max_norm is not None]
        if limited and optimizer.update == "schedule_free":
            raise ValueError(
                f"expected no max_norm with {type(optimizer).__name__}, whose parameters follow from two others; "
                f"got one for {', '.join(limited)}"
            )

    @property
    def clip_norm(self) -> float | None:
        """What the norm of the gradient is clipped to; another number, or None, may be assigned."""
        return self._clip_norm

    @clip_norm.setter
    def clip_norm(self, value: float | None) -> None:
        self._clip_norm = None if value is None else real("clip_norm", value, above=0.0)
        self.groups = self._groups

    @property
    def _counts(self) -> NDArray[np.int64]:
        """Optimizer steps, epochs, steps when the state was new, whether the parameters are their average."""
        return self._place.counts

    @property
    def steps(self) -> int:
        """Optimizer steps taken so far; they number the masks of dropout and Adam's corrections."""
        return int(self._counts[0])

    @steps.setter
    def steps(self, value: int) -> None:
        self._counts[0] = integer("steps", value, at_least=0)

    @property
    def epochs(self) -> int:
        """Epochs begun so far; they number the orders of the rows."""
        return int(self._counts[1])

    @epochs.setter
    def epochs(self, value: int) -> None:
        self._counts[1] = integer("epochs", value, at_least=0)

    @property
    def program(self) -> parts.Schedule:
        """The phases of a training step; `model.program` shows the layers that they name.

        Examples
        --------
        >>> import mlpfast as mf
        >>> print(mf.Trainer(mf.mlp([4, 8, 3], "tanh", "softmax")).program)
        step:
          rows     gather, forward 0-1, compare, back 1-0
          tiles    gradient 0-1, update
        """
        program = self._program.with_loss(calls=self.loss.called is not None)
        return program.schedule("gradient" if self.optimizer.full_batch else "step")

    @property
    def run_id(self) -> str:
        """A random name of this training, which its copies and pickles keep."""
        return self._run_id

    def show(self, state: NDArray[Any]) -> None:
        """Put another state into the model, such as the best one, until training goes on.

        The next `fit` starts from the one that the model has now, unless somebody writes another by then: n calls of
        ``fit(epochs=1)`` are one of ``fit(epochs=n)``. This is for callbacks, in ``on_train_end``.

        Parameters
        ----------
        state : ndarray, as `Model.state`
            It is copied.

        Raises
        ------
        TypeError, ValueError
            If it does not fit the model.

        Examples
        --------
        >>> import mlpfast as mf
        >>> trainer = mf.Trainer(mf.mlp([2, 1], seed=1), "mse")
        >>> trainer.show(np.zeros(3))
        >>> history = trainer.fit([[1, 2]], [1], verbose=0)  # goes on from the parameters drawn by the seed
        >>> bool((abs(trainer.model.parameters[:2]) > 0.01).all())
        True
        """
        with self._owner:
            last = self._last_state().copy()
            self.model.state = state
            self._set_aside = last, self.model.state.copy()

    def take_up(self) -> None:
        """Put back the state that `show` has set aside, unless another was written since; `fit` begins with it."""
        with self._owner:
            if self._set_aside is not None:
                self.model.state[:] = self._last_state()
                self._set_aside = None

    def _last_state(self) -> NDArray[Any]:
        """The one that training goes on from."""
        if self._set_aside is not None:
            last, shown = self._set_aside
            if np.array_equal(shown, self.model.state):
                return last
        return self.model.state

    @explain_arguments(FIT_ARGUMENTS)
    def fit(
        self,
        X: Any,
        y: Any = None,
        epochs: float | None = None,
        validation_data: tuple[Any, ...] | Mapping[str, tuple[Any, ...]] | None = None,
        sample_weight: Any = None,
        verbose: bool | int = 1,
        max_seconds: float | None = None,
        *,
        steps: int | None = None,
        validation_fraction: float | None = None,
        stratify: Any = None,
        resume: str | os.PathLike[str] | None = None,
        steps_per_epoch: int | None = None,
    ) -> History:
        """Train for some epochs.

        Where the last call ended within an epoch, this one goes on there, with the rows that are left of it: after
        Ctrl-C, `max_seconds`, or a part of an epoch. With other rows, or batches, it begins a new epoch.

        Parameters
        ----------
        X : array_like or SciPy sparse, of shape (n, inputs); or an iterable, or a callable
            No copy is made of C-contiguous float32, float64, uint8 or int16 arrays, nor of CSR rows whose columns
            ascend. Sparse rows are never made dense. Rows of a `numpy.memmap` are read from its file meanwhile.

            Without y: an iterable of chunks (X, y) or (X, y, sample_weight), or a callable that makes one, which is
            called for each epoch. Batches go on from a chunk to the next; rows are shuffled within a chunk. Chunks
            are made in a thread of their own, and have been copied when the next is asked for. See the guide's page
            on data.
        y : array_like of shape (n,) or (n, outputs), or None
            Targets, as the loss takes them.
        epochs : int or float > 0, default 1
            How many; 0.5 is half of the steps of an epoch.
        validation_data : tuple (X, y) or (X, y, sample_weight), or mapping from str to such, optional
            Evaluated after each epoch; the results are recorded as "val_loss" and "val_<metric>". Of a mapping, each
            name takes the place of "val".
        sample_weight : array_like of shape (n,), optional
            Weights >= 0, of any size, of the rows in the loss, which is a weighted mean over each batch, and in the
            named metrics. Rows of weight zero have to be finite but count for nothing; a copy of X and y has zeros in
            their place.
        verbose : bool or int >= 0, default 1
            1, or more: a progress bar; 0: nothing.
        max_seconds : float, optional
            Stop, after a whole step, when this much time has passed since the call.
        steps : int, optional
            How many optimizer steps to make, in place of `epochs`.
        validation_fraction : float in (0, 1), optional
            Share of the rows, drawn by the trainer's seed, that is held out and evaluated as "val". It is the same in
            each call with as many rows.
        stratify : bool or array_like of shape (n,), optional
            Hold out the same share of the rows of each class, or of each of these values.
        resume : "latest" or path-like, optional
            Go on from the newest whole checkpoint in the folder of the `Checkpoint` among the callbacks, or from this
            folder or file; begin if the folder has none. `epochs`, or `steps`, then count from where the call of `fit`
            began that was stopped, so that the same call again ends where that one would have ended, with the same
            bits. What a callback had ended stays so. Of damaged checkpoints, a warning names each.
        steps_per_epoch : int, optional
            Of chunks: an epoch ends after so many steps. An iterator goes on from there in the next epoch.

        Returns
        -------
        History
            Losses and metrics by epoch. Those of training are averages over the epoch, penalties included; with
            `optimizers.LBFGS`, those of the model after it. What schedules or callbacks drive, such as "learning_rate",
            is there too.

        Raises
        ------
        TypeError, ValueError
            For input that does not fit the model or the loss, or parameters that are NaN or infinite from the start;
            the model is unchanged. For a chunk that does not, with its number, a file that was cut short, or chunks
            that end before `steps_per_epoch`: the model keeps what it learnt before.
        DivergenceError
            When the loss, the parameters or the optimizer's state become infinite or NaN; the model keeps the last
            finite parameters.
        KeyboardInterrupt
            On Ctrl-C; the model is as it was after the last whole step.

        Examples
        --------
        >>> import mlpfast as mf
        >>> X, y = mf.datasets.load_digits()
        >>> def chunks():
        ...     for i in range(0, len(X), 500):  # from files, a database, a generator of numbers
        ...         yield X[i : i + 500] / 16, y[i : i + 500]
        >>> trainer = mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax", seed=0), metrics=["accuracy"])
        >>> history = trainer.fit(chunks, epochs=30, verbose=0)
        >>> history["accuracy"][-1] > 0.9
        True
        """
        with self._owner.held:
            started = time.monotonic()
            if steps is not None and epochs is not None:
                raise ValueError(f"expected epochs or steps, got both: {epochs!r} and {steps!r}")
            amount = real("epochs", 1.0 if epochs is None else epochs, above=0.0)
            steps = None if steps is None else integer("steps", steps)
            budget = None if max_seconds is None else real("max_seconds", max_seconds, above=0.0)
            show = verbosity(verbose)
            self._check_full_batch()
            several = steps is not None or amount > 1
            feed = self._feed(X, y, sample_weight, steps_per_epoch, several, validation_data is not None)
            if feed is not None and self._steps_of_feed(feed) is None and (steps is not None or amount % 1):
                raise ValueError("expected steps_per_epoch with steps, or parts of epochs, of rows in chunks; got None")
            data = held_out = None
            if feed is None:
                # The loop finds NaN as it reads the rows, at no cost; but a bar that stays empty should not appear.
                data, held_out = self._check_training(X, y, sample_weight, validation_fraction, stratify, finite=show)
            elif validation_fraction is not None:
                raise ValueError("expected validation_data for rows in chunks or in a file, got validation_fraction")
            validation = self._check_validation(validation_data, held_out)
            if data is not None and self.program.over_batch:
                n = self._rows_of_epoch(data)
                check_batches(n, self.batch_size, self.last_batch, stacklevel=4)  # whoever called `fit`
            if (error := parameters_error(self.model)) is not None:
                raise error
            if resume is not None and (saved := self._to_resume(resume)) is not None:
                restore(self, saved)
            else:
                saved, self._ended = None, None
            self.take_up()
            arrays: ArrayEpochs | FeedEpochs
            if data is not None:
                arrays = ArrayEpochs(self, data, self._kind_of_epoch(data))
            elif feed is not None:
                arrays = FeedEpochs(self, feed, self._kind_of_feed(feed))
                if not arrays.known and saved is None:
                    self._place.close()  # where it ends is not known
            now, per_epoch, place = arrays.position, arrays.steps, self._place
            if saved is None:
                self._began = place.aim[0] if place.aim[1:] == now else now[0] + now[1] / per_epoch, *now
                self.history = History()
            elif self._ended is None:
                self.history.stopped_by = self.history.reason = None
            exactly, *began = self._began
            if steps is None:
                aim = exactly + amount
                end = max(nearest_step(aim, per_epoch), after_steps((began[0], began[1]), 1, per_epoch))
                place.aim = aim, *end
            else:
                end = after_steps((began[0], began[1]), steps, per_epoch)
            # The bar comes last, so that it shows what the other callbacks did.
            bar = [Progress(max(end[0] - self.epochs + (end[1] > 0) + self._place.open, 1))] if show else []
            if arrays.known:
                self._end = self.steps + (end[0] - now[0]) * per_epoch + end[1] - now[1]
            self._loop = Loop(
                self,
                self._place,
                arrays,
                end,
                callbacks=(*self.callbacks, *bar),
                report=partial(self._logs_of, data, validation),
                deadline=0.0 if budget is None else started + budget,
                stopper=self._ended,
            )
            try:
                self._loop.run()
            finally:
                self._ended, self._end, self._loop = self._loop.stopped, None, None
                arrays.close()
                if isinstance(self._state, FullBatch):
                    self._state.forget_rows()
        return self.history

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the trainer to a file: what `load` and ``fit(resume=...)`` go on from, with the same bits.

        It has the model, the settings, the optimizer's state, the place in the epoch with the totals so far, the
        history, and what `state_dict` of each callback gives, in an uncompressed ``.npz`` with a JSON header, without
        pickle. The new file is synced, then takes the place of the old one: there is always one of them, whole.
        Callbacks may save, too.

        Parameters
        ----------
        path : str or path-like

        Raises
        ------
        TypeError
            If the model has layers that are not mlpfast's, or a callback has a state that no file holds.
        OSError
            If the file can't be written.

        Examples
        --------
        >>> trainer.save("trainer.npz")  # doctest: +SKIP
        """
        target = as_path(path)
        if self._loop is not None:
            self._loop.remember()
        with self._owner:
            write(target, self.model, settings_of(self), state_of(self))

    @classmethod
    def load(cls, path: str | os.PathLike[str], **settings: Any) -> Trainer:
        """Read a trainer that `save` wrote, with a model of its own.

        Parameters
        ----------
        path : str or path-like
        **settings
            Arguments of `Trainer`, and ``learning_rate``, in place of those in the file. What no file holds has to be
            given again: functions as metrics, losses or schedules (within an optimizer, or a ``learning_rate``), and
            callbacks that are not of the package. Callbacks that are given get the states that those of their classes
            had. Those that write files are left out unless they are given.

        Returns
        -------
        Trainer

        Raises
        ------
        ModelFileError
            If the file is damaged, cut short, not a trainer's, or of a newer version. It is a ValueError.
        ValueError
            If something has to be given again, which is named; if the optimizer that is given is of another kind.
        OSError
            If the file can't be opened.

        Examples
        --------
        >>> import mlpfast as mf, pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name, "trainer.npz")
        >>> trainer = mf.Trainer(mf.mlp([1, 1], seed=0), loss="mse")
        >>> history = trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, verbose=0)
        >>> trainer.save(path)
        >>> mf.Trainer.load(path)
        <Trainer of a 1-1 model: loss mse, adam at 0.001, batch_size=128; 2 epochs, 2 steps, loss=0.03536>
        >>> folder.cleanup()
        """
        saved = read(as_path(path))
        arguments = arguments_of(saved, settings)
        rate = arguments.pop("learning_rate", None)
        try:
            trainer = cls(saved.model, **arguments)
            if rate is not None:
                trainer.learning_rate = rate
        except (TypeError, ValueError) as error:
            if settings:
                raise
            raise ModelFileError(f"can't make a trainer of what the file has: {excerpt(str(error), 200)}") from None
        restore(trainer, saved, keep_rate="learning_rate" in settings)
        return trainer

    def _to_resume(self, resume: str | os.PathLike[str]) -> Saved | None:
        """What to go on from; None if there is nothing yet, or if it is what this trainer has itself."""
        path = as_path(resume)
        if path == "latest":
            folders = [each.folder for each in self.callbacks if isinstance(each, Checkpoint)]
            if len(folders) != 1:
                raise ValueError(
                    f"resume='latest': expected one Checkpoint among the callbacks, got {len(folders)}; give a folder"
                )
            path = folders[0]
        return newest(path) if not os.path.isfile(path) else read(path)

    def _logs_of(self, data: Data | None, validation: Mapping[str, Data], result: EpochResult) -> Logs:
        """What is recorded of an epoch."""
        trained = None if data is None else data.trained(self.model.inputs)
        logs = {"loss": result.loss, **self._named_metrics(result.metrics, trained)}
        for name, held_out in validation.items():
            logs |= {f"{name}_{metric}": value for metric, value in self._evaluate(held_out).items()}
        return logs | self._driven_values(self.callbacks)

    def run_epoch(
        self,
        X: Features,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None = None,
        *,
        order: NDArray[np.int64] | None = None,
        deadline: float = 0.0,
    ) -> EpochResult:
        """Run one epoch and nothing else: what `fit` repeats, for those who write that loop themselves.

        Parameters
        ----------
        X, y, sample_weight
            As `mlpfast.validation` returns them; their values are not all checked again.
        order : ndarray of int64, optional
            The rows to use, in their order; by default all as they come.
        deadline : float, default 0.0
            The value of ``time.monotonic()`` at which to stop, after a whole step; 0 for none.

        Returns
        -------
        EpochResult
            With status "ok", "deadline" or "converged".

        Raises
        ------
        ValueError, DivergenceError, KeyboardInterrupt
            As `fit`.
        """
        data = Data(X, y, sample_weight, X, y)
        return self._run_epoch(data, data.order(order, self._program.over_batch), deadline)

    def loss_and_gradient(
        self,
        X: Features,
        y: NDArray[Any],
        sample_weight: NDArray[np.float64] | None = None,
        *,
        l1: float | None = None,
        l2: float | None = None,
    ) -> tuple[float, NDArray[Any]]:
        """The loss over all rows and its gradient, without a step: for optimizers that the package does not have.

        Unlike `Model.loss_and_gradient`, this keeps the engine from call to call, and checks nothing.

        Parameters
        ----------
        X, y, sample_weight
            As `mlpfast.validation` returns them.
        l1, l2 : float, optional
            Penalties; by default the trainer's.

        Returns
        -------
        loss : float
        gradient : ndarray of shape (n_parameters,)
        """
        with self._owner:
            return self._engine_of(len(y), exact=False).loss_and_gradient(
                X, y, sample_weight, l1=self.l1 if l1 is None else l1, l2=self.l2 if l2 is None else l2
            )

    def evaluate(self, X: Any, y: Any = None, sample_weight: Any = None) -> dict[str, float]:
        """Loss (penalties included) and metrics of the model as it is, without training.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`. Of chunks, it is that of their rows together, but for rounding.

        Returns
        -------
        dict
            "loss" and each metric.

        Raises
        ------
        TypeError, ValueError
            For input that does not fit the model or the loss, or metrics of all rows at once where these come in
            chunks.
        """
        if y is None:
            return self._evaluate_pieces(X, sample_weight)
        data = (
            None
            if any(metric.function for metric in self.metrics)
            else data_as_they_are(self.model, self.loss, X, y, sample_weight)
        )
        if data is not None:
            with suppress(ValueError):
                found = self._evaluate(data)
                if math.isfinite(found["loss"]):
                    return found
        return self._evaluate(self._check(X, y, sample_weight))  # says what is wrong, if anything is

    def train_on_batch(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Take one optimizer step on the given rows, whatever `batch_size` is.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        float
            The loss on these rows before the step, penalties included.

        Raises
        ------
        TypeError, ValueError
            For input that does not fit the model or the loss, or parameters that are NaN or infinite already.
        DivergenceError
            When the loss, the parameters or the optimizer's state become infinite or NaN; the model is unchanged.
        """
        refused, class_weight = None, self.class_weight
        if self.optimizer.full_batch:
            name = type(self.optimizer).__name__
            raise ValueError(f"train_on_batch: expected an optimizer that takes batches, got {name}; call fit")
        if class_weight == "balanced":
            raise ValueError(
                "train_on_batch: class_weight='balanced' needs all of y; assign trainer.class_weight numbers"
            )
        if class_weight is None and (data := data_as_they_are(self.model, self.loss, X, y, sample_weight)) is not None:
            try:
                return self._step(data)
            except (ValueError, DivergenceError) as error:
                refused = error
        # Says what is wrong, if anything is.
        data = self._check(X, y, sample_weight, finite=refused is not None, class_weight=class_weight)
        if refused is not None:
            raise refused
        return self._step(data)

    def _step(self, data: Data) -> float:
        with self._owner:
            engine = self._engine_of(len(data.y), exact=False)
            return self._run(engine, data, data.order(None, self._program.over_batch), 0.0).loss

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.model.sizes))
        last = "".join(f", {name}={values[-1]:.4g}" for name, values in self.history.items())
        rate = f"{self._rate:.4g}" if isinstance(self._rate, float) else repr(self._rate)
        return (
            f"<Trainer of a {sizes} model: loss {self.loss.name}, {self.optimizer.name} at {rate}, "
            f"batch_size={self.batch_size}; {self.epochs} epochs, {self.steps} steps{last}>"
        )

    def copy(self) -> Trainer:
        """An independent trainer of a copy of the model, at the same step; it has the same callbacks.

        Examples
        --------
        >>> import mlpfast as mf
        >>> trainer = mf.Trainer(mf.mlp([2, 1], seed=1), "mse")
        >>> twin = trainer.copy()
        >>> loss = twin.train_on_batch([[1, 2]], [1])
        >>> twin.steps, trainer.steps
        (1, 0)
        """
        with self._owner:
            own = {name: deepcopy(self.__dict__[name]) for name in ("_state", "_place", "_weighed", "history")}
            own |= {"_model": self.model.copy(), "_series": self._series.copy()}
            twin = type(self).__new__(type(self))
            twin.__setstate__(self.__getstate__() | own)
        return twin

    def __getstate__(self) -> dict[str, Any]:
        # The engine is made anew when it is needed; nobody owns a copy, and no `fit` of it is under way.
        left_out = ("_engine", "_owner", "_program", "_end", "_loop")
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        given: dict[str, Any] = {"_clip_norm": None, "clip_value": None, "_class_weight": None, "last_batch": "keep"}
        given |= {"_weighed": np.zeros(2), "_series": Series(), "_dropout_scale": 1.0}
        given |= {"_began": (0.0, 0, 0), "_ended": None}
        state = given | (state if {"_counts", "_place"} & state.keys() else _of_older_version(state))
        state.setdefault("_rate", state.pop("learning_rate", None))
        if "_place" not in state:
            state["_place"] = Place()
            counts = state.pop("_counts")  # three or four of them
            state["_place"].counts[: len(counts)] = counts
        self.__dict__.update(state)
        self._engine, self._owner, self._engine_settings = None, Owner(), ()
        self._end = self._driven = self._loop = None
        self.groups = state.get("_groups")
        self.metrics = self._given_metrics  # those of older versions were made ready in another way

    def _check(self, X: Any, y: Any, sample_weight: Any, **how: Any) -> Data:
        data = check_data(self.model, self.loss, X, y, sample_weight, **how)
        self._penalties(data)
        return data

    def _check_training(
        self, X: Any, y: Any, sample_weight: Any, fraction: float | None, stratify: Any, finite: bool
    ) -> tuple[Data, Data | None]:
        """The rows to train on, and those that are held out."""
        check = partial(check_data, self.model, self.loss, X, y, sample_weight, finite=finite)
        if fraction is None:
            if stratify is not None and stratify is not False:
                raise ValueError("expected stratify with validation_fraction alone, got it without")
            data, held_out = check(class_weight=self.class_weight), None
        else:
            data, held_out = divide(
                check, self.model, self.loss, fraction, stratify, seed=self.seed, class_weight=self.class_weight
            )
        self._penalties(data)
        return data, held_out

    def _check_validation(self, given: Any, held_out: Data | None) -> dict[str, Data]:
        """Validation data by name, checked."""
        found = {} if held_out is None else {"val": held_out}
        for name, (X, y, sample_weight) in validation_sets(given).items():
            if name in found:
                raise ValueError("expected another name than 'val' beside validation_fraction, which has it")
            of = " of validation_data" + (f"[{name!r}]" if isinstance(given, Mapping) else "")
            found[name] = self._check(X, y, sample_weight, of=of)
        recorded = ["loss", *(metric.name for metric in self.metrics)]
        keys = [*recorded, *(f"{name}_{key}" for name in found for key in recorded)]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise ValueError(f"expected other names of validation sets, got two values for {twice[0]!r} in the history")
        return found

    def _kind_of_epoch(self, data: Data) -> dict[str, Any]:
        """What tells whether an epoch may go on: see `Place`."""
        n = self._rows_of_epoch(data)
        with self._owner:
            engine = self._engine_of(min(self.batch_size or n, n))
            return {
                "rows": n,
                "steps": engine.n_batches(n),
                "batch_rows": engine.batch_rows,
                "last_batch": self.last_batch,
                "seed": self.seed if self.shuffle else None,
                "penalty_over_weights": self.penalty_over_weights,
                "metrics": [list(metric) for metric in self._compiled_metrics],
            }

    def _part(
        self, data: Data, order: NDArray[np.int64] | None, begins: bool, most: int, deadline: float
    ) -> EpochResult:
        """Steps of an epoch, of a new one if it `begins`: at most so many, if `most` is not negative."""
        kind = self._place.kind
        with self._owner:
            engine = self._engine_of(kind["batch_rows"])
            left = kind["steps"] - (0 if begins else self._place.done)
            return self._run(
                engine, data, order, deadline, kind["steps"], begins, left if most < 0 else min(most, left)
            )

    def _order(self, epoch: int, data: Data) -> NDArray[np.int64] | None:
        """The rows of an epoch in their order; None for all as they come."""
        rows = data.chosen
        order = permutation(self.seed, SHUFFLE, epoch, len(data.y if rows is None else rows)) if self.shuffle else None
        if rows is not None:
            order = rows if order is None else rows[order]
        return data.order(order, self._program.over_batch)

    def _rows_of_epoch(self, data: Data) -> int:
        return data.rows(data.order(data.chosen, self._program.over_batch))

    def _run_epoch(self, data: Data, order: NDArray[np.int64] | None, deadline: float) -> EpochResult:
        n = data.rows(order)
        with self._owner:
            engine = self._engine_of(min(self.batch_size or n, n))
            return self._run(engine, data, order, deadline, engine.n_batches(n))

    def _wanted(self) -> Wanted:
        model, over_batch = self.model, self._program.over_batch
        return Wanted(self.loss, model.inputs, model.outputs, model.dtype, None, model.program.codes, over_batch)

    def _feed(
        self, X: Any, y: Any, sample_weight: Any, steps: int | None, several: bool, validates: bool
    ) -> Feed | None:
        """What gives the rows of each epoch in pieces; None where they are in one array."""
        weights = self.class_weight
        feed = feed_of(
            X, y, sample_weight, self._wanted(), class_weight=weights, steps_per_epoch=steps, several=several
        )
        if feed is None:
            return None
        if self.batch_size is None:
            raise ValueError("expected a batch_size for rows that come in chunks, or lie in a file; got None")
        if self.last_batch == "spread":
            raise ValueError(
                "expected last_batch='keep' or 'drop' for rows that come in chunks, or lie in a file; got 'spread'"
            )
        if not validates:
            self._check_metrics_of_chunks("expected validation_data for")
        return feed

    def _check_metrics_of_chunks(self, expected: str) -> None:
        functions = [metric.name for metric in self.metrics if metric.compiled is None]
        if functions:
            raise ValueError(
                f"{expected} {', '.join(functions)}, which can't be computed of rows in chunks or in a file"
            )

    def _steps_of_feed(self, feed: Feed) -> int | None:
        """Steps of an epoch, where they can be known."""
        if feed.source.rows is None or self.batch_size is None:
            return feed.source.steps
        with self._owner:
            return self._engine_of(min(self.batch_size, feed.source.rows)).n_batches(feed.source.rows)

    def _kind_of_feed(self, feed: Feed) -> dict[str, Any]:
        """What tells whether an epoch may go on: see `Place`."""
        return {
            "rows": feed.source.rows,
            "steps": self._steps_of_feed(feed),
            "batch_rows": self.batch_size,
            "last_batch": self.last_batch,
            "seed": self.seed if self.shuffle else None,
            "penalty_over_weights": self.penalty_over_weights,
            "metrics": [list(metric) for metric in self._compiled_metrics],
        }

    def _batches_of(self, batch_rows: int, rows: int) -> int:
        with self._owner:
            return self._engine_of(batch_rows).n_batches(rows)

    def _piece(self, piece: Rows, batch_rows: int, first: int, begins: bool, most: int, deadline: float) -> EpochResult:
        """At most so many steps of an epoch, from batch `first` of the piece on."""
        self.model.check_custom(self.loss, piece.y)
        data = Data(*piece, piece.X, piece.y)
        steps = self._place.kind["steps"]
        with self._owner:
            return self._run(self._engine_of(batch_rows), data, None, deadline, steps, begins, most, first)

    def _penalties(self, data: Data) -> tuple[float, float]:
        """l1 and l2 for the engine: where it divides them by the weights, with the same power of two."""
        if self._program.by_rows:
            check_by_rows(self._program, self.l1, self.l2, self.optimizer)
        if data.sample_weight is None or not self.penalty_over_weights:
            return self.l1, self.l2
        if data.weight_exponent and any(t.rule.l1 or t.rule.l2 for t in self._program.tensors):
            raise ValueError(
                "expected sample_weight nearer to 1 where penalty_over_weights is set and layers or groups have l1 or "
                f"l2 of their own, got a sum beyond 2**{data.weight_exponent}"
            )
        of = data.sample_weight, data.weight_exponent, len(data.y), self.model.dtype
        return scale_penalty(self.l1, *of, name="l1"), scale_penalty(self.l2, *of, name="l2")

    def _engine_of(self, batch_rows: int, exact: bool = True) -> Engine:
        """The engine for batches of `batch_rows`, or, if not `exact`, of at least so many."""
        if batch_rows < 1:
            raise ValueError("expected at least one row, got none")
        groups = tuple(self._groups.items())
        settings = (
            *(self.loss, self.n_threads, self.seed, self.penalty_over_weights, self.last_batch),
            *(self._program.clips, groups),
        )
        engine = self._engine
        rows = 0 if engine is None else engine.batch_rows
        fits = rows == batch_rows if exact else rows >= batch_rows
        if engine is None or not fits or self._engine_settings != settings:
            self._engine = engine = Engine(
                self.model.network,
                self.loss,
                batch_rows=batch_rows,
                n_threads=self.n_threads,
                seed=self.seed,
                penalty_over_weights=self.penalty_over_weights,
                program=self._program,
                last_batch=self.last_batch,
            )
            self._engine_settings = settings
        return engine

    def _schedules(self) -> dict[str, Schedule]:
        """What changes with the steps: looked for when something has been assigned."""
        if self._driven is None:
            scale = self.dropout_scale
            self._driven = driven(
                learning_rate=self._rate,
                weight_decay=self.optimizer.weight_decay,
                momentum=getattr(self.optimizer, "momentum", 0.0),
                label_smoothing=getattr(self.loss, "label_smoothing", 0.0),
                dropout_scale=Constant(scale) if isinstance(scale, float) and scale != 1 else scale,
            )
        return self._driven

    def _driven_values(self, callbacks: Iterable[Any]) -> dict[str, float]:
        """What schedules and callbacks drive, for the history: the values of the latest step."""
        names = [name for callback in callbacks for name in getattr(callback, "drives", ())]
        names += ["learning_rate"] * ("learning_rate" in self.history)  # also if a number has taken a schedule's place
        return {name: getattr(self, name) for name in names} | self._series.recorded()

    def _series_of(self, steps: int, steps_per_epoch: int | None) -> dict[str, NDArray[np.float64]]:
        """The values of schedules for the next so many steps."""
        schedules = self._schedules()
        if not (schedules or self._series.last):
            return {}
        bounds = bounds_of(layer.numbers[0] for layer in self._program.layers if layer.kind == "dropout")
        return self._series.values(schedules, bounds, self.steps, steps, steps_per_epoch, self._end)

    def _run(
        self,
        engine: Engine,
        data: Data,
        order: NDArray[np.int64] | None,
        deadline: float,
        steps_per_epoch: int | None = None,
        begins: bool = True,
        part: int | None = None,
        first: int | None = None,
    ) -> EpochResult:
        """Make the steps of an epoch; or one step, where it is not told how many an epoch has.

        With `part`, so many steps, of a new epoch or of the open one; from batch `first` of the data on, where it is a
        piece of it. Afterwards, the parameters are finite, and the optimizer's state belongs to the same step.
        """
        epoch, done = (self.epochs, 0) if begins else (self.epochs - 1, self._place.done)
        of_epoch = steps_per_epoch is not None or part is not None
        l1, l2 = self._penalties(data)
        series = self._series_of(part or steps_per_epoch or 1, steps_per_epoch)
        rate = self._rate if isinstance(self._rate, float) else 0.0  # of a schedule, each step has its own
        self.at_work = True
        try:
            if isinstance(self.optimizer, LBFGS):
                self._check_full_batch()
                result: EpochResult = self._state.iterate(
                    engine, data.X, data.y, data.sample_weight, self.optimizer, self._counts, rate,
                    l2=l2, program=self._program, metrics=self._compiled_metrics, deadline=deadline,
                )  # fmt: skip
            else:
                result = engine.run_epoch(
                    data.X, data.y, data.sample_weight, self.optimizer, self._state, self._counts, self._weighed,
                    rate, order=order, epochs=int(begins and of_epoch), l1=l1, l2=l2,
                    clip_value=self.clip_value or math.inf, clip_norm=self.clip_norm or math.inf,
                    metrics=self._compiled_metrics, deadline=deadline, series=series,
                    first_step=done if first is None else first,
                    max_steps=-1 if part is None else part, totals=None if part is None else self._place.totals,
                )  # fmt: skip
        except ValueError as error:
            raise explanation(error, self.model, data) from None
        finally:
            self.at_work = False
        self._series.keep_last(series, result.steps)
        if result.status == "diverged":
            if "learning_rate" in series:
                rate = series["learning_rate"][result.steps]
            step = f"optimizer step {self.steps}"
            where = f"step {done + result.steps} of epoch {epoch}, {step}" if of_epoch else step
            raise DivergenceError(
                f"training diverged at {where} (counted from 0): the loss, the parameters or the optimizer's state are "
                f"not finite, with learning rate {rate:g}. The model keeps its last finite parameters. "
                f"Try a smaller learning rate, or scale the inputs",
                step=self.steps,
            )
        if result.status == "interrupted":
            raise result.error or KeyboardInterrupt
        return result

    def _check_full_batch(self) -> None:
        if self.optimizer.full_batch:
            check_full_batch(
                self.optimizer, self._program, batch_size=self.batch_size, l1=self.l1, clip_norm=self.clip_norm,
                clip_value=self.clip_value, scheduled=list(self._schedules()),
            )  # fmt: skip

    def _evaluate(self, data: Data) -> dict[str, float]:
        loss, values = self._means(data)
        return {"loss": loss, **self._named_metrics(values, data)}

    def _evaluate_pieces(self, X: Any, sample_weight: Any) -> dict[str, float]:
        """The means of the pieces, by their weights."""
        self._check_metrics_of_chunks("evaluate: expected no")
        if self.penalty_over_weights:
            raise ValueError("evaluate: expected penalty_over_weights=False for rows that come in chunks, got True")
        feed = feed_of(X, None, sample_weight, self._wanted())
        assert feed is not None
        total, loss, sums = 0.0, 0.0, dict.fromkeys(self._compiled_metrics, 0.0)
        with closing(Ahead(partial(feed.epoch, self.batch_size or 128, None, False))) as pieces:
            for piece in pieces:
                weight = float(piece.n if piece.sample_weight is None else piece.sample_weight.sum())
                if weight > 0:
                    self.model.check_custom(self.loss, piece.y)
                    mean, values = self._means(Data(*piece, piece.X, piece.y))
                    total, loss = total + weight, loss + weight * mean
                    sums = {name: sums[name] + weight * value for name, value in values.items()}
        return {"loss": loss / total, **self._named_metrics({name: s / total for name, s in sums.items()}, None)}

    def _means(self, data: Data) -> tuple[float, dict[tuple[str, float], float]]:
        """The loss and the compiled metrics."""
        n = len(data.y)
        l1, l2 = self._penalties(data)
        with self._owner:
            rows = min(self.batch_size or n, n) if self._engine is None else self._engine.batch_rows
            try:
                loss, values = self._engine_of(rows).evaluate(
                    data.X, data.y, data.sample_weight, l1=l1, l2=l2, metrics=self._compiled_metrics
                )
            except ValueError as error:
                raise explanation(error, self.model, data) from None
        return float(loss), values

    @property
    def _compiled_metrics(self) -> list[tuple[str, float]]:
        return list(dict.fromkeys(metric.compiled for metric in self.metrics if metric.compiled is not None))

    def _named_metrics(self, compiled: Mapping[tuple[str, float], float], data: Data | None) -> dict[str, float]:
        """The metrics under their users' names: the compiled ones given, the functions called, if there is data."""
        values: dict[str, float] = {}
        predictions = weights = None
        for metric in self.metrics:
            if metric.compiled is not None:
                values[metric.name] = metric.finished(compiled[metric.compiled])
            elif data is not None:
                if predictions is None:
                    predictions = self.model.predict(data.given_X, n_threads=self.n_threads)
                    weights = data.given_weight
                values[metric.name] = metric(data.given_y, predictions, weights)
        return values
