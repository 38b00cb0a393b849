"""What `fit` is asked for, checked before anything is read."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import boolean, integer, real, verbosity
from .presets import Recipe, recipe_of
from .splitting import check_validation

__all__ = ["Asked", "asked_of", "settings_of"]


class Asked(NamedTuple):
    """What is asked for.

    Attributes
    ----------
    recipe : Recipe
    wanted : int
        Networks that a new fit has.
    limit : float or None
        `max_seconds`.
    later : bool
        Whether it goes on from a fit before.
    networks : int
        Those to train: of a fit before there may be fewer, if there was no time for all.
    """

    recipe: Recipe
    wanted: int
    limit: float | None
    later: bool
    networks: int


def asked_of(estimator: Any, y: Any, X_val: Any, y_val: Any) -> Asked:
    """What a `BaseTabular` is asked for; an error for parameters that are wrong, or do not go together."""
    recipe, wanted, limit = settings_of(estimator)
    if (X_val is None) != (y_val is None):
        raise ValueError("expected X_val and y_val together, got only one of them")
    if y is None:  # in scikit-learn's words
        owner = type(estimator).__name__
        raise ValueError(f"This {owner} estimator requires y to be passed, but the target y is None.")
    learnt = vars(estimator)
    later = bool(estimator.warm_start) and "encoder_" in learnt
    networks = len(estimator.models_) if later else wanted
    if later and wanted not in (networks, learnt.get("n_networks_planned_")):
        raise ValueError(f"warm_start: expected {networks} networks, as there are, got n_ensemble={wanted}")
    again = estimator.n_refit
    if again and (X_val is not None or estimator.warm_start):
        raise ValueError(f"expected n_refit=0 with X_val, or with warm_start=True, got n_refit={again}")
    if later:
        estimator._check_goes_on()
        if learnt.get("refit_epoch_"):  # older files do not say
            raise ValueError("warm_start: expected networks that have rows held out, got some of all rows (n_refit)")
    return Asked(recipe, wanted, limit, later, networks)


def settings_of(estimator: Any) -> tuple[Recipe, int, float | None]:
    """The recipe, how many networks, and `max_seconds`."""
    recipe = recipe_of(estimator.preset)
    limit = None if estimator.max_seconds is None else real("max_seconds", estimator.max_seconds, above=0.0)
    check_validation(estimator.validation)
    boolean("warm_start", estimator.warm_start)
    verbosity(estimator.verbose)
    integer("n_refit", estimator.n_refit, at_least=0)
    for name in ("n_ensemble", "epochs", "batch_size", "n_threads"):
        if getattr(estimator, name) is not None:
            integer(name, getattr(estimator, name))
    return recipe, estimator.n_ensemble or recipe.networks, limit
