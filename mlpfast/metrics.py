"""Metrics: what training reports beside the loss.

A metric is a name or a function ``f(y_true, y_pred) -> float``:

=================================== ==================================================================================
accuracy, acc                       share of rows whose class is right: the largest output with cross_entropy, each
                                    output on its side of 1/2 with binary_cross_entropy and its kin, and with
                                    ordinal, where they add up to a class
mse, mean_squared_error             mean over outputs of (h - y)^2
mae, mean_absolute_error            mean over outputs of abs(h - y)
=================================== ==================================================================================

Named metrics are computed natively, batch by batch while the epoch runs (so those of training are averages over the
epoch, as the loss is), and weighted by the sample weights. A function is given all targets, as labels (n,) or an array
(n, outputs), and all predictions (n, outputs), after each epoch; it costs one more pass over the data and knows no
sample weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .activations import Activation
from .errors import known_name
from .losses import LOSSES, Loss

__all__ = ["METRICS", "Metric", "as_metrics"]

#: The names that users may give, and the compiled metric of each; "accuracy" depends on the loss.
METRICS: dict[str, str | None] = {
    "accuracy": None,
    "mse": "mean_squared_error",
    "mean_squared_error": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mean_absolute_error": "mean_absolute_error",
}


@dataclass(frozen=True)
class Metric:
    """A metric made ready: its key in the history, and the compiled metric's name or a Python function."""

    name: str
    compiled: str | None = None
    function: Callable[[Any, Any], float] | None = None


def as_metrics(
    metrics: Iterable[str | Callable[[Any, Any], float]], loss: Loss, output_activation: Activation
) -> tuple[Metric, ...]:
    """Resolve what the user gave; ValueError or TypeError for what is not a metric, or has no meaning here."""
    if isinstance(metrics, str):
        raise TypeError(f"expected metrics to be a list, got the string {metrics!r}; write [{metrics!r}]")
    resolved: list[Metric] = []
    for metric in metrics:
        if callable(metric):
            resolved.append(Metric(str(getattr(metric, "__name__", type(metric).__name__)), function=metric))
        else:
            compiled = METRICS[known_name("metric", metric, METRICS)]
            if loss.outputs_per_target > 1:
                raise ValueError(
                    f"metric {metric!r}: expected one output for each target, got {loss.outputs_per_target} of loss "
                    f"{loss.name!r}; write a function f(y_true, y_pred)"
                )
            resolved.append(Metric(metric, compiled=compiled or _accuracy(loss, output_activation)))
    names = [metric.name for metric in resolved]
    for name in names:
        if names.count(name) > 1 or name == "loss" or name.startswith("val_"):
            raise ValueError(f"expected metrics to have names of their own, got {names} (beside 'loss' and 'val_...')")
    return tuple(resolved)


def _accuracy(loss: Loss, output_activation: Activation) -> str:
    by_output: dict[str, str] = {}
    for each in LOSSES.values():
        if each.accuracy and each.output_activations[0] != "identity":
            by_output.setdefault(each.output_activations[0], each.accuracy)
    compiled = loss.accuracy or by_output.get(output_activation.name)
    if compiled is None:
        raise ValueError(
            f"expected a classifier for metric 'accuracy': loss cross_entropy or binary_cross_entropy, or output "
            f"activation softmax or sigmoid; got loss {loss.name!r} and output activation {output_activation.name!r}"
        )
    return compiled
