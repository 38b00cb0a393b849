"""Derivatives of a model, batched and native.

`differentiable` has the methods that `mlpfast.Model` inherits; what they do stands beside it. `forward` has tangents of
the outputs. `reverse` goes back from outputs or losses to each value and to the data, `per_sample` to the parameters,
row by row, `fisher` to the squares of that. `second_order` and `objective` are of a loss by all parameters.
"""
