"""What every registered layer has to pass; and a layer of somebody else's that passes it too.

Run as a script with a layer's name, this file prints a hash of what its examples train and predict.
"""

import ctypes
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

import mlpfast as mf
from mlpfast.core import kinds
from mlpfast.layers import LAYERS, Layer
from mlpfast.layers.encoder import Encoder
from mlpfast.program import Program

HERE = Path(__file__).parent
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Shift(Layer):
    """h = g(x + b); the functions are in toy_layer.c."""

    activation: str = "identity"
    name: ClassVar[str] = "shift"

    def lower(self, program: Program, reads: int, place: str) -> int:
        columns = program.values[reads].columns
        b = program.tensor(f"b{place}", (columns,), "bias", mf.initializers.Normal(0.5), (columns, columns))
        made = program.value(columns, mf.Activation(self.activation))
        program.layer(self.name, reads, made, tensors=(b,))
        return made

    @classmethod
    def examples(cls) -> Iterator[tuple[int, Layer]]:
        for i, activation in enumerate(("identity", "tanh", "gelu", "softmax")):
            yield (1, 7, 33, 130)[i], cls(activation)


TOY: list[ctypes.CDLL] = []  # its library, once there is one


def register_toy() -> bool:
    """Compile the toy's functions and hand them to the package; False where there is no compiler."""
    if TOY:
        return True
    compiler = shutil.which("cc")
    if compiler is None:
        return False
    library = Path(tempfile.mkdtemp()) / "toy_layer.so"
    flags = ["-std=gnu11", "-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([compiler, *flags, f"-I{HERE.parent / 'csrc'}", "-o", library, HERE / "toy_layer.c"], check=True)
    TOY.append(ctypes.CDLL(str(library)))
    table = ctypes.addressof(ctypes.c_char.in_dll(TOY[0], "toy_layer"))
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return kinds.register(make(table, b"mlpfast.layer_kind", None)) == "shift"


def models(layer_class, dtype="float64") -> Iterator[mf.Model]:
    """Each example between dense layers, first, last, and in a residual, as far as it can be; taught by data, where it
    learns so."""
    for model in untaught(layer_class, dtype):
        X, codes = data(model, 40)[0], [column for column, _ in model.program.codes]
        numbers = [column for column in range(model.inputs) if column not in codes]
        X[:, numbers] = X[:, numbers] * 3 + 5
        model.adapt(X)
        yield model


def untaught(layer_class, dtype) -> Iterator[mf.Model]:
    for number, (columns, layer) in enumerate(layer_class.examples()):
        inputs, outputs = mf.Dense(columns, "tanh", bias_initializer=mf.initializers.Normal(0.3)), mf.Dense(3)
        if isinstance(layer, (mf.Columns, Encoder)):  # they read the data
            yield mf.Model(columns, [layer, outputs], dtype=dtype, seed=number)
            alone = mf.Model(columns, [layer], dtype=dtype, seed=number)
            if any(tensor.rule.trainable for tensor in alone.program.tensors):
                yield alone
            continue
        yield mf.Model(5, [inputs, layer, outputs], dtype=dtype, seed=number)
        yield mf.Model(columns, [layer, outputs], dtype=dtype, seed=number)
        if not (isinstance(layer, mf.Dropout) or getattr(layer, "dropout", 0)):
            yield mf.Model(5, [inputs, layer], dtype=dtype, seed=number)
        if not layer.adapts:  # what it reads has several readers
            block = mf.Residual([layer, mf.Activate("tanh"), mf.Dense(columns)])
            yield mf.Model(5, [inputs, block, outputs], dtype=dtype, seed=number)


def data(model, rows):
    rng = np.random.default_rng(rows)
    X, y = rng.normal(size=(rows, model.inputs)).astype(model.dtype), rng.normal(size=(rows, model.outputs))
    for column, categories in model.program.codes:
        X[:, column] = rng.integers(categories, size=rows)
    return X, y


def trained(model, n_threads=1):
    """A copy after some steps; its parameters and predictions as bytes."""
    twin = model.copy()
    X, y = data(twin, 150)
    l2 = 0.0 if twin.program.by_rows else 0.01
    trainer = mf.Trainer(twin, "mse", mf.SGD(0.01, momentum=0.5), batch_size=67, n_threads=n_threads, l2=l2, seed=1)
    trainer.fit(X, y, epochs=2, verbose=0)
    return twin.state.tobytes() + twin.predict(X[:70], n_threads=n_threads).tobytes()


def digest(layer_class):
    found = hashlib.sha256()
    for dtype in DTYPES:
        for model in models(layer_class, dtype):
            found.update(trained(model))
    return found.hexdigest()


if __name__ == "__main__":
    register_toy()
    print(digest({**LAYERS, "shift": Shift}[sys.argv[1]]))
