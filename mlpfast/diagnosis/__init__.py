"""What keeps a network from learning: rules, each with its limit and the reason for it.

`mlpfast.diagnose` asks them all at once, `mlpfast.callbacks.Doctor` while a model is trained.

=================== ==================================================================================================
unscaled_inputs     a column that the first dense layer reads reaches beyond 30, none reaches 0.03, two are 1,000 times
                    apart, or one is off zero by ten of its standard deviations
constant_features   a column is the same number in every row, other than 0; or most columns are 0
class_imbalance     a class has less than a tenth of an equal share of the rows
output_range        targets are where the output activation never comes
unscaled_targets    targets are beyond 30 in root mean square, and ten times the outputs
vanishing_gradients deltas of the first layer are a thousandth of those of the last hidden one
exploding_gradients they are a thousand times those, or not finite
dead_units          half of a layer's units are at the flat end of relu or its kin for every row
saturated_units     of a layer's outputs, 60% are at a flat end of sigmoid, tanh or smooth_clip
rate_too_large      the loss diverges, or ends half as much again above where it began
rate_too_small      the loss stands still, and would fall with longer steps
noise               the loss goes up and down by more than a tenth, and less than a tenth of that way is progress
=================== ==================================================================================================
"""

from .report import Finding, Report

__all__ = ["RULES", "Finding", "Report"]

#: The names of all rules.
RULES = (
    "unscaled_inputs",
    "constant_features",
    "class_imbalance",
    "output_range",
    "unscaled_targets",
    "vanishing_gradients",
    "exploding_gradients",
    "dead_units",
    "saturated_units",
    "rate_too_large",
    "rate_too_small",
    "noise",
)
