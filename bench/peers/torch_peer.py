"""PyTorch: eager with fused Adam, torch.compile, and TorchScript frozen for inference. No data loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bench.peers.base import Layers, Peer
from bench.workloads import (
    LEARNING_RATE,
    NORM_EPSILON,
    RECIPE_DECAY,
    RECIPE_DROPOUT,
    RECIPE_EMA,
    RECIPE_RATE,
    Encoders,
    Workload,
)


def half_mse(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return 0.5 * functional.mse_loss(output, target)


class Residual(torch.nn.Module):
    def __init__(self, *block: torch.nn.Module) -> None:
        super().__init__()
        self.block = torch.nn.Sequential(*block)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.block(x)


class Encoded(torch.nn.Module):
    """By batched products: faster here than by einsum, sums of products, or one product with a block diagonal."""

    def __init__(self, encoders: Encoders, dtype: torch.dtype) -> None:
        super().__init__()
        *waves, table = encoders.shapes
        parameters = [torch.nn.Parameter(torch.empty(shape, dtype=dtype)) for shape in waves]
        self.frequency, self.phase, self.W, self.b = parameters
        self.table = torch.nn.Embedding(*table, dtype=dtype)
        self.first = encoders.categories * torch.arange(encoders.codes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        numbers, codes = x[:, : len(self.frequency)], x[:, len(self.frequency) :].long()
        waves = torch.cos(2 * torch.pi * numbers.unsqueeze(-1) * self.frequency + self.phase)
        embedded = torch.bmm(waves.transpose(0, 1), self.W).transpose(0, 1) + self.b
        return torch.cat([embedded.flatten(1), numbers, self.table(codes + self.first).flatten(1)], dim=1)


NORMS = {"batch_norm": torch.nn.BatchNorm1d, "layer_norm": torch.nn.LayerNorm}


def network(workload: Workload, dtype: torch.dtype) -> torch.nn.Sequential:
    modules: list[torch.nn.Module] = [Encoded(workload.encoders, dtype)] if workload.encoders else []
    for fan_in, units in pairwise(workload.sizes[:-1]):
        hidden: list[torch.nn.Module] = [torch.nn.Linear(fan_in, units, dtype=dtype)]
        if workload.norm:
            hidden.append(NORMS[workload.hidden](units, eps=NORM_EPSILON, dtype=dtype))
        hidden.append(torch.nn.ReLU())
        hidden += [torch.nn.Dropout(RECIPE_DROPOUT)] * workload.recipe
        modules += [Residual(*hidden)] if workload.hidden == "residual" and fan_in == units else hidden
    return torch.nn.Sequential(*modules, torch.nn.Linear(*workload.sizes[-2:], dtype=dtype))


class Recipe:
    """Fused AdamW along a cosine, and an average of the parameters by one call for all of them."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.parameters = list(network.parameters())
        weights = [p for p in self.parameters if p.ndim == 2]
        others = [p for p in self.parameters if p.ndim < 2]
        groups = [{"params": weights, "weight_decay": RECIPE_DECAY}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=RECIPE_RATE, fused=True)
        self.average = [p.detach().clone() for p in self.parameters]
        self.steps = 0

    def begin(self, steps: int) -> None:
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def step(self) -> None:
        self.optimizer.step()
        self.schedule.step()
        self.steps += 1
        share = (1 - RECIPE_EMA) / (1 - RECIPE_EMA**self.steps)
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], share)

    def show(self) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self.parameters, self.average)


