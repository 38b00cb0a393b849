"""The workloads, as data: what is trained or predicted, and how much arithmetic and traffic one step of it needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any

LEARNING_RATE = 1e-3  # Adam, with the paper's betas and epsilon = 1e-8, everywhere
NORM_EPSILON = 1e-5
# Of examples/fashion_mnist_best.py: AdamW, whose rate falls along a cosine, and an average of the parameters.
RECIPE_RATE, RECIPE_DECAY, RECIPE_DROPOUT, RECIPE_EMA = 2e-3, 0.05, 0.4, 0.999


@dataclass(frozen=True)
class Encoders:
    """What is in front of a network for a table: PBLD embeddings of numbers, each number itself, and rows of tables for
    codes of categories, which are the last columns."""

    numbers: int
    codes: int
    categories: int
    frequencies: int = 16
    units: int = 3
    entry: int = 8

    @property
    def width(self) -> int:
        """Columns that the network reads."""
        return self.numbers * (self.units + 1) + self.codes * self.entry

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of frequencies, phases, W and b of each number; of the tables, one after the other."""
        waves = (self.numbers, self.frequencies)
        return [
            waves,
            waves,
            (*waves, self.units),
            (self.numbers, self.units),
            (self.codes * self.categories, self.entry),
        ]


@dataclass(frozen=True)
class Workload:
    """A multilayer perceptron (ReLU; softmax at the output for cross_entropy) and what is done with it.

    `hidden` says what a hidden layer is: "plain"; "batch_norm" or "layer_norm", with the norm between product and ReLU;
    "residual", with the identity beside those as wide as their input. With `encoders`, these make the first of `sizes`.

    A *step* is one optimizer step of `batch` rows (kind "train") or one call that predicts `batch` rows ("predict").
    A timed training run is `epochs` whole epochs from the same initial weights, over `rows` rows.
    """

    name: str
    sizes: tuple[int, ...]
    loss: str = "cross_entropy"
    batch: int = 64
    rows: int = 20_000
    kind: str = "train"
    data: str = "random"
    epochs: int = 1
    dtype: str = "float32"
    hidden: str = "plain"
    encoders: Encoders | None = None
    recipe: bool = False  # with dropout behind each hidden layer, by that optimizer

    @property
    def inputs(self) -> int:
        """Columns of the data."""
        return self.encoders.numbers + self.encoders.codes if self.encoders else self.sizes[0]

    @property
    def norm(self) -> bool:
        """Whether each hidden layer has a scale and a shift, too."""
        return self.hidden in ("batch_norm", "layer_norm")

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Workload:
        encoders = fields.get("encoders")
        return cls(
            **{**fields, "sizes": tuple(fields["sizes"]), "encoders": Encoders(**encoders) if encoders else None}
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def steps(self) -> int:
        """Optimizer steps of one epoch; the last batch may be short."""
        return -(-self.rows // self.batch)

    @property
    def itemsize(self) -> int:
        return 8 if self.dtype == "float64" else 4

    @property
    def parameters(self) -> int:
        norms = 2 * sum(self.sizes[1:-1]) if self.norm else 0
        encoders = sum(map(prod, self.encoders.shapes)) if self.encoders else 0
        return sum((k + 1) * n for k, n in pairwise(self.sizes)) + norms + encoders

    @property
    def flops(self) -> float:
        """Floating-point operations of the products of one mean step; everything else is left out.

        Forward, weight gradient and input delta are 2 k n a row each, for a layer of k inputs and n outputs; the first
        layer needs no input delta, unless encoders are below it.
        """
        products = [k * n for k, n in pairwise(self.sizes)]
        if self.kind == "predict":
            return 2.0 * self.batch * sum(products)
        unneeded = 0.0 if self.encoders else 2.0 * products[0]
        return (6.0 * sum(products) - unneeded) * self.rows / self.steps

    @property
    def traffic(self) -> list[tuple[float, float]]:
        """What one step must move at least, as (bytes, footprint in bytes of the array that they come from).

        Each row of X is read once and each parameter once; a training step reads and writes the parameters and both
        moments of Adam.
        """
        item, inputs = self.itemsize, self.inputs
        weights = float(self.parameters * item)
        if self.kind == "predict":
            rows = float(self.batch * inputs * item)
            return [(rows, rows), (weights, weights)]
        return [
            (self.rows / self.steps * inputs * item, float(self.rows * inputs * item)),
            (6.0 * weights, 3.0 * weights),
        ]


TINY = Workload("tiny", (8, 32, 32, 1), loss="mse", batch=32, epochs=10)
SMALL = Workload("small", (64, 64, 64, 10), batch=64, epochs=5)
MEDIUM = Workload("medium", (784, 128, 10), batch=128, rows=60_000, data="Fashion-MNIST")
LARGE = Workload("large", (784, 1024, 1024, 10), batch=256, rows=20_000, data="Fashion-MNIST")
IMAGES = (MEDIUM, LARGE)
# Half of the images' pixels are zero. These are the same networks where none is.
STANDARDIZED = tuple(replace(w, name=f"{w.name} standardized", data="standardized Fashion-MNIST") for w in IMAGES)
TRAINING = (TINY, SMALL, *IMAGES, *STANDARDIZED)

_NETS = ((64, 64, 64, 10), (784, 256, 10))
LATENCY = tuple(Workload("latency " + "-".join(map(str, s)), s, kind="predict", batch=1, rows=64) for s in _NETS)
THROUGHPUT = tuple(
    Workload("throughput " + "-".join(map(str, s)), s, kind="predict", batch=10_000, rows=10_000) for s in _NETS
)
ON_IMAGES = tuple(
    replace(w, name=f"{w.name} images", data="Fashion-MNIST") for w in LATENCY + THROUGHPUT if w.sizes[0] == 784
)
INFERENCE = LATENCY + THROUGHPUT + ON_IMAGES
THREADED = (TINY, SMALL, *IMAGES, *THROUGHPUT)  # a single row is predicted without threads

PLAIN = Workload("plain", (784, 256, 256, 10), batch=128)
LAYERS = (
    PLAIN,
    replace(PLAIN, name="with BatchNorm", hidden="batch_norm"),
    replace(PLAIN, name="with LayerNorm", hidden="layer_norm"),
    replace(PLAIN, name="with Residual", hidden="residual"),
)
ENCODERS = Encoders(numbers=10, codes=5, categories=100)
TABLE = Workload("table", (ENCODERS.width, 256, 256, 1), loss="mse", batch=256, encoders=ENCODERS)

RECIPES = tuple(
    Workload(f"recipe {w}", (784, w, w, 10), batch=128, data="Fashion-MNIST", hidden="batch_norm", recipe=True)
    for w in (256, 512, 1024)
)

FLOAT64 = tuple(replace(w, name=f"{w.name} float64", dtype="float64") for w in (SMALL, MEDIUM, LARGE))

ACCURACY = Workload("accuracy", (784, 256, 128, 10), batch=128, rows=60_000, data="Fashion-MNIST")
ACCURACY_GOAL, ACCURACY_EPOCHS = 0.88, 30


def _sweep(name: str, sizes: tuple[int, ...], batch: int) -> Workload:
    """One point of a sweep: enough steps to drown what an epoch costs by itself, few enough to be quick."""
    one = Workload(name, sizes, batch=batch, rows=batch)
    return replace(one, rows=batch * max(8, min(512, int(2e10 / one.flops), 65_536 // batch)))


def _powers(first: int, last: int) -> list[int]:
    return [2**i for i in range(first.bit_length() - 1, last.bit_length())]


# What varies -> {its value: the workload}
SWEEPS: dict[str, dict[int, Workload]] = {
    "width": {w: _sweep(f"width {w}", (64, w, w, 10), 64) for w in _powers(4, 4096)},
    "batch": {b: _sweep(f"batch {b}", (64, 64, 64, 10), b) for b in _powers(1, 4096)},
    "depth": {d: _sweep(f"depth {d}", (64, *[64] * d, 10), 64) for d in (0, 1, 2, 4, 8, 16, 32)},
}


def quick(workload: Workload) -> Workload:
    """The same workload over a few steps only: to see that everything runs, not to quote."""
    if workload.kind == "predict":
        return replace(workload, batch=min(workload.batch, 1000), rows=min(workload.rows, 1000))
    return replace(workload, rows=min(workload.rows, workload.batch * 16), epochs=1)
