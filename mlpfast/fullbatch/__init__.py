"""Optimizers that take all rows in each iteration.

`epochs` makes an epoch of an iteration, by the row of `methods` that its optimizer has: `lbfgs`, along `linesearch`,
`levenberg`, or `trustregion`. These know flat vectors alone; `allrows` has the loss at one, its gradient and curvature.
"""
