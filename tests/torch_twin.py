"""A model's program, carried out by PyTorch in float64: what its derivatives are compared with."""

import numpy as np
import torch
from torch import func
from torch.nn import functional as F

from mlpfast.activations import ACTIVATIONS

GATES = {
    "identity": lambda z, a: z,
    "sigmoid": lambda z, a: torch.sigmoid(z),
    "tanh": lambda z, a: torch.tanh(z),
    "relu": lambda z, a: F.relu(z),
    "leaky_relu": lambda z, a: F.leaky_relu(z, a),
    "elu": lambda z, a: F.elu(z, a),
    "selu": lambda z, a: F.selu(z),
    "softplus": lambda z, a: F.softplus(z),
    "gelu": lambda z, a: F.gelu(z),
    "gelu_tanh": lambda z, a: F.gelu(z, approximate="tanh"),
    "silu": lambda z, a: F.silu(z),
    "mish": lambda z, a: z * torch.tanh(F.softplus(z)),
    "smooth_clip": lambda z, a: z / torch.sqrt(1 + (z / a) ** 2),
    "exponential": lambda z, a: torch.exp(z),
    "softmax": lambda z, a: torch.softmax(z, -1),
}
assert set(GATES) == set(ACTIVATIONS)

softplus = F.softplus


def _of_sign(y):
    return torch.where(y > 0, 1.0, -1.0)


def _classes(z, y):
    """One-hot, where they are indices."""
    return y if y.ndim else (torch.arange(z.shape[-1]) == y).to(z)


def _ordinal(z, y):
    above = torch.arange(z.shape[-1]) < y
    return torch.where(above, softplus(-z), softplus(z))


def _gaussian(z, y):
    mean, log_variance = z[::2], z[1::2]
    return 0.5 * (log_variance + (mean - y) ** 2 * torch.exp(-log_variance))


#: The terms of one row: of what the loss reads of it, and its targets; but for what does not depend on the outputs.
LOSSES = {
    "mse": lambda h, y: 0.5 * (h - y) ** 2,
    "mae": lambda h, y: (h - y).abs(),
    "huber": lambda h, y: torch.where((h - y).abs() <= 1, 0.5 * (h - y) ** 2, (h - y).abs() - 0.5),
    "log_cosh": lambda h, y: h - y + softplus(-2 * (h - y)),
    "quantile": lambda h, y: 0.5 * (h - y).abs(),
    "gaussian_nll": _gaussian,
    "poisson": lambda z, y: torch.exp(z) - y * z,
    "gamma_deviance": lambda z, y: y * torch.exp(-z) + z,
    "tweedie_deviance": lambda z, y: torch.exp(0.5 * z) / 0.5 + y * torch.exp(-0.5 * z) / 0.5,
    "binary_cross_entropy": lambda z, y: F.binary_cross_entropy_with_logits(z, y, reduction="none"),
    "binary_focal": lambda z, y: (
        y * torch.sigmoid(-z) ** 2 * softplus(-z) + (1 - y) * torch.sigmoid(z) ** 2 * softplus(z)
    ),
    "hinge": lambda z, y: F.relu(1 - _of_sign(y) * z),
    "squared_hinge": lambda z, y: F.relu(1 - _of_sign(y) * z) ** 2,
    "cross_entropy": lambda z, y: -_classes(z, y) * torch.log_softmax(z, -1),
    "focal": lambda z, y: -_classes(z, y) * (1 - torch.softmax(z, -1)) ** 2 * torch.log_softmax(z, -1),
    "kl_divergence": lambda z, y: -_classes(z, y) * torch.log_softmax(z, -1),
    "ordinal": _ordinal,
}


def terms(loss, read, y):
    """The sum of a row's."""
    return LOSSES[loss.name](read, y).sum()


def _blend(layer, x, alpha):
    f = GATES[layer.activation.name](x, layer.activation.alpha)
    return f + alpha * (x - f) if layer.numbers[0] else x + alpha * (f - x)


def _row_norm(layer, x, scale, *shift):
    epsilon, centres = layer.numbers
    x = x - x.mean() if centres else x
    x = x / torch.sqrt((x**2).mean() + epsilon) * scale
    return x + shift[0] if shift else x


def _batch_norm(layer, x, scale, shift, mean, variance):
    return (x - mean) / torch.sqrt(variance + layer.numbers[0]) * scale + shift


def _ascending(layer, x):
    groups = x.reshape(-1, int(layer.numbers[0]))
    return torch.cumsum(torch.cat([groups[:, :1], softplus(groups[:, 1:])], 1), 1).reshape(-1)


