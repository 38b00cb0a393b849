"""What keeps a network from learning: rules, each with its limit and the reason for it.

`mlpfast.diagnose` asks them all at once, `mlpfast.callbacks.Doctor` while a model is trained. Little is learnt where
the loss is more than a tenth of that of one who has learnt nothing, to whom the targets might stand in any order.

=================== ==================================================================================================
unscaled_inputs     a column that the first dense layer reads, or an encoder multiplies, reaches beyond 30, none reaches
                    0.03, two are 1,000 times apart, or one is off zero by ten of its standard deviations
constant_features   a column is the same number in every row, other than 0; or most columns are 0
class_imbalance     a class without a weight has less than a tenth of an equal share of the rows; so has yes, or no, of
                    an output; or a class has no row
output_range        targets are where the output activation never comes
unscaled_targets    targets are beyond 30 in root mean square, and ten times the outputs
vanishing_gradients deltas of the first layer are a thousandth of those of the last hidden one
exploding_gradients they are 30 times those, or 10 and double with each layer, and little is learnt; or not finite
dead_units          half of a layer's units are at the flat end of relu or its kin for every row
saturated_units     of a layer's outputs, 60% are at a flat end of sigmoid, tanh or smooth_clip, and little is learnt
repeated_units      half of a layer's units have the weights, bias and deltas of another one, in every row
rate_too_large      the loss diverges, or ends half as much again above where it began
rate_too_small      the loss stands still, and would fall with longer steps; or at the beginning it barely falls, and
                    would fall ten times as far; or it creeps
noise               the loss goes up and down by more than a tenth, less than a tenth of that way is progress, and
                    little is learnt
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
    "repeated_units",
    "rate_too_large",
    "rate_too_small",
    "noise",
)
