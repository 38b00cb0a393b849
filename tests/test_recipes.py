"""The recipes of docs/architecture.md, followed: one more activation, loss, metric, optimizer and instruction set.

The steps that a recipe names are taken in a copy of csrc, all recipes' in one, which is compiled once; recipes_driver.c
calls what is new. The recipe for a layer is followed by toy_layer.c.
"""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mlpfast.core import table

HERE = Path(__file__).parent

#: (file, what the new lines stand before, the new lines), for each recipe; "" is the end of a file, or a new one.
RECIPES = {
    "activation": [
        ("lists.h", "    row(EXPONENTIAL, ", "    row(SOFTSIGN, softsign, 0, h) \\"),
        (
            "kernels/activations.inl",
            "",
            """
ACTIVATION(softsign, z / (vabs(z) + 1), dh * (1 - vabs(saved)) * (1 - vabs(saved)),
           -vcopysign(2 * (1 - vabs(saved)) * (1 - vabs(saved)) * (1 - vabs(saved)), saved))
""",
        ),
    ],
    "loss": [
        ("lists.h", "    row(POISSON, ", "    row(PSEUDO_HUBER, pseudo_huber, h, by_elements) \\"),
        (
            "kernels/losses.inl",
            "",
            """
ELEMENT_LOSS(pseudo_huber, h) {
    const double delta = numbers[0];
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i], root = sqrt(1 + error / delta * (error / delta));
        value[i] = delta * delta * (root - 1);
        derivative[i] = (real)(error / root);
    }
}
""",
        ),
        (
            "kernels/loss_products.inl",
            "/* result = weight_r * scale * product, strip by strip",
            """
ELEMENT_PRODUCT(pseudo_huber) {
    for (int64_t i = 0; i < n; i++) {
        const double error = ((double)out[i] - (double)t[i]) / numbers[0], square = 1 + error * error;
        product[i] = (real)(d[i] / (square * sqrt(square)));
    }
}
""",
        ),
    ],
    "metric": [
        ("lists.h", "    row(MEAN_SQUARED_ERROR, ", "    row(RELATIVE_ERROR, relative_error, by_elements) \\"),
        (
            "kernels/metrics.inl",
            "/* The first column of the largest element",
            """
ELEMENT_LOSS(relative_error, h) {
    for (int64_t i = 0; i < n; i++) value[i] = fabs(((double)h[i] - (double)t[i]) / (double)t[i]);
}
""",
        ),
    ],
    "optimizer": [
        ("lists.h", "    row(ADAM, ", "    row(SIGNUM, signum) \\"),
        (
            "kernels/update.inl",
            "/* --- spans, rows, tiles --- */",
            """
/* Bernstein et al. 2018 */
INLINE vec signum(const mf_update *u, vec p, vec g, real *const *state, int n) {
    const vec old = load(state[0], n), mean = vfma(vset((real)(1 - u->momentum)), g - old, old);
    store(state[0], mean, n);
    return p - with_sign(vset((real)u->rate), mean);
}
""",
        ),
    ],
    # Vectors of 32 bytes, which the compiler makes of what the processor has, and other register tiles.
    "instruction set": [
        ("isa/isas.h", "ISA(portable, ", 'ISA(wide, "-Wno-psabi", 1)'),
        (
            "isa/wide.h",
            "",
            """
#define MF_ISA wide
#define MF_VECTOR_BYTES 32
#define VECTORS 4
#define MR 2
#define UNIT 4
#define TALL(vectors) (vectors == 1 ? 4 : 2)
""",
        ),
        ("isa/wide_f32.c", "", '#define MF_F32\n#include "isa/wide.h"\n#include "kernels.inl"'),
        ("isa/wide_f64.c", "", '#define MF_F64\n#include "isa/wide.h"\n#include "kernels.inl"'),
    ],
}


