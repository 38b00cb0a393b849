"""From a trainer's settings and checked data into the loops, and back: the steps of an epoch, and evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache, partial
from numbers import Real
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.engine import Engine
from ..core.owner import Owner
from ..core.random import SHUFFLE, permutation
from ..core.results import EpochResult
from ..errors import DivergenceError, add_note
from ..files.fields import setting_to_json
from ..groups import check_by_rows
from ..history import History
from ..losses import Loss
from ..maps import check_length
from ..optimizers import FullBatchOptimizer
from ..schedules import Schedule
from ..schedules.series import DRIVEN, bounds_of
from ..validation import scale_penalty
from .ahead import Ahead
from .chunks import Wanted
from .data import Data, check_data, divide, validation_sets
from .faults import explanation
from .feed import Feed
from .rows import Rows
from .settings import Settings
from .sources import feed_of

__all__ = ["Machinery"]


@lru_cache(maxsize=16)
def _known_again(loss: Loss) -> Any:
    """By what a loss is known again, also in another process, as JSON."""
    try:
        return setting_to_json(loss)
    except TypeError:  # it has a function of the user's
        return [loss.name, getattr(getattr(loss, "function", None), "__qualname__", "")]


#: In one go, as they are asked for at each call.
_settings_of_engine = itemgetter("n_threads", "seed", "penalty_over_weights", "last_batch")


class Machinery(Settings):
    """What is below the methods of `mlpfast.Trainer`; nothing of it is for users."""

    history: History
    _owner: Owner
    _engine: Engine | None
    _engine_settings: tuple[Any, ...]
    _weighed: NDArray[np.float64]
    _end: int | None  # the step at which `fit` will end

    @property
    def at_work(self) -> bool:
        """Whether the loops run, and not a callback."""
        return self._owner.at_work

    def _check(self, X: Any, y: Any, sample_weight: Any, **how: Any) -> Data:
        data = check_data(self.model, self.loss, X, y, sample_weight, metrics=self.metrics, **how)
        self._penalties(data)
        return data

    def _check_training(
        self, X: Any, y: Any, sample_weight: Any, fraction: float | None, stratify: Any, finite: bool
    ) -> tuple[Data, Data | None]:
        """The rows to train on, and those that are held out."""
        check = partial(
            check_data, self.model, self.loss, X, y, sample_weight,
            finite=finite, class_weight=self.class_weight, metrics=self.metrics,
        )  # fmt: skip
        if fraction is None:
            if stratify is not None and stratify is not False:
                raise ValueError("expected stratify with validation_fraction alone, got it without")
            data, held_out = check(), None
        else:
            data, held_out = divide(check, self.model, self.loss, sample_weight, fraction, stratify, seed=self.seed)
            if self.optimizer.full_batch:  # which knows no order of rows: it takes all that there are
                data = data.trained(self.model.inputs)
        self._penalties(data)
        return data, held_out

    def _with_jacobian(self, data: Data | None, jacobian: Any, weight: float) -> Data | None:
        """The same data with a term of the loss for the derivatives, checked, where these are given."""
        if jacobian is None:
            if weight != 1.0:
                raise ValueError(f"expected jacobian_weight with jacobian alone, got {weight!r} without one")
            return data
        if data is None:
            raise ValueError("expected rows in one array with jacobian, got rows in chunks or in a file")
        from .sobolev import JacobianTerm, check_jacobian  # who fits no derivatives need not import it

        n = len(data.y)
        jacobian, weight = check_jacobian(self.model, self._program, self.optimizer, n, jacobian, weight)
        term = JacobianTerm(
            self.model.network, self._program, data.X, jacobian, data.sample_weight, weight,
            batch_rows=min(self.batch_size or n, n), n_threads=self.n_threads,
        )  # fmt: skip
        return data._replace(term=term)

    def _check_validation(self, given: Any, held_out: Data | None, trained: Data | None) -> dict[str, Data]:
        """Validation data by name, checked, beside those that are trained on."""
        found = {} if held_out is None else {"val": held_out}
        for name, (X, y, sample_weight) in validation_sets(given).items():
            if name in found:
                raise ValueError("expected another name than 'val' beside validation_fraction, which has it")
            of = " of validation_data" + (f"[{name!r}]" if isinstance(given, Mapping) else "")
            found[name] = self._check(X, y, sample_weight, of=of)
        self._check_keys(found, () if trained is None or trained.term is None else (trained.term.metric[0],))
        return found

    def _check_keys(self, sets: Iterable[str], beside: Sequence[str]) -> None:
        """See that the history has a key for each value of an epoch, those of `beside` among them."""
        driven = set(self._driven_by_callbacks)
        for name in driven - set(DRIVEN):
            if not isinstance(getattr(self, name, None), Real):
                raise ValueError(f"expected numbers that a trainer has in `drives` of a callback, got {name!r}")
        recorded = ["loss", *(metric.name for metric in self.metrics)]
        of_sets = (f"{name}_{key}" for name in sets for key in recorded)
        keys = [*recorded, *beside, *of_sets, *driven.union(DRIVEN)]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(
                f"expected other names of metrics or validation sets, got two values for {twice!r} in the history"
            )

    def _kind_of_epoch(self, data: Data) -> dict[str, Any]:
        """What tells whether an epoch may go on: see `Place`."""
        n = self._rows_of_epoch(data)
        batch_rows = min(self.batch_size or n, n)
        kind = self._kind(n, self._batches_of(batch_rows, n), batch_rows)
        if data.term is not None:
            kind["metrics"].append(list(data.term.metric))
            kind["jacobian_weight"] = data.term.weight
        return kind

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
        return data.order(order, self._program)

    def _rows_of_epoch(self, data: Data) -> int:
        return data.rows(data.order(data.chosen, self._program))

    def _run_epoch(self, data: Data, order: NDArray[np.int64] | None, deadline: float) -> EpochResult:
        n = data.rows(order)
        with self._owner:
            engine = self._engine_of(min(self.batch_size or n, n))
            return self._run(engine, data, order, deadline, engine.n_batches(n))

    def _wanted(self) -> Wanted:
        model, program = self.model, self._program
        of_batch = program.over_batch, program.skips_weightless
        of_model = model.inputs, model.outputs, model.dtype, None, program.codes, *of_batch
        return Wanted(self.loss, *of_model, self.metrics)

    def _feed(
        self, X: Any, y: Any, sample_weight: Any, steps: int | None, several: bool, validates: bool
    ) -> Feed | None:
        """What gives the rows of each epoch in pieces; None where they are in one array."""
        weights = self.class_weight
        feed = feed_of(X, y, sample_weight, self._wanted, class_weight=weights, steps_per_epoch=steps, several=several)
        if feed is None:
            return None
        if self.optimizer.full_batch:
            raise ValueError(
                "expected an optimizer that takes batches for rows that come in chunks, or lie in a file; got "
                f"{type(self.optimizer).__name__}, which looks at all of them at once: give it an array"
            )
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
        rows = feed.source.rows
        if rows is None or self.batch_size is None:
            return feed.source.steps
        return self._batches_of(min(self.batch_size, rows), rows)

    def _kind_of_feed(self, feed: Feed) -> dict[str, Any]:
        """What tells whether an epoch may go on: see `Place`."""
        return self._kind(feed.source.rows, self._steps_of_feed(feed), self.batch_size)

    def _kind(self, rows: int | None, steps: int | None, batch_rows: int | None) -> dict[str, Any]:
        return {
            "rows": rows,
            "steps": steps,
            "batch_rows": batch_rows,
            "last_batch": self.last_batch,
            "loss": _known_again(self.loss),
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
        settings = self.loss, self._program.clips, self._groups, _settings_of_engine(self.__dict__)
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

    @property
    def _driven_by_callbacks(self) -> list[str]:
        return [name for callback in self.callbacks for name in getattr(callback, "drives", ())]

    def _driven_names(self) -> list[str]:
        """What schedules and callbacks drive from the next step on."""
        constant = set() if isinstance(self.dropout_scale, Schedule) else {"dropout_scale"}
        return [*self._driven_by_callbacks, *(name for name in self._schedules() if name not in constant)]

    def _driven_values(self) -> dict[str, float]:
        """What schedules and callbacks drive, for the history: the values of the latest step."""
        names = self._driven_by_callbacks
        names += ["learning_rate"] * ("learning_rate" in self.history)  # also if a number has taken a schedule's place
        driven = dict(self._series.last)
        if not isinstance(self.dropout_scale, Schedule):  # a number is driven as a schedule is
            driven.pop("dropout_scale", None)
        return {name: getattr(self, name) for name in names} | driven

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
        epoch, done = self._place.counts.item(1) - (not begins), 0 if begins else self._place.done
        of_epoch = steps_per_epoch is not None or part is not None
        l1, l2 = self._penalties(data)
        series = self._series_of(part or steps_per_epoch or 1, steps_per_epoch)
        optimizer = self.optimizer
        rate = self._rate if isinstance(self._rate, float) else 0.0  # of a schedule, each step has its own
        self._owner.at_work = True
        try:
            if isinstance(optimizer, FullBatchOptimizer):
                self._check_full_batch()
                result: EpochResult = self._state.iterate(
                    engine, data.X, data.y, data.sample_weight, optimizer, self._place.counts, rate,
                    l2=l2, program=self._program, loss=self.loss, penalty_over_weights=self.penalty_over_weights,
                    n_threads=self.n_threads, metrics=self._compiled_metrics, deadline=deadline,
                )  # fmt: skip
            else:
                result = engine.run_epoch(
                    data.X, data.y, data.sample_weight, optimizer, self._state, self._place.counts, self._weighed,
                    rate, order=order, epochs=int(begins and of_epoch), l1=l1, l2=l2,
                    clip_value=self.clip_value or math.inf, clip_norm=self.clip_norm or math.inf,
                    metrics=self._compiled_metrics, deadline=deadline, series=series,
                    first_step=done if first is None else first,
                    max_steps=-1 if part is None else part, totals=None if part is None else self._place.totals,
                    term=data.term,
                )  # fmt: skip
        except ValueError as error:
            raise explanation(error, self.model, data) from None
        finally:
            self._owner.at_work = False
        self._series.keep_last(series, result.steps)
        if result.status == "diverged":
            if "learning_rate" in series:
                rate = series["learning_rate"][result.steps]
            step = f"optimizer step {self.steps}"
            where = f"step {done + result.steps} of epoch {epoch}, {step}" if of_epoch else step
            what, advice = "the loss", ""
            if self.loss.is_called:
                what, advice = f"what {self.loss!r} gave", ", or see whether the loss gives NaN for that batch"
            raise DivergenceError(
                f"training diverged at {where} (counted from 0): {what}, the parameters or the optimizer's state are "
                f"not finite, with learning rate {rate:g}. The model keeps its last finite parameters. "
                f"Try a smaller learning rate, or scale the inputs{advice}",
                step=self.steps,
            )
        if result.status == "interrupted":
            if isinstance(result.error, Exception) and data.term is None:
                add_note(result.error, f"raised by {self.loss!r} at optimizer step {self.steps}, counted from 0")
            raise result.error or KeyboardInterrupt
        return result

    def _evaluate(self, data: Data) -> dict[str, float]:
        outputs, weights = None, data.sample_weight
        # Rows of weight zero have been blanked: their outputs are not those of the rows as they were given.
        if self._takes_all_rows and (weights is None or weights.all()):
            outputs = np.empty((len(data.y), self.model.outputs), self.model.dtype)
        loss, values = self._means(data, outputs)
        return {"loss": loss, **self._named_metrics(values, data, outputs)}

    def _evaluate_pieces(self, X: Any, sample_weight: Any) -> dict[str, float]:
        """The means of the pieces, by their weights."""
        self._check_metrics_of_chunks("evaluate: expected no")
        if self.penalty_over_weights:
            raise ValueError("evaluate: expected penalty_over_weights=False for rows that come in chunks, got True")
        feed = feed_of(X, None, sample_weight, self._wanted)
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

    def _means(self, data: Data, outputs: NDArray[Any] | None = None) -> tuple[float, dict[tuple[str, float], float]]:
        """The loss and the compiled metrics; the outputs are left in an array for them."""
        n = len(data.y)
        l1, l2 = self._penalties(data)
        check_length(data.X, "X")  # its file may have been cut short since the last epoch
        check_length(data.y, "y")
        with self._owner:
            rows = min(self.batch_size or n, n) if self._engine is None else self._engine.batch_rows
            try:
                loss, values = self._engine_of(rows).evaluate(
                    data.X, data.y, data.sample_weight, l1=l1, l2=l2, metrics=self._compiled_metrics, outputs=outputs
                )
            except ValueError as error:
                raise explanation(error, self.model, data) from None
        return float(loss), values

    def _named_metrics(
        self, compiled: Mapping[tuple[str, float], float], data: Data | None, predictions: NDArray[Any] | None = None
    ) -> dict[str, float]:
        """The metrics under their users' names: the compiled ones given, the functions called, if there is data.

        Predictions are made for these, unless they are there already.
        """
        values: dict[str, float] = {}
        weights = None
        if data is not None and self._takes_all_rows:
            weights = data.given_weight
            if predictions is None:
                predictions = self.model.predict(data.given_X, n_threads=self.n_threads)
        for metric in self.metrics:
            if metric.compiled is not None:
                values[metric.name] = metric.finished(compiled[metric.compiled])
            elif data is not None:
                values[metric.name] = metric(data.given_y, predictions, weights)
        return values
