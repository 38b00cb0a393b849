"""What was done to the data, what the curve says, what to try: plain sentences by stated rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

import numpy as np

from ..errors import listed
from .plans import ColumnPlan
from .thresholding import DEFAULT, threshold_of

__all__ = ["Report", "report_of"]

MOST_NAMED = 5  # columns, by what shuffling them costs
FEW_ROWS = 200  # held out: the score of fewer depends much on which they are
OWN_LEVELS = 0.5  # categories to training rows, from which on a column is taken to name its rows
LOOKED_AT = 100  # categories, of which all have to be numbers or dates
LEADING = 0.9  # share of all importances, from which on one column is said to decide


@dataclass(frozen=True)
class Report:
    """Sentences about a fit, under headings; it prints as text.

    Attributes
    ----------
    data, curve, predictions, advice : tuple of str
        What was done to the data, how training went, what comes of the validation rows, and what to try.

    Examples
    --------
    >>> from mlpfast import TabularRegressor
    >>> X = [[i % 7, "ab"[i % 2]] for i in range(100)]
    >>> report = TabularRegressor(epochs=3, batch_size=16, random_state=0).fit(X, [row[0] for row in X]).report_
    >>> report.data
    ('80 rows were trained on, 20 chose the epoch.', 'Columns: 2, of them 1 scaled, 1 of two values.')
    """

    data: tuple[str, ...]
    curve: tuple[str, ...]
    predictions: tuple[str, ...]
    advice: tuple[str, ...]

    @property
    def _parts(self) -> list[tuple[str, tuple[str, ...]]]:
        headings = ("Data", "Training", "Predictions", "To try")
        return [*zip(headings, (self.data, self.curve, self.predictions, self.advice), strict=True)]

    def __repr__(self) -> str:
        return "\n".join(line for name, said in self._parts if said for line in (name, *(f"  {s}" for s in said)))

    def _repr_html_(self) -> str:
        parts = [(name, "".join(f"<li>{escape(s)}</li>" for s in said)) for name, said in self._parts if said]
        return "".join(f"<h4>{name}</h4><ul>{items}</ul>" for name, items in parts)


def report_of(model: Any) -> Report:
    """The report on a fitted estimator."""
    advice: list[str] = []
    data = tuple(_data(model, advice))
    curve = tuple(_curve(model, advice))
    return Report(data, curve, tuple(_predictions(model, advice)), tuple(advice))


def _data(model: Any, advice: list[str]) -> Iterator[str]:
    columns: Sequence[ColumnPlan] = model.columns_
    trained, held = model.n_training_rows_, model.n_validation_rows_
    yield f"{trained:,} rows were trained on, {held:,} chose the epoch."
    if held < FEW_ROWS:
        advice.append(
            f"The score is one of {_count(held, 'row')}, and would differ for others; compare settings by "
            "cross-validation."
        )
    kinds = {"number": "scaled", "binary": "of two values", "category": "of categories", "ignored": "ignored"}
    counts = [(sum(plan.encoding == kind for plan in columns), words) for kind, words in kinds.items()]
    yield f"Columns: {len(columns):,}, of them " + ", ".join(f"{n:,} {words}" for n, words in counts if n) + "."
    for words, chosen in (
        ("Ignored, as all values are missing", [p.name for p in columns if p.kind == "missing"]),
        ("Ignored, as every category is rare", [p.name for p in columns if _all_rare(p)]),
        ("Always 0, as training rows have one value", [p.name for p in columns if _constant(p)]),
    ):
        if chosen:
            yield f"{words}: {listed(chosen)}."
    holes = [p for p in columns if p.missing and p.encoding != "ignored"]
    if holes:
        most = max(holes, key=lambda plan: plan.missing)
        share = most.missing / _taught(model)
        yield f"Columns with missing values: {len(holes):,}, most of all {most.name!r} ({share:.0%})."
    own = [p.name for p in columns if _all_rare(p) or len(p.levels) > OWN_LEVELS * trained]
    if own:
        advice.append(f"Nearly every row has a category of its own; leave out what only names the rows: {listed(own)}.")
    for what, is_one in (("numbers", _is_number), ("dates", _is_date)):
        written = [
            p.name for p in columns if p.kind == "string" and p.encoding == "category" and _all(is_one, p.levels)
        ]
        if written:
            advice.append(f"Strings of {what} are taken as categories; make {what} of them, if their order tells "
                          f"something: {listed(written)}.")  # fmt: skip


def _taught(model: Any) -> int:
    """Rows that the columns' scales and categories are of: all that any network is trained on."""
    trained, held = int(model.n_training_rows_), int(model.n_validation_rows_)
    if len(model.best_epochs_) > 1 and held > trained:  # each row is held out once
        return held
    return trained + held if getattr(model, "refit_epoch_", 0) else trained