class TorchPeer(Peer):
    distribution = "torch"

    def prepare(self) -> None:
        task = self.task
        torch.set_num_threads(task.threads)
        torch.manual_seed(0)
        self.X, self.y = torch.from_numpy(task.X), torch.from_numpy(task.y)
        self.network = network(task.workload, self.X.dtype)
        self._assign()
        self.criterion = functional.cross_entropy if task.classifies else half_mse

    def _parameters(self) -> Iterator[torch.Tensor]:
        """Views of the shapes that the task's layers have."""
        for module in self.network.modules():
            for parameter in module.parameters(recurse=False):
                transposed = isinstance(module, torch.nn.Linear) and parameter.ndim == 2
                yield parameter.detach().T if transposed else parameter.detach()

    def _assign(self) -> None:
        initial = (array for layer in self.task.layers for array in layer)
        with torch.no_grad():
            for parameter, array in zip(self._parameters(), initial, strict=True):
                parameter.copy_(torch.from_numpy(array))
            for module in self.network.modules():
                if isinstance(module, torch.nn.BatchNorm1d):
                    module.reset_running_stats()

    def reset(self) -> None:
        self._assign()
        if self.task.workload.recipe:
            self.recipe = Recipe(self.network)
        else:
            self.optimizer = torch.optim.Adam(self.network.parameters(), lr=LEARNING_RATE, fused=True)

    def train(self, epochs: int) -> None:
        if self.task.workload.recipe:
            self._follow_recipe(epochs)
            return
        X, y, network, criterion, optimizer = self.X, self.y, self.network, self.criterion, self.optimizer
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(self.task.workload.batch):
                optimizer.zero_grad()
                criterion(network(X.index_select(0, rows)), y.index_select(0, rows)).backward()
                optimizer.step()

    def _follow_recipe(self, epochs: int) -> None:
        """Afterwards, the parameters are their average."""
        X, y, network, criterion, recipe = self.X, self.y, self.network, self.criterion, self.recipe
        recipe.begin(epochs * self.task.workload.steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(X)).split(self.task.workload.batch):
                recipe.optimizer.zero_grad()
                criterion(network(X.index_select(0, rows)), y.index_select(0, rows)).backward()
                recipe.step()
        recipe.show()

    def layers(self) -> Layers:
        arrays = (parameter.numpy() for parameter in self._parameters())
        return [tuple(next(arrays) for _ in layer) for layer in self.task.layers]

    def module(self) -> torch.nn.Module:
        return torch.nn.Sequential(*self.network, torch.nn.Softmax(dim=1)).eval()

    def predictor(self) -> Callable[[NDArray], Any]:
        module, from_numpy = self.module(), torch.from_numpy

        def predict(x: NDArray) -> NDArray:
            with torch.inference_mode():
                return module(from_numpy(x)).numpy()

        return predict


class TorchCompilePeer(TorchPeer):
    """The whole step (gradient and Adam) as one compiled function: much faster than compiling the model alone."""

    supports = ("train",)

    def prepare(self) -> None:
        super().prepare()
        torch._dynamo.reset()
        names = [name for name, _ in self.network.named_parameters()]
        network, criterion = self.network, self.criterion

        def loss(parameters: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return criterion(torch.func.functional_call(network, dict(zip(names, parameters, strict=True)), (x,)), y)

        gradient = torch.func.grad(loss)

        def step(p: Any, m: Any, v: Any, t: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> None:
            t += 1
            rate, correction = LEARNING_RATE / (1 - 0.9**t), 1 / (1 - 0.999**t)
            for p_i, m_i, v_i, g_i in zip(p, m, v, gradient(p, x, y), strict=True):
                m_i.lerp_(g_i, 0.1)
                v_i.mul_(0.999).addcmul_(g_i, g_i, value=0.001)
                p_i.sub_(rate * m_i / ((v_i * correction).sqrt() + 1e-8))

        self.step = torch.compile(step, dynamic=False)

    def reset(self) -> None:
        self._assign()
        p = [parameter.detach() for parameter in self.network.parameters()]
        m, v = ([torch.zeros_like(q) for q in p] for _ in range(2))
        self.state = (p, m, v, torch.zeros((), dtype=self.X.dtype))

    def train(self, epochs: int) -> None:
        X, y, step, state = self.X, self.y, self.step, self.state
        with torch.no_grad():
            for _ in range(epochs):
                for rows in torch.randperm(len(X)).split(self.task.workload.batch):
                    step(*state, X.index_select(0, rows), y.index_select(0, rows))


class TorchScriptPeer(TorchPeer):
    supports = ("predict",)

    def module(self) -> torch.nn.Module:
        traced = torch.jit.trace(super().module(), torch.from_numpy(self.task.X[: self.task.workload.batch]))
        frozen = torch.jit.optimize_for_inference(torch.jit.freeze(traced))
        for _ in range(10):  # its profiling executor specialises during the first calls
            frozen(torch.from_numpy(np.ascontiguousarray(self.task.X[: self.task.workload.batch])))
        return frozen
