"""What `mlpfast.gradcheck` compares, and with what.

`backpropagation` takes the gradient by differences of the loss, one parameter at a time, with the rounding of both
sides; `products` has all other derivatives of a model as derivatives of something simpler along directions, and
`differences` takes those, at many steps. `report` says what came of it.
"""