def _periodic(layer, x, f, phase=None, W=None, b=None):
    angle = 2 * torch.pi * x[:, None] * f
    if W is None:
        return torch.cat([torch.cos(angle), torch.sin(angle)], 1).reshape(-1)
    waves = torch.cos(angle + phase)  # (columns, frequencies)
    return ((waves[:, :, None] * W.reshape(*waves.shape, -1)).sum(1) + b).reshape(-1)


def _piecewise_linear(layer, x, *tensors_and_edges):
    """Of each column's bins, the first has no lower end and the last no upper one; those left over are zero."""
    *tensors, edges = tensors_and_edges
    made = []
    for number, row in enumerate(edges):
        own = torch.unique(row)
        p = (x[number] - own[:-1]) / torch.diff(own)
        low, high = torch.zeros_like(p), torch.ones_like(p)
        low[0], high[-1] = -torch.inf, torch.inf
        made.append(torch.cat([torch.clamp(p, low, high), x.new_zeros(len(row) - len(own))]))
    p = torch.stack(made)
    if not tensors:
        return p.reshape(-1)
    W, V, b = tensors
    return ((p[:, :, None] * W.reshape(*p.shape, -1)).sum(1) + x[:, None] * V + b).reshape(-1)


def _codes(x, categories):
    """One-hot (columns, categories), of codes that are some category's."""
    return (x[:, None] == torch.arange(categories)).to(x)


#: Each kind of layer, of one row and its tensors and buffers.
KINDS = {
    "dense": lambda layer, x, W, b=0.0: x @ W + b,
    "activate": lambda layer, x: x,
    "add": lambda layer, x, also: x + also,
    "scale": lambda layer, x, scale: x * scale,
    "standardize": lambda layer, x, offset, factor: (x + offset) * factor,
    "prelu": _blend,
    "parametric": _blend,
    "layer_norm": _row_norm,
    "rms_norm": _row_norm,
    "batch_norm": _batch_norm,
    "ascending": _ascending,
    "copy_columns": lambda layer, x: x,
    "one_hot": lambda layer, x: _codes(x, layer.part[1] // len(x)).reshape(-1),
    "embedding": lambda layer, x, table: (
        (_codes(x, len(table) // len(x))[:, :, None] * table.reshape(len(x), -1, table.shape[1])).sum(1).reshape(-1)
    ),
    "periodic": _periodic,
    "piecewise_linear": _piecewise_linear,
}


class Twin:
    """Functions of a row of the data and of the flat vector of parameters."""

    def __init__(self, model):
        self.program = model.program
        self.parameters = torch.tensor(np.array(model.parameters))
        self.buffers = torch.tensor(np.array(model.state[model.n_parameters :]))

    def values(self, parameters, x, shifts=None):
        """The pre-activations and outputs of all values that layers make; `shifts` are added to pre-activations."""
        program, stands_for = self.program, {0: 0}
        z, h, parts = {}, {0: x}, {}
        for layer in program.layers:
            if layer.trains_only:
                stands_for[layer.makes] = stands_for[layer.reads]
                continue
            stands_for[layer.makes] = layer.makes
            inputs = [h[stands_for[v]] for v in (layer.reads, layer.also) if v is not None]
            if layer.columns:
                inputs = [value[list(layer.columns)] for value in inputs]
            tensors = [self.span(parameters, program.tensors[t]) for t in layer.tensors]
            buffers = [self.span(self.buffers, program.buffers[b]) for b in layer.buffers]
            made = KINDS[layer.kind](layer, *inputs, *tensors, *buffers)
            if layer.part is not None:  # others make the rest of the value
                parts.setdefault(layer.makes, {})[layer.part[0]] = made
                made = torch.cat([part for _, part in sorted(parts[layer.makes].items())])
            z[layer.makes] = made if shifts is None else made + shifts[program.made.index(layer.makes)]
            g = program.values[layer.makes].activation
            h[layer.makes] = GATES[g.name](z[layer.makes], g.alpha)
        return [z[v] for v in program.made], [h[v] for v in program.made]

    def value(self, parameters, x, activated=True):
        """The outputs of a row; or the pre-activations."""
        return self.values(parameters, x)[activated][-1]

    @staticmethod
    def span(flat, tensor):
        return flat[tensor.offset : tensor.offset + tensor.size].reshape(tensor.shape)

    def loss(self, loss, parameters, x, y):
        """That of a row, without penalties."""
        return terms(loss, self.value(parameters, x, activated=loss.reads == "outputs"), y)

    def deltas(self, loss, parameters, x, y):
        """The derivatives of a row's loss by each pre-activation: by what is added to it, which is nothing."""

        def shifted(shifts):
            return terms(loss, self.values(parameters, x, shifts)[loss.reads == "outputs"][-1], y)

        return func.grad(shifted)([x.new_zeros(self.program.values[v].columns) for v in self.program.made])
