"""Training: epochs of compiled steps, with what happens between epochs in Python."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .callbacks import Logs, call, call_all, check_callbacks
from .core.data import SHUFFLE, all_finite, permutation
from .core.engine import Engine
from .core.optimizers import new_state
from .core.results import EpochResult, NotFiniteError
from .errors import DivergenceError, boolean, integer, real
from .losses import Loss, as_loss
from .metrics import as_metrics
from .model import Model
from .optimizers import Adam, Optimizer, as_optimizer
from .progress import Progress
from .validation import (
    CSR,
    Features,
    as_features,
    as_targets,
    check_finite,
    check_sample_weight,
    n_rows,
    scale_penalty,
    scale_weights,
)

__all__ = ["History", "Trainer"]


class History(Mapping[str, list[float]]):
    """What one call of `Trainer.fit` recorded.

    A read-only mapping from "loss", each metric, "val_loss" and each "val_<metric>" to a list of one value an epoch.

    Attributes
    ----------
    epochs : int
        Number of epochs recorded. A last epoch that `max_seconds` cut short counts; one cut short by Ctrl-C or by a
        diverging loss does not.
    seconds : list of float
        Training time of each epoch, without validation, Python metrics and callbacks.
    samples_per_second : list of float
        Training speed of each epoch.
    stopped_by : str or None
        Why training ended: "epochs" (all were done), "max_seconds", the class name of the callback that asked for it,
        "interrupt" (Ctrl-C), "divergence" or "error"; None while it runs.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.samples_per_second: list[float] = []
        self.stopped_by: str | None = None
        self._values: dict[str, list[float]] = {}

    @property
    def epochs(self) -> int:
        """Number of epochs recorded."""
        return len(self.seconds)

    def __getitem__(self, name: str) -> list[float]:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        last = "".join(f", {name}={values[-1]:.4g}" for name, values in self._values.items())
        return f"<History of {self.epochs} epochs{last}>"

    def record(self, logs: Mapping[str, float], seconds: float, rows: int) -> None:
        """Append an epoch: its values, its training time, and the rows that it saw."""
        self.seconds.append(seconds)
        self.samples_per_second.append(rows / max(seconds, 1e-9))
        for name, value in logs.items():
            self._values.setdefault(name, []).append(value)


