"""RealMLP-TD (Holzmüller et al., "Better by default", 2024): network, rules and trainer for the columns of a table.

The numbers are those of their code (pytabkit 1.7.2), in which a tensor's rate factor counts twice in its decay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..groups import Group
from ..layers import (
    Ascending,
    Columns,
    Dense,
    Dropout,
    Embedding,
    Layer,
    OneHot,
    Parametric,
    Periodic,
    Scale,
    Standardize,
)
from ..model import Model
from ..optimizers import Adam
from ..schedules import CosLog4, FlatCos
from ..trainer import Trainer
from .goals import Goal
from .plans import FEW, ColumnPlan
from .presets import Recipe
from .views import CLIP

__all__ = ["make_trainer", "network"]

DROPOUT = 0.15
EMBEDDING = 8
SIGMA = 0.3  # of the frequencies of waves, in place of RealMLP's 0.1: fewer epochs, finer features
SLOW = 0.1  # rates of biases, slopes and waves
LATER = 0.05  # of the highest rate, with later rows


def network(recipe: Recipe, plans: Iterable[ColumnPlan], goal: Goal, seed: int) -> Model:
    """The network of a recipe for columns as they are encoded, not adapted to their rows yet."""
    numbers: list[int] = []
    coded: list[tuple[int, int]] = []
    inputs = 0
    for plan in plans:
        if plan.encoding == "number":
            numbers += range(inputs, inputs + (2 if plan.views else 1))
        elif plan.encoding == "category":
            coded.append((inputs, len(plan.levels) + 1))
        inputs += len(plan.outputs)
    encoders: list[tuple[list[int], Any]] = []
    if numbers:
        encoders.append((numbers, Periodic(sigma=SIGMA, learning_rate_scale=SLOW, weight_decay_scale=SLOW)))
    for place, codes in coded:
        few = [OneHot(codes), Standardize("robust", clip=CLIP)]
        encoders.append(([place], few if codes <= FEW + 1 else Embedding(codes, EMBEDDING)))
    front: list[Layer] = [Columns(encoders)] if encoders else []
    layers = [*front, Scale(learning_rate_scale=6.0, weight_decay_scale=6.0)]
    for units in recipe.hidden:
        activation = Parametric(
            "selu" if goal.classifier else "mish", learning_rate_scale=SLOW, weight_decay_scale=SLOW
        )
        layers += [_dense(units), activation, Dropout(DROPOUT)]
    layers.append(_dense(goal.outputs, goal.activation))
    if goal.ascending > 1:
        layers.append(Ascending(goal.ascending))
    return Model(inputs, layers, seed=seed)


def make_trainer(
    model: Model,
    goal: Goal,
    batch_size: int,
    seed: int,
    n_threads: int | None,
    callbacks: Iterable[Any] = (),
    later: bool = False,
) -> Trainer:
    """A trainer for a network of `network`; for one that is trained, and goes on with `later` rows, a steady one."""
    rate = 0.04 if goal.classifier else 0.2
    slow = {
        tensor.name: Group(learning_rate_scale=SLOW)
        for tensor in model.program.tensors
        if tensor.role == "bias" and tensor.rule.learning_rate_scale == 1.0  # those of the waves are slow already
    }
    return Trainer(
        model,
        goal.loss,
        Adam(
            learning_rate=LATER * rate if later else CosLog4(rate),
            weight_decay=0.02 if later else FlatCos(0.02),
            beta_2=0.95,
        ),
        groups=slow,
        dropout_scale=1.0 if later else FlatCos(1.0),
        last_batch="spread" if later else "drop",
        batch_size=batch_size,
        seed=seed,
        n_threads=n_threads,
        callbacks=callbacks,
    )


def _dense(units: int, activation: str = "identity") -> Dense:
    return Dense(units, activation, "data_driven", "he_plus", parametrization="ntp")
