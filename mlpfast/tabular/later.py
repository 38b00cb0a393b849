"""What an estimator keeps when it goes on with later rows, and what it therefore refuses to be told anew."""

from __future__ import annotations

from typing import Any

import numpy as np

from .presets import recipe_of

__all__ = ["changed", "check_goes_on", "settled"]


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
