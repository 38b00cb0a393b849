"""Training: epochs of compiled steps, with what happens between epochs in Python."""

from __future__ import annotations

import errno
import math
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .callbacks.protocol import Logs
from .core.engine import Engine
from .core.owner import Owner
from .core.results import EpochResult
from .errors import DivergenceError, ModelFileError, excerpt, integer, real, verbosity
from .files.replacing import as_path
from .fullbatch.epochs import FullBatch
from .groups import Group
from .hints import (
    FIT_ARGUMENTS,
    TRAINER_ARGUMENTS,
    TRAINER_ATTRIBUTES,
    explain_arguments,
    explain_attributes,
    refuse_without_effect,
)
from .history import History
from .losses import Loss
from .metrics import Pinball, TopK
from .model import Model
from .optimizers import Adam, Optimizer
from .progress import Progress
from .schedules import Schedule
from .schedules.plain import Scheduled
from .schedules.series import Series
from .training.data import Data, check_batches, data_as_they_are
from .training.epochs import ArrayEpochs, Place
from .training.faults import parameters_error
from .training.loop import Loop, after_steps, nearest_step
from .training.machinery import Machinery
from .training.streamed import FeedEpochs
from .validation import Features

__all__ = ["History", "Trainer"]


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
class Trainer(Machinery):
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
        Rows in a step; None for all (gradient descent on the full batch, or `optimizers.LBFGS` and its like).
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
        longer ones first. Fewer rows than a batch are one, whatever is asked for: "drop" does not leave out all that
        there is. A last batch of few rows is a noisy step at the end of each epoch. Where layers take statistics of a
        batch, one of a single row goes with the batch before it.

    Attributes
    ----------
    learning_rate : float
        The current rate, of a schedule that of the latest step. It starts as the optimizer's; a number or a schedule
        may be assigned, by callbacks too, and takes the place of what there was from the next step on.
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

    def __setattr__(self, name: str, value: Any) -> None:
        if name[0] != "_" and name not in _SETTINGS and type(self) is Trainer and not hasattr(Trainer, name):
            refuse_without_effect("'Trainer' object", name, _SETTINGS, TRAINER_ARGUMENTS | TRAINER_ATTRIBUTES)
        object.__setattr__(self, name, value)

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
        jacobian: Any = None,
        jacobian_weight: float = 1.0,
    ) -> History:
        """Train for some epochs.

        Where the last call ended within an epoch, this one goes on there, with the rows that are left of it: after
        Ctrl-C, `max_seconds`, or a part of an epoch. With other rows, batches, or another loss, it begins a new epoch.

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
            folder or file; begin if the folder has none, or is not there yet. `epochs`, or `steps`, then count from
            where the call of `fit` began that was stopped, so that the same call again ends where that one would have
            ended, with the same bits. What a callback had ended stays so. Of damaged checkpoints, a warning names each.
        steps_per_epoch : int, optional
            Of chunks: an epoch ends after so many steps. An iterator goes on from there in the next epoch.
        jacobian : array_like of shape (n, outputs, inputs), or (n, inputs) where there is one output; optional
            The derivatives of the targets by the inputs, in the units of both, to be fitted together with y, as those
            of a simulator are (Sobolev training: Czarnecki et al., 2017). To the loss of a batch
            ``jacobian_weight`` times the mean over its rows of ``1/2 sum (J - jacobian)^2`` is added, weighted by
            `sample_weight` as the loss is, J being `Model.jacobian`, that of the outputs with their activation. Of rows
            in one array, and optimizers that take batches.
        jacobian_weight : float >= 0, default 1.0
            What the derivatives count beside the values.

        Returns
        -------
        History
            Losses and metrics by epoch. Those of training are averages over the epoch, penalties included; with
            `optimizers.LBFGS` and its like, those of the model after it. What schedules or callbacks drive, such as
            "learning_rate", is there too. With `jacobian`, "loss" includes what that adds, and "jacobian_loss" is its
            mean without the weight; of validation data, of which no derivatives are known, "val_loss" has no such term.

        Raises
        ------
        TypeError, ValueError
            For input that does not fit the model or the loss, or parameters that are NaN or infinite from the start;
            for a `jacobian` of a model with Dropout, BatchNorm, or layers that have no mixed derivatives, which are
            named; the model is unchanged. For a chunk that does not, with its number, a file that was cut short, or
            chunks that end before `steps_per_epoch`: the model keeps what it learnt before.
        DivergenceError
            When the loss, the parameters or the optimizer's state become infinite or NaN; the model keeps the last
            finite parameters.
        KeyboardInterrupt
            On Ctrl-C; the model is as it was after the last whole step.
        RuntimeError
            In a callback of a `fit` of this trainer, or while another thread is at work with it.
        FileNotFoundError
            If `resume` names a file, by its end ``.npz``, that is not there.

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
            if self._loop is not None and self._loop.process == os.getpid():
                raise RuntimeError("this trainer is at work, in the fit that called this callback; use one of your own")
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
            elif validation_fraction is not None or not (stratify is None or stratify is False):
                got = "stratify" if validation_fraction is None else "validation_fraction"
                raise ValueError(f"expected validation_data for rows in chunks or in a file, got {got}")
            data = self._with_jacobian(data, jacobian, jacobian_weight)
            validation = self._check_validation(validation_data, held_out, data)
            if data is not None and self.program.over_batch:
                n = self._rows_of_epoch(data)
                left_out = data.rows(data.chosen) - n
                check_batches(n, left_out, self.batch_size, self.last_batch, stacklevel=4)  # whoever called `fit`
            if (error := parameters_error(self.model)) is not None:
                raise error
            resumed = resume is not None and self._resume(resume)
            if not resumed:
                self._ended = None
            self.take_up()
            arrays: ArrayEpochs | FeedEpochs
            if data is not None:
                arrays = ArrayEpochs(self, data, self._kind_of_epoch(data))
            elif feed is not None:
                arrays = FeedEpochs(self, feed, self._kind_of_feed(feed))
                if not arrays.known and not resumed:
                    self._place.close()  # where it ends is not known
            now, per_epoch, place = arrays.position, arrays.steps, self._place
            if not resumed:
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
                keys=partial(self._keys_of, data, validation),
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
        >>> import mlpfast as mf, pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name, "trainer.npz")
        >>> trainer = mf.Trainer(mf.mlp([1, 1], seed=0), loss="mse")
        >>> loss = trainer.train_on_batch([[0.0], [1.0]], [0.0, 1.0])
        >>> trainer.save(path)
        >>> mf.Trainer.load(path).steps
        1
        >>> folder.cleanup()
        """
        # Here, since a program that saves nothing need not import zipfile and json.
        from .training.saving import settings_of, state_of
        from .training.trainerfile import write

        target = as_path(path, in_memory="pickle.dumps(trainer)")
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
            had. Those that write files, and a `Doctor`, which holds data, are left out unless they are given.

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
        from .training.saving import arguments_of, restore
        from .training.trainerfile import read

        saved = read(as_path(path, in_memory="pickle.loads(data)"))
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

    def _resume(self, resume: str | os.PathLike[str]) -> bool:
        """Go on from a file, or from the newest of a folder; whether there is one."""
        from .callbacks.checkpoint import Checkpoint
        from .training.saving import newest, restore
        from .training.trainerfile import read

        path = as_path(resume)
        if path == "latest":
            folders = [each.folder for each in self.callbacks if isinstance(each, Checkpoint)]
            if len(folders) != 1:
                raise ValueError(
                    f"resume='latest': expected one Checkpoint among the callbacks, got {len(folders)}; give a folder"
                )
            path = folders[0]
        elif path.endswith(".npz") and not os.path.exists(path):
            raise FileNotFoundError(errno.ENOENT, "resume: expected a file to go on from, got a path without one", path)
        saved = read(path) if os.path.isfile(path) else newest(path)
        if saved is not None:
            restore(self, saved)
        return saved is not None

    def _logs_of(self, data: Data | None, validation: Mapping[str, Data], result: EpochResult) -> Logs:
        """What is recorded of an epoch."""
        trained = None if data is None else data.trained(self.model.inputs)
        logs = {"loss": result.loss}
        if data is not None and data.term is not None:
            logs[data.term.metric[0]] = result.metrics[data.term.metric]
        logs |= self._named_metrics(result.metrics, trained)
        for name, held_out in validation.items():
            logs |= {f"{name}_{metric}": value for metric, value in self._evaluate(held_out).items()}
        return logs | self._driven_values()

    def _keys_of(self, data: Data | None, validation: Iterable[str]) -> list[str]:
        """What `_logs_of` gives values of, in its order."""
        metrics = [metric.name for metric in self.metrics if metric.compiled is not None or data is not None]
        term = [] if data is None or data.term is None else [data.term.metric[0]]
        of_sets = [f"{name}_{key}" for name in validation for key in ("loss", *(each.name for each in self.metrics))]
        return ["loss", *term, *metrics, *of_sets, *self._driven_names()]

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
        return self._run_epoch(data, data.order(order, self._program), deadline)

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
        data = None if self._takes_all_rows else data_as_they_are(self.model, self.loss, X, y, sample_weight)
        if data is not None:
            try:
                found = self._evaluate(data)
                if math.isfinite(found["loss"]):
                    return found
            except ValueError:
                pass
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
            return self._run(engine, data, data.order(None, self._program), 0.0).loss

    def __repr__(self) -> str:
        sizes = "-".join(map(str, self.model.sizes))
        last = "".join(f", {name}={values[-1]:.4g}" for name, values in self.history.items() if values)
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


#: What may be assigned.
_SETTINGS = frozenset(signature(Trainer).parameters) - {"model"} | {"learning_rate", "history"}
