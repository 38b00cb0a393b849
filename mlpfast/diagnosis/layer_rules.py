"""What is wrong with the layers: for each finding, one rule, its limit and the reason for it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .evidence import Evidence
from .report import Finding

__all__ = ["LAYER_RULES"]

#: Deltas of the first layer in relation to those of the last hidden one: at a thousandth, a rate that moves the one
#: leaves the other where it is (Glorot and Bengio, 2010). Growing is worse, as activations mostly grow with the deltas;
#: sound nets of sixteen layers stay below 20 times.
_VANISHED, _EXPLODED = 1e-3, 30.0
#: In a few layers they grow less: it explodes, too, if they double with each layer, and come to so many times.
_DOUBLED = 10.0

#: Of the units of a layer. A quarter is not rare where inputs are sparse or many; with half, a layer has lost half of
#: its width.
_DEAD = 0.5
#: Of the rows and units of a layer. A trained layer uses its flat ends; where most of it is there, little is learnt.
_SATURATED = 0.6
#: Of the units of a layer: two that are the same, or all.
_REPEATED = 0.5
#: Fewer tell nothing of a share.
_ROWS = 16


def vanishing_gradients(evidence: Evidence) -> Iterator[Finding]:
    """The deltas of the first layer are a thousandth of those of the last hidden one, or less."""
    first, last = _ends(evidence)
    if 0.0 < last < math.inf and first < _VANISHED * last:
        what = f"the gradient vanishes: deltas are {first:.1e} in the first layer and {last:.1e} in the last hidden one"
        advice = "relu with he_uniform, BatchNorm or LayerNorm, Residual blocks, or fewer layers"
        yield Finding("vanishing_gradients", "layers", what, advice)


def exploding_gradients(evidence: Evidence) -> Iterator[Finding]:
    """Deltas are not finite; or grow to 30 times from the last hidden layer to the first, or to 10 by doubling."""
    first, last = _ends(evidence)
    limit = max(_DOUBLED, min(_EXPLODED, 2.0 ** (len(_hidden_deltas(evidence)) - 1)))
    grown = first > limit * last > 0.0 and not evidence.learnt
    if grown or not math.isfinite(evidence.value + first + last):
        what = f"the gradient explodes: deltas are {first:.1e} in the first layer and {last:.1e} in the last hidden one"
        advice = (
            "smaller initial weights (he_uniform, glorot_uniform), a norm between the layers, or Trainer(clip_norm=1)"
        )
        yield Finding("exploding_gradients", "layers", what, advice)


def dead_units(evidence: Evidence) -> Iterator[Finding]:
    """Half of a layer's units, or more, are at the flat end of their activation for every row."""
    if len(evidence.outputs) < _ROWS:
        return
    for facts in evidence.layers:
        if facts.dead is not None and facts.dead >= _DEAD:
            what = f"{facts.dead:.0%} of the units ({facts.what}) are dead: flat for every row, they learn nothing"
            advice = "a smaller learning rate, leaky_relu or silu, initial biases of zero, or scaled inputs"
            yield Finding("dead_units", facts.name, what, advice)


def saturated_units(evidence: Evidence) -> Iterator[Finding]:
    """Most of a layer's outputs are at a flat end of their activation, where nearly no gradient passes.

    A model that has learnt may be sure of itself.
    """
    if len(evidence.outputs) < _ROWS or evidence.learnt:
        return
    for facts in evidence.layers:
        if facts.saturated is not None and facts.saturated >= _SATURATED:
            what = f"{facts.saturated:.0%} of the outputs ({facts.what}) are saturated, where the slope is near zero"
            advice = (
                "smaller initial weights, scaled inputs, a norm before the activation, or a smaller learning rate"
                if facts.hidden
                else "a loss that is made for it, such as binary_cross_entropy, whose gradient does not have the slope"
            )
            yield Finding("saturated_units", facts.name, what, advice)


def repeated_units(evidence: Evidence) -> Iterator[Finding]:
    """Half of a layer's units, or more, repeat another one: the same weights, bias and deltas."""
    for facts in evidence.layers:
        if facts.repeated >= _REPEATED:
            what = f"{facts.repeated:.0%} of the units ({facts.what}) repeat another one, and every step leaves them so"
            advice = "initial weights that differ, such as he_uniform or glorot_uniform, not zeros or a constant"
            yield Finding("repeated_units", facts.name, what, advice)


def _ends(evidence: Evidence) -> tuple[float, float]:
    """Deltas of the first and of the last hidden layer that has weights; of one, they are the same."""
    deltas = _hidden_deltas(evidence)
    return (deltas[0], deltas[-1]) if deltas else (1.0, 1.0)


def _hidden_deltas(evidence: Evidence) -> list[float]:
    return [facts.delta_norm for facts in evidence.layers if facts.weight and facts.hidden]


LAYER_RULES = (vanishing_gradients, exploding_gradients, dead_units, saturated_units, repeated_units)
