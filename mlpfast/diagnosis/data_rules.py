"""What is wrong with the data: for each finding, one rule, its limit and the reason for it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..activations import Activation
from .evidence import Evidence
from .report import Finding

__all__ = ["DATA_RULES"]

#: Initial weights are drawn for inputs of size 1. At 30, first pre-activations are so large that sigmoids saturate, and
#: the loss is 900 times as curved as the rate is meant for; below 0.03, the first layer hardly sees the inputs.
_LARGE, _SMALL = 30.0, 0.03
#: Curvature goes with the square (LeCun et al., 1998, section 4.3): at 1,000, no one rate suits both columns.
_APART = 1000.0
#: Standard deviations from zero: all rows look alike then, and the column is nearly a second bias.
_OFF_CENTRE = 10.0

#: A class with less than this part of an equal share is hardly worth a mistake to the loss,
_RARE = 0.1
#: if an equal share would be so many rows that it is no accident.
_EXPECTED = 10

#: Outputs begin at about 1: steps of the usual size take long to what is so large.
_FAR_TARGETS = 30.0

#: Between these the outputs are, whatever their pre-activations.
_RANGES: dict[str, tuple[float, float]] = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "softplus": (0.0, math.inf),
    "exponential": (0.0, math.inf),
    "selu": (-1.7581, math.inf),
    "gelu": (-0.1700, math.inf),
    "gelu_tanh": (-0.1701, math.inf),
    "silu": (-0.2785, math.inf),
    "mish": (-0.3088, math.inf),
}


def unscaled_inputs(evidence: Evidence) -> Iterator[Finding]:
    """A column that the first dense layer reads is large, all are small, or they are of very different size."""
    X = evidence.first_reads.astype(np.float64)
    varies = X.max(axis=0) > X.min(axis=0) if X.size else np.zeros(0, bool)
    if not varies.any():
        return
    name = evidence.first_columns
    reach = np.where(varies, np.abs(X).max(axis=0), 0.0)
    largest, smallest = int(reach.argmax()), int(np.where(varies, reach, math.inf).argmin())
    off = np.abs(X.mean(axis=0)) / np.where(varies, X.std(axis=0), math.inf)
    if reach[largest] > _LARGE:
        what = f"inputs are far from 1, column {name[largest]} reaches {reach[largest]:.3g}"
    elif reach[largest] < _SMALL:
        what = f"inputs are far below 1, no column reaches more than {reach[largest]:.3g}"
    elif reach[largest] > _APART * reach[smallest]:
        what = (
            f"inputs are of very different size, column {name[largest]} reaches {reach[largest]:.3g} "
            f"and column {name[smallest]} {reach[smallest]:.3g}"
        )
    elif off.max() > _OFF_CENTRE:
        what = f"inputs are far from zero, column {name[off.argmax()]} by {off.max():.3g} of its standard deviations"
    else:
        return
    yield Finding("unscaled_inputs", "data", what, "a Standardize() layer first, with model.adapt(X), or a scaled X")


def constant_features(evidence: Evidence) -> Iterator[Finding]:
    """A column is the same number in every row; zeros do no harm, unless most columns are."""
    X = evidence.X
    if len(X) < 2:
        return
    constant = X.max(axis=0) == X.min(axis=0)
    zero = constant & (X[0] == 0)
    if zero.mean() > 0.5:
        what = f"{zero.sum():,} of {len(zero):,} columns are 0 in every row"
        yield Finding("constant_features", "data", what, "leaving them out, or look whether X is what it should be")
    if (harmful := np.flatnonzero(constant & ~zero)).size:
        columns = ", ".join(map(str, harmful[:5])) + (", ..." if harmful.size > 5 else "")
        what = f"column{'s' * (harmful.size > 1)} {columns} of X {'are' if harmful.size > 1 else 'is'} constant"
        yield Finding("constant_features", "data", f"{what}, another bias that decays", "leaving them out")


def class_imbalance(evidence: Evidence) -> Iterator[Finding]:
    """A class has less than a tenth of an equal share of the rows; or of several outputs, one's yes or no has.

    Rare classes that have weights are left out, but not those without a row.
    """
    y, loss = evidence.targets, evidence.loss
    by_output = False
    if y.dtype == np.int32:
        counts = np.bincount(y, minlength=loss.classes(evidence.model.outputs)).astype(float)
    elif loss.targets.classes:
        counts = y.sum(axis=0, dtype=np.float64)
    elif y.ndim == 2 and loss.targets.high < math.inf and ((y == y.min()) | (y == y.max())).all():
        yes = y > 0
        counts = yes.sum(axis=0, dtype=np.float64)
        by_output = y.shape[1] > 1 and not (yes.sum(axis=1) == 1).all()
        if by_output:
            counts = np.minimum(counts, len(y) - counts)
        elif y.shape[1] == 1:
            counts = np.array([len(y) - counts[0], counts[0]])
    else:
        return
    share = len(y) / (2 if by_output else len(counts))
    rarest = int(counts.argmin())
    if share < _EXPECTED or counts[rarest] >= _RARE * share or (evidence.weighed and counts[rarest]):
        return
    if not by_output:
        who = f"class {rarest} has {counts[rarest]:,.0f} of {len(y):,} rows"
        advice = "Trainer(class_weight='balanced'), and judge by balanced_accuracy or f1 rather than by accuracy"
    else:
        answer = "yes" if 2 * yes[:, rarest].sum() < len(y) else "no"
        who = f"output {rarest} is {answer} in {counts[rarest]:,.0f} of {len(y):,} rows"
        advice = "BinaryCrossEntropy(pos_weight=...), for each output no / yes, and judge by f1 rather than by accuracy"
    if not counts[rarest]:
        advice = "looking whether y is what it should be: of what has no row, nothing can be learnt"
    yield Finding("class_imbalance", "data", f"{who}, {share:,.0f} would be an equal share", advice)


def output_range(evidence: Evidence) -> Iterator[Finding]:
    """Targets are where the output activation never comes, so that no weights reach them."""
    activation, y = evidence.model.output_activation, evidence.targets
    if activation.name == "softmax" and evidence.model.outputs == 1:
        what, advice = "a softmax over a single output is always 1", "a sigmoid, with loss binary_cross_entropy"
        yield Finding("output_range", "last layer", what, advice)
        return
    if evidence.loss.reads != "outputs" or evidence.loss.targets.classes:
        return
    low, high = _range(activation)
    share = float(((y < low) | (y > high)).mean())
    if share:
        between = f"above {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        what = f"the outputs of {activation} are {between}, and {share:.1%} of the targets are not"
        yield Finding(
            "output_range", "last layer", what, "output activation identity, or targets scaled into that range"
        )
    elif activation.name == "softmax" and float(np.abs(y.sum(axis=1) - 1.0).max()) > 1e-3:
        what = "the outputs of softmax sum to 1 in each row, and the targets do not"
        yield Finding("output_range", "last layer", what, "output activation identity or sigmoid")


def unscaled_targets(evidence: Evidence) -> Iterator[Finding]:
    """Targets are far larger than the outputs, which steps of the usual size take long to reach."""
    y = evidence.targets
    if evidence.loss.reads != "outputs" or evidence.loss.targets.classes:
        return
    reach = float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))
    outputs = float(np.sqrt(np.mean(np.square(evidence.outputs, dtype=np.float64))))
    if reach > _FAR_TARGETS and outputs < 0.1 * reach:
        what = f"targets are about {reach:.3g}, and the outputs about {outputs:.3g}"
        yield Finding("unscaled_targets", "data", what, "standardized targets, or an estimator, MLPRegressor, on top")


def _range(activation: Activation) -> tuple[float, float]:
    if activation.name == "elu":
        return -activation.alpha, math.inf
    if activation.name == "smooth_clip":
        return -activation.alpha, activation.alpha
    return _RANGES.get(activation.name, (-math.inf, math.inf))


DATA_RULES = (unscaled_inputs, constant_features, class_imbalance, output_range, unscaled_targets)