class _Data(NamedTuple):
    """Checked input, as the engine takes it; `given_X` is the user's own, for `Model.predict`."""

    X: Features
    y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    given_X: Any = None
    weight_exponent: int = 0  # of the power of two that is in the weights


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
        Rows in a step; None for all (gradient descent on the full batch). The last batch of an epoch may be shorter.
    l1, l2 : float >= 0, default 0.0
        Penalties ``l1 sum|W| + l2/2 sum W^2``, on weights but not on biases, added to the loss and its gradient.
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
    penalty_over_weights : bool, default False
        Divide the penalties by the sum of the batch's sample weights (its number of rows, where none are given), as
        scikit-learn does with its ``alpha``.

    Attributes
    ----------
    learning_rate : float
        The current rate; starts as the optimizer's and may be assigned, by callbacks too.
    epochs, steps : int
        Epochs begun and optimizer steps taken so far.
    history : History
        Of the latest call of `fit`, also while it runs and after it raised an exception.

    Raises
    ------
    TypeError, ValueError
        For unknown names, numbers out of range, or a loss that does not fit the model's output activation.

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

    def __init__(
        self,
        model: Model,
        loss: str | Loss = "cross_entropy",
        optimizer: str | Optimizer = Adam(learning_rate=1e-3),  # noqa: B008 - immutable
        batch_size: int | None = 128,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        shuffle: bool = True,
        metrics: Iterable[str | Callable[[Any, Any], float]] = (),
        n_threads: int | None = None,
        seed: int = 0,
        callbacks: Iterable[Any] = (),
        penalty_over_weights: bool = False,
    ) -> None:
        if not isinstance(model, Model):
            raise TypeError(f"expected model to be a Model, got {type(model).__name__}")
        output_activation = model.layers[-1].activation
        self.model = model
        self.loss = as_loss(loss)
        self.loss.check_output(output_activation)
        self.optimizer = as_optimizer(optimizer)
        self.batch_size = None if batch_size is None else integer("batch_size", batch_size)
        self.l1 = real("l1", l1, at_least=0.0)
        self.l2 = real("l2", l2, at_least=0.0)
        self.shuffle = boolean("shuffle", shuffle)
        self.metrics = as_metrics(metrics, self.loss, output_activation)
        self.n_threads = None if n_threads is None else integer("n_threads", n_threads)
        self.seed = integer("seed", seed, at_least=0, at_most=2**64 - 1)
        self.callbacks = check_callbacks(callbacks)
        self.penalty_over_weights = boolean("penalty_over_weights", penalty_over_weights)
        self.learning_rate = self.optimizer.learning_rate
        self.epochs = 0
        self.steps = 0
        self.history = History()
        self._state = new_state(self.optimizer, model.n_parameters, model.dtype)
        self._snapshot: NDArray[Any] | None = None  # parameters and state at the start of the epoch
        self._engine: Engine | None = None
        self._engine_rows = 0

    @property
    def learning_rate(self) -> float:
        """The current learning rate."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = real("learning_rate", value, above=0.0)

    def fit(
        self,
        X: Any,
        y: Any,
        epochs: int = 1,
        validation_data: tuple[Any, ...] | None = None,
        sample_weight: Any = None,
        verbose: int = 1,
        max_seconds: float | None = None,
    ) -> History:
        """Train for some epochs.

        Parameters
        ----------
        X : array_like or SciPy sparse, of shape (n, inputs)
            No copy is made of C-contiguous float32, float64 or uint8 arrays.
        y : array_like of shape (n,) or (n, outputs)
            Targets, as the loss takes them.
        epochs : int, default 1
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Evaluated after each epoch; the results are recorded as "val_loss" and "val_<metric>".
        sample_weight : array_like of shape (n,), optional
            Weights >= 0, of any size, of the rows in the loss, which is a weighted mean over each batch, and in the
            named metrics.
        verbose : int, default 1
            1: a progress bar; 0: nothing.
        max_seconds : float, optional
            Stop, after a whole step, when this much time has passed since the call.

        Returns
        -------
        History
            Losses and metrics by epoch. Those of training are averages over the epoch, penalties included.

        Raises
        ------
        TypeError, ValueError
            For input that does not fit the model or the loss; the model is unchanged.
        DivergenceError
            When the loss or the parameters become infinite or NaN; the model keeps the last finite parameters.
        KeyboardInterrupt
            On Ctrl-C; the model is as it was after the last whole step.
        """
        started = time.monotonic()
        epochs = integer("epochs", epochs)
        budget = None if max_seconds is None else real("max_seconds", max_seconds, above=0.0)
        deadline = 0.0 if budget is None else started + budget
        data = self._check(X, y, sample_weight, finite=False)
        validation = None if validation_data is None else self._check_validation(validation_data)
        # The bar comes last, so that it shows what the other callbacks did.
        callbacks = (*self.callbacks, Progress(epochs)) if verbose else self.callbacks
        history = self.history = History()
        logs: Logs = {}
        out_of_time = False
        try:
            stopper = call(callbacks, "on_train_begin", self, logs)
            for _ in range(epochs):
                stopper = stopper or call(callbacks, "on_epoch_begin", self, logs)
                out_of_time = deadline > 0 and time.monotonic() >= deadline
                if stopper is not None or out_of_time:
                    break
                epoch_started = time.perf_counter()
                order = permutation(self.seed, SHUFFLE, self.epochs, len(data.y)) if self.shuffle else None
                result = self._run_epoch(data, order, deadline)
                seconds = time.perf_counter() - epoch_started
                out_of_time = result.status == "deadline"
                if result.steps == 0:
                    break
                logs = {"loss": result.loss, **self._named_metrics(result.metrics, data)}
                if validation is not None:
                    logs |= {f"val_{name}": value for name, value in self._evaluate(validation).items()}
                history.record(logs, seconds, result.rows)
                stopper = call(callbacks, "on_epoch_end", self, logs)
                if out_of_time:
                    break
            if stopper is not None:
                history.stopped_by = type(stopper).__name__
            else:
                history.stopped_by = "max_seconds" if out_of_time else "epochs"
        except BaseException as error:
            reasons = {DivergenceError: "divergence", KeyboardInterrupt: "interrupt"}
            history.stopped_by = reasons.get(type(error), "error")
            raise
        finally:
            call_all(callbacks, "on_train_end", self, logs)
        return history

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
            With status "ok" or "deadline".

        Raises
        ------
        DivergenceError, KeyboardInterrupt
            As `fit`.
        """
        return self._run_epoch(_Data(X, y, sample_weight), order, deadline)

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
        return self._engine_of(len(y), exact=False).loss_and_gradient(
            X, y, sample_weight, l1=self.l1 if l1 is None else l1, l2=self.l2 if l2 is None else l2
        )

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> dict[str, float]:
        """Loss (penalties included) and metrics of the model as it is, without training.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        dict
            "loss" and each metric.

        Raises
        ------
        TypeError, ValueError
            For input that does not fit the model or the loss.
        """
        return self._evaluate(self._check(X, y, sample_weight))

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
            For input that does not fit the model or the loss.
        DivergenceError
            When the loss or the parameters become infinite or NaN; the model is unchanged.
        """
        data = self._check(X, y, sample_weight, finite=False)
        n = len(data.y)
        return float(self._run(self._engine_of(n, exact=False), data, None, n, 0.0, epochs=0).loss)

    def __getstate__(self) -> dict[str, Any]:
        # The engine's arena and the snapshot are made anew when they are needed.
        return self.__dict__ | {"_engine": None, "_engine_rows": 0, "_snapshot": None}

    def _check(self, X: Any, y: Any, sample_weight: Any, of: str = "", finite: bool = True) -> _Data:
        model = self.model
        features = as_features(X, model.inputs, model.dtype, name=f"X{of}", finite=finite)
        n = n_rows(features)
        targets = as_targets(y, self.loss, model.outputs, model.dtype, n, name=f"y{of}", features=f"X{of}")
        weights, exponent = scale_weights(
            check_sample_weight(sample_weight, n, name=f"sample_weight{of}", features=f"X{of}")
        )
        data = _Data(features, targets, weights, X, exponent)
        self._penalties(data)
        return data

    def _check_validation(self, validation_data: Any) -> _Data:
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            raise ValueError(
                f"expected validation_data to be (X, y) or (X, y, sample_weight), got {type(validation_data).__name__}"
                + (f" of length {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else "")
            )
        X, y, sample_weight = (*validation_data, None)[:3]
        return self._check(X, y, sample_weight, of=" of validation_data")

    def _penalties(self, data: _Data) -> tuple[float, float]:
        """l1 and l2 for the engine: where it divides them by the weights, with the same power of two."""
        if data.sample_weight is None or not self.penalty_over_weights:
            return self.l1, self.l2
        of = data.sample_weight, data.weight_exponent, len(data.y), self.model.dtype
        return scale_penalty(self.l1, *of, name="l1"), scale_penalty(self.l2, *of, name="l2")

    def _engine_of(self, batch_rows: int, exact: bool = True) -> Engine:
        """The engine for batches of `batch_rows`, or, if not `exact`, of at least so many."""
        if batch_rows < 1:
            raise ValueError("expected at least one row, got none")
        fits = self._engine_rows == batch_rows if exact else self._engine_rows >= batch_rows
        if self._engine is None or not fits:
            self._engine = Engine(
                self.model.network,
                self.loss.name,
                loss_parameter=self.loss.parameter,
                label_smoothing=self.loss.smoothing,
                dropout=[layer.dropout for layer in self.model.layers],
                batch_rows=batch_rows,
                n_threads=self.n_threads,
                seed=self.seed,
                penalty_over_weights=self.penalty_over_weights,
            )
            self._engine_rows = batch_rows
        return self._engine

    def _run_epoch(self, data: _Data, order: NDArray[np.int64] | None, deadline: float) -> EpochResult:
        n = len(data.y) if order is None else len(order)
        batch_rows = min(self.batch_size or n, n)
        return self._run(self._engine_of(batch_rows), data, order, n, deadline, epochs=1)

    def _run(
        self,
        engine: Engine,
        data: _Data,
        order: NDArray[np.int64] | None,
        n: int,
        deadline: float,
        epochs: int,
    ) -> EpochResult:
        """Make the steps over n rows. Afterwards, the parameters are finite, and the state belongs to the same step."""
        parameters = self.model.parameters
        l1, l2 = self._penalties(data)
        if self._snapshot is None:
            self._snapshot = np.empty((len(self._state) + 1, parameters.size), self.model.dtype)
        snapshot = self._snapshot
        snapshot[0], snapshot[1:] = parameters, self._state
        rates = np.full(math.ceil(n / min(self._engine_rows, n)), self.learning_rate)

        def restore() -> None:
            parameters[:], self._state[:] = snapshot[0], snapshot[1:]

        def run(max_steps: int = -1, deadline: float = 0.0) -> EpochResult:
            return engine.run_epoch(
                data.X, data.y, data.sample_weight, self.optimizer, self._state, rates,
                step=self.steps, order=order, l1=l1, l2=l2, metrics=self._compiled_metrics,
                max_steps=max_steps, deadline=deadline,
            )  # fmt: skip

        def breaks_within(steps: int) -> bool:
            """Make the first steps again, deterministic as they are, and see whether the parameters stay finite."""
            restore()
            _raise_if_interrupted(run(max_steps=steps))
            return not all_finite(parameters)

        try:
            result = run(deadline=deadline)
            steps = result.steps
            # Where the loss is not finite, the engine leaves the parameters as they were before that step. They may
            # have gone bad earlier, though, behind a saturated activation; from then on they stay bad.
            broken = not all_finite(parameters)
            if broken:
                steps = bisect_left(range(1, steps), True, key=breaks_within)
                restore()
                if steps > 0:
                    _raise_if_interrupted(run(max_steps=steps))
        except NotFiniteError:
            restore()
            if not isinstance(data.X, CSR):
                check_finite(data.X, self.model.dtype, "X")  # says where
            raise
        except BaseException:
            restore()
            raise
        epoch = self.epochs
        self.steps += steps
        self.epochs += epochs
        if broken or result.status == "diverged":
            where = f"step {steps} of epoch {epoch}, optimizer step {self.steps}" if epochs else f"step {self.steps}"
            raise DivergenceError(
                f"training diverged at {where} (counted from 0): the loss or the parameters are not finite, with "
                f"learning rate {self.learning_rate:g}. The model keeps its last finite parameters. Try a smaller "
                f"learning rate, or scale the inputs",
                step=self.steps,
            )
        _raise_if_interrupted(result)
        return result

    def _evaluate(self, data: _Data) -> dict[str, float]:
        n = len(data.y)
        engine = self._engine or self._engine_of(min(self.batch_size or n, n))
        l1, l2 = self._penalties(data)
        loss, values = engine.evaluate(data.X, data.y, data.sample_weight, l1=l1, l2=l2, metrics=self._compiled_metrics)
        return {"loss": float(loss), **self._named_metrics(values, data)}

    @property
    def _compiled_metrics(self) -> list[str]:
        return list(dict.fromkeys(metric.compiled for metric in self.metrics if metric.compiled is not None))

    def _named_metrics(self, compiled: Mapping[str, float], data: _Data) -> dict[str, float]:
        """The metrics under their users' names: the compiled ones given, the functions called."""
        values: dict[str, float] = {}
        predictions = None
        for metric in self.metrics:
            if metric.function is None:
                values[metric.name] = float(compiled[str(metric.compiled)])
            else:
                if predictions is None:
                    predictions = self.model.predict(data.given_X, n_threads=self.n_threads)
                values[metric.name] = float(metric.function(data.y, predictions))
        return values


def _raise_if_interrupted(result: EpochResult) -> None:
    if result.status == "interrupted":
        raise result.error or KeyboardInterrupt
