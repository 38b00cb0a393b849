"""What derivatives of single rows are compared with: differences, and themselves under other circumstances.

Run as a script, this file prints a hash of what every registered layer gives.
"""

import hashlib
from itertools import islice

import layer_checks
import numpy as np

from mlpfast.layers import LAYERS
from mlpfast.losses import as_loss


def differences(f, X, columns):
    """Central differences of f(X) (n, ...) by these columns of X, as the last axis."""
    result = np.zeros((*f(X).shape, len(columns)))
    for place, j in enumerate(columns):
        step = np.cbrt(np.finfo(float).eps) * np.maximum(1, np.abs(X[:, j]))
        above, below = X.copy(), X.copy()
        above[:, j] += step
        below[:, j] -= step
        change, way = f(above) - f(below), above[:, j] - below[:, j]
        result[..., place] = change / way.reshape(-1, *(1,) * (change.ndim - 1))
    return result


def numeric(model):
    """The columns of the data that hold numbers."""
    codes = {column for column, _ in model.program.codes}
    return [column for column in range(model.inputs) if column not in codes]


def row_losses(model, X, y, loss):
    """The loss of each row."""
    return np.array([model.loss_and_gradient(X[i : i + 1], y[i : i + 1], loss)[0] for i in range(len(X))])


def everything(model, X, y, loss, U, n_threads=None):
    """All that is computed of single rows, by name."""
    z, h = model.activations(X, n_threads=n_threads)
    return {
        "z": np.hstack(z),
        "h": np.hstack(h),
        "deltas": np.hstack(model.deltas(X, y, loss, n_threads=n_threads)),
        "input_gradient": model.input_gradient(X, y, loss, n_threads=n_threads),
        "vjp": model.vjp(X, U, n_threads=n_threads),
        "jacobian": model.jacobian(X, n_threads=n_threads),
        "gradients": model.per_sample_gradients(X, y, loss, n_threads=n_threads),
        "norms": model.per_sample_gradient_norms(X, y, loss, n_threads=n_threads),
        "fisher": model.fisher_diagonal(X, y, loss=loss, n_threads=n_threads),
        "true_fisher": model.fisher_diagonal(X, labels="model", loss=loss, n_threads=n_threads),
    }


def some(models):
    """Every fifth of a layer's models: of each example or two there is one, in turn at each of its places."""
    return islice(models, 0, None, 5)


def digest():
    found = hashlib.sha256()
    layer_checks.register_toy()
    for layer_class in (*LAYERS.values(), layer_checks.Shift):
        for dtype in layer_checks.DTYPES:
            for model in some(layer_checks.models(layer_class, dtype)):
                X, y = layer_checks.data(model, 20)
                for array in everything(model, X, y, as_loss("mse"), y).values():
                    found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


if __name__ == "__main__":
    print(digest())