def _curve(model: Any, advice: list[str]) -> Iterator[str]:
    name = next(key for key in model.history_ if key != "loss")
    scores, best = model.history_[name], model.best_epoch_
    networks, wanted = len(model.best_epochs_), getattr(model, "n_networks_planned_", 1)  # older files do not say
    again = getattr(model, "refit_epoch_", 0)
    if again:
        yield f"Trained again on all rows: {_count(len(model.models_), 'network')}, up to epoch {again:,}."
    elif model._settled["n_refit"]:
        yield "Not trained again on all rows: it was interrupted, or had too little time."
    if networks < wanted:
        yield f"Trained in time: {networks:,} of {wanted:,} networks."
        advice.append("More networks are better; give them more time.")
    name, baseline = name.removeprefix("val_"), model.baseline_score_
    said = f"{_metric(name, model)} {model.best_score_:.4g}"
    if best == 0 and scores:  # of networks that went on
        yield f"None of {len(scores):,} epochs was better than the network before: {said}."
        return
    if best == 0:
        advice.append("No epoch was finished; give it more time.")
        yield f"No epoch was finished: {said}."
        return
    yield f"Epoch {best:,} of {len(scores):,} is kept: {said}, {scores[-1]:.4g} at the end."
    if np.isfinite(baseline):
        yield f"One answer for all rows has {baseline:.4g} at best."
        more_is_better = model._scorer(name, vars(model))[2]
        if model.best_score_ <= baseline if more_is_better else model.best_score_ >= baseline:
            advice.append("It is no better than one answer for all rows: do the columns tell of the target?")
    if len(scores) < model.n_epochs_planned_:
        yield f"Training was stopped after {len(scores):,} of {model.n_epochs_planned_:,} epochs."
        advice.append("The rate had not come down yet when training was stopped; give it more time, or fewer epochs.")
    elif best == len(scores) and scores[-1] not in scores[:-1]:  # of several that are the best, the last one is kept
        advice.append("The last epoch is the best one; more epochs may be better still.")
    elif 2 * best <= len(scores):
        advice.append("The first half of the epochs has the best one: fewer epochs do, or more rows are wanted.")


def _metric(name: str, model: Any) -> str:
    """The metric's name, and of which of two classes it is, where it is of one."""
    of_one = name == "f1" and np.isfinite(model.baseline_score_)  # a function has that name, too, but no baseline
    if not of_one or model.multilabel_ or len(model.classes_) != 2:
        return name
    return f"f1 of class {model.classes_.tolist()[1]!r}"


def _predictions(model: Any, advice: list[str]) -> Iterator[str]:
    temperature = getattr(model, "temperature_", 1.0)
    if temperature != 1:
        change = "flattened" if temperature > 1 else "sharpened"
        yield f"Probabilities are {change} by a temperature of {temperature:.3g}, as the validation rows ask for."
    threshold = threshold_of(model)
    if threshold != DEFAULT:
        yield f"{model.classes_[1]!s} is predicted where its probability is above {threshold:.3g}."
    means, deviations = model.feature_importances_, model.feature_importances_std_
    names = [plan.name for plan in model.columns_]
    if not np.isfinite(deviations).all():
        yield "Importances were not measured, or once: too many columns for the epochs, or no time."
        return
    order = [int(i) for i in np.argsort(-means, kind="stable")]
    leading = [i for i in order[:MOST_NAMED] if means[i] > 2 * deviations[i]]
    if leading:
        said = ", ".join(f"{names[i]!r} ({means[i]:.2g} +- {deviations[i]:.1g})" for i in leading)
        yield f"What shuffling a column costs, most first: {said}."
        if len(names) > 1 and means[order[0]] > LEADING * means[means > 0].sum():
            advice.append(f"{names[order[0]]!r} decides nearly alone; is it known when predictions are made?")
    used = [plan.encoding != "ignored" and not _constant(plan) for plan in model.columns_]
    idle = [name for i, name in enumerate(names) if used[i] and means[i] <= 2 * deviations[i]]
    if leading and idle:
        advice.append(f"Shuffling these columns changes little; try without them: {listed(idle)}.")


def _all_rare(plan: ColumnPlan) -> bool:
    return plan.encoding == "ignored" and plan.kind != "missing"


def _all(is_one: Callable[[str], bool], levels: Sequence[Any]) -> bool:
    """Whether all of the first categories are; of several at least."""
    return len(levels) > 2 and all(map(is_one, levels[:LOOKED_AT]))


def _is_number(text: str) -> bool:
    """As people write them: with thousands, per cent or a currency."""
    try:
        return math.isfinite(float(text.strip(" $€£%").replace(",", "")))
    except ValueError:
        return False


def _is_date(text: str) -> bool:
    if "-" not in text:  # newer versions of Python take eight digits
        return False
    try:
        datetime.fromisoformat(text.strip())
    except ValueError:
        return False
    return True


def _constant(plan: ColumnPlan) -> bool:
    return plan.encoding in ("number", "binary") and plan.factor == 0


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" + ("s" if n > 1 else "")
