"""Later rows: what an estimator keeps when it goes on with them, refuses to be told anew, and learns of one pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from .asked import settings_of
from .presets import recipe_of
from .reading import read_table
from .recipe import make_trainer
from .targets import weights_of

__all__ = ["changed", "check_goes_on", "gone_on", "settled"]


def settled(estimator: Any) -> dict[str, Any]:
    """The parameters that a fit has made columns and networks by: others may be set since."""
    return {name: getattr(estimator, name) for name in ("preset", "categorical_features", "n_refit")}


def check_goes_on(estimator: Any) -> None:
    """A ValueError for a parameter that networks and columns, which stay as they are, cannot follow."""
    before = estimator._settled
    if recipe_of(estimator.preset).hidden != recipe_of(before["preset"]).hidden:
        raise changed("preset", before["preset"], estimator.preset)
    first, now = before["categorical_features"], estimator.categorical_features
    if not np.array_equal(np.asarray(first, dtype=object), np.asarray(now, dtype=object)):
        raise changed("categorical_features", first, now)


def changed(name: str, before: Any, now: Any) -> ValueError:
    """The error for such a parameter."""
    return ValueError(
        f"expected {name}={before!r}, as in the fit that this one goes on from, got {now!r}; "
        "call fit with warm_start=False to begin anew"
    )


def gone_on(estimator: Any, X: Any, y: Any, sample_weight: Any) -> dict[str, Any]:
    """What a `BaseTabular` that is fitted learns of one pass through later rows; the estimator is unchanged."""
    owner = type(estimator).__name__
    recipe, *_ = settings_of(estimator)
    estimator._check_goes_on()
    encoder = estimator.encoder_
    table = encoder._arranged(read_table(X, owner=owner), owner)
    learnt, targets, weights = estimator._later_targets(y, table.rows)
    weights = weights_of(weights, sample_weight, targets)
    Z, native = encoder._encode(table, estimator.n_threads), estimator._rescale(learnt, targets, later=True)
    seed = int(check_random_state(estimator.random_state).randint(2**31 - 1))
    batch_size = min(estimator.batch_size or recipe.batch_size, table.rows)
    models = [model.copy() for model in estimator.models_]
    for number, model in enumerate(models):
        trainer = make_trainer(
            model, estimator._goal(learnt), batch_size, seed + number, estimator.n_threads, later=True
        )
        trainer.fit(Z, native, 1, sample_weight=weights, verbose=0)
    return {**learnt, "models_": models}