def insert(path, place, lines):
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    assert place == "" or text.count(place) == 1, f"{path.name} has no place {place!r}, or several"
    at = text.index(place) if place else len(text)
    path.write_text(f"{text[:at]}{lines}\n{text[at:]}", encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with all recipes followed and compiled: the library of recipes_driver.c, and the program bits.c."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("recipes")
    csrc, objects = folder / "csrc", folder / "objects"
    shutil.copytree(HERE.parent / "csrc", csrc)
    for recipe in RECIPES.values():
        for file, place, lines in recipe:
            insert(csrc / file, place, lines)
    run = {"check": True, "env": os.environ | {"OPTIMIZE": "-O0 -fPIC"}}  # compiles in a third of the time of -O1
    subprocess.run(["sh", csrc / "compile.sh", compiler, objects], **run)
    flags = [compiler, "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{csrc}"]
    rest = [*objects.glob("*.o"), "-lm", "-lpthread"]
    subprocess.run([*flags, "-shared", "-fPIC", "-o", folder / "new.so", HERE / "recipes_driver.c", *rest], **run)
    subprocess.run([*flags, "-DSHAPES=6", "-o", folder / "bits", HERE / "aarch64" / "bits.c", *rest], **run)
    return folder


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(params=dict.fromkeys([table.isa(), "portable"]))
def call(request, built, dtype):
    """Calls a function of the driver; integers, floats and arrays go as C has them."""

    def to_c(x):
        kinds = {int: ctypes.c_int64, float: ctypes.c_double}
        return kinds[type(x)](x) if type(x) in kinds else x.ctypes.data_as(ctypes.c_void_p)

    def call(name, *arguments):
        function = getattr(ctypes.CDLL(str(built / "new.so")), name)
        function(request.param.encode(), ["float32", "float64"].index(dtype), *map(to_c, arguments))

    return call


def normal(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def derivative(f, x):
    """Of an elementwise f, by central differences in float64."""
    x, step = x.astype(np.float64), 1e-5
    return (f(x + step) - f(x - step)) / (2 * step)


def assert_close(got, expected, dtype):
    np.testing.assert_allclose(got, expected, rtol={"float32": 1e-5, "float64": 1e-8}[dtype], atol=1e-9)


def test_an_activation(call, dtype):
    z, dh = normal(37, dtype), normal(37, dtype, seed=1)
    h, delta, curve = np.empty_like(z), np.empty_like(z), np.zeros_like(z)
    call("softsign", 37, z, dh, h, delta, curve)

    def g(z):
        return z / (1 + np.abs(z))

    assert_close(h, g(z.astype(np.float64)), dtype)
    assert_close(delta, dh * derivative(g, z), dtype)
    assert_close(curve, dh * dh * -2 * np.sign(z) / (1 + np.abs(z.astype(np.float64))) ** 3, dtype)


def test_a_loss(call, dtype):
    h, t = normal((11, 5), dtype), normal((11, 5), dtype, seed=1)
    delta, values, product = np.empty_like(h), np.empty(11), np.empty_like(h)
    call("pseudo_huber", 11, 5, 0.7, h, t, delta, values, product)

    def loss(h):
        return 0.7**2 * (np.sqrt(1 + ((h - t) / 0.7) ** 2) - 1)

    assert_close(values, loss(h.astype(np.float64)).sum(axis=1), dtype)
    assert_close(delta, derivative(loss, h), dtype)
    assert_close(product, t / (1 + ((h.astype(np.float64) - t) / 0.7) ** 2) ** 1.5, dtype)


def test_a_metric(call, dtype):
    h, t = normal((11, 5), dtype), normal((11, 5), dtype, seed=1)
    values = np.empty(11)
    call("relative_error", 11, 5, h, t, values)
    assert_close(values, np.abs((h.astype(np.float64) - t) / t).mean(axis=1), dtype)


def test_an_optimizer(call, dtype):
    p, g, state = normal(37, dtype), normal(37, dtype, seed=1), normal(37, dtype, seed=2)
    old, gradient, old_state = (x.astype(np.float64) for x in (p, g + np.multiply(p, 0.3, dtype="float64"), state))
    call("signum", 37, 0.1, 0.8, 0.3, 0.9, p, g, state)
    mean = 0.8 * old_state + 0.2 * gradient
    assert_close(state, mean, dtype)
    assert_close(p, 0.9 * old - 0.1 * np.sign(mean), dtype)


def test_an_instruction_set(built):
    """Every kernel, the new ones too, gives the bits that all other instruction sets give."""
    result = subprocess.run([built / "bits"], capture_output=True, text=True, check=False)
    assert "wide" in result.stderr
    assert result.returncode == 0, "\n".join(line for line in result.stdout.splitlines() if "differs" in line)
