"""The examples run, and print the numbers that their texts claim."""

import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The four files. The pictures of a class resemble each other, so that there is something to learn."""
    path = tmp_path_factory.mktemp("fashion-mnist")
    rng = np.random.default_rng(0)
    pictures = rng.integers(128, size=(10, 28, 28))
    for kind, rows in (("train", 200), ("t10k", 20)):
        labels = np.arange(rows) % 10
        images = pictures[labels] + rng.integers(128, size=(rows, 28, 28))
        for name, array in ((f"{kind}-images-idx3-ubyte", images), (f"{kind}-labels-idx1-ubyte", labels)):
            head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (path / name).write_bytes(head + array.astype(np.uint8).tobytes())
    return path


def printed(command, cwd=None):
    """What an example prints."""
    name, *options = command.split()
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *options], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    ["fashion_mnist.py {} --epochs 8", "batch_norm.py {} --epochs 8 --seeds 2", "fashion_mnist_best.py {} --quick"],
    ids=lambda command: command.split()[0],
)
def test_it_learns(folder, command):
    assert float(printed(command.format(folder), cwd=folder).split()[-1]) > 0.8


NUMBER = r"([-+]?[\d.]+(?:e[-+]?\d+)?|inf)"

#: Of each worked example: a line that it prints, with # for a number, and what that number lies between.
CLAIMS = {
    "log_loss": [
        ("smallest at p = #", 0.695, 0.705),
        ("they differ by # after the Jacobian", 0, 1e-15),
        ("their gradients differ by #", 0, 1e-14),
        ("the best step is #", 1e-6, 1e-4),
        ("its relative error #", 0, 1e-7),
        ("ok: #, tolerance", 0, 1e-6),
    ],
    "backpropagation": [
        ("the gradients differ by #", 0, 1e-13),
        ("SGD: loss #", 0.3, 0.7),
        ("momentum 0.9: loss #", 0.02, 0.1),
        ("sigmoid, Glorot +dL/dW of the first layer #", 0, 1e-6),
        ("relu, He +dL/dW of the first layer #", 1e-4, 1),
        ("sigmoid, Glorot .*accuracy #", 0, 0.2),
        ("sigmoid, layer norm .*accuracy #", 0, 0.2),
        ("sigmoid, batch norm .*accuracy #", 0.9, 1),
        ("sigmoid, residual .*accuracy #", 0.9, 1),
        ("tanh, Glorot .*accuracy #", 0.9, 1),
    ],
    "linear_logistic_mlp": [
        ("dL/dz = #, p - y", -0.310027, -0.310025),
        ("p - y = #", -0.310027, -0.310025),
        ("the three gradients differ by at most #", 0, 1e-13),
        ("their parameters differ by at most #", 0, 1e-12),
    ],
    "softmax_jacobian": [
        ("^they differ by #", 0, 1e-14),
        ("rows sum to #", 0, 1e-15),
        ("in two steps: loss #", float("inf"), float("inf")),
        ("fused: loss #", 800, 800),
        ("infinite from d = #", 87, 104),
        ("fused, it is #", 150, 150),
    ],
    "semicircle_to_parabola": [
        ("step      0: loss #", 0.2, 0.3),
        ("step   4000: loss #", 0, 0.004),
        ("descent, 0.02 +loss #", 0.005, 0.03),
        ("momentum 0.9, 0.5 +loss #", 0, 6e-4),
        ("L-BFGS +loss #", 0, 3e-5),
        ("Newton-CG +loss #", 0, 1e-6),
        ("Levenberg-Marquardt +loss #", 0, 1e-6),
        ("through h0 and f0 alone, dL/dx0 = #", -0.003036, -0.003034),
        ("# paths", 8, 8),
        ("whose sum is #", -0.0391619, -0.0391618),
        ("backward #", -0.0391619, -0.0391618),
        ("by differences of the engine's loss #", -0.039162, -0.039161),
    ],
    "sobolev": [
        ("200 points, +values and gradients: error #", 0, 0.02),
        ("1,000 points, +values alone: error #", 0.02, 0.05),
        ("the error of 1,000 points is at least # times", 1.5, 10),
        ("that of their gradients at least # times", 1.5, 10),
    ],
    "tabular_classification": [
        ("accuracy of the network: #", 0.85, 1),
        ("accuracy of boosted trees: #", 0.8, 1),
    ],
    "tabular_quantiles": [
        ("rows where quantiles cross: #", 0, 0),
        ("below the 0.1 quantile: #", 0.03, 0.17),
        ("below the 0.5 quantile: #", 0.4, 0.6),
        ("below the 0.9 quantile: #", 0.83, 0.97),
        ("quantiles: # of the rows inside", 0.7, 0.9),
        ("interval: # of the rows inside", 0.7, 0.9),
        (r"interval: .*\n +# of the near ones", 0.9, 1),
        ("interval: .*\n.*ones, # of the others", 0.6, 0.8),
        ("the quantiles are wrong by # of", 0, 0.12),
    ],
    "tabular_time": [
        ("random: estimated rmse #", 3, 12),
        ("by random rows was # times too small", 1.2, 4),
        ("by the last rows was # times too small", 0.7, 2),
    ],
    "why_cross_entropy": [
        (r"mse: # \(rms\)", 0, 0.15),
        (r"mae: # \(rms\)", 0, 0.15),
        ("squared error #, cross-entropy", -1e-4, -1e-5),
        ("binary_cross_entropy: p > 1/2 after # steps", 5, 20),
        ("mse: p > 1/2 after more than # steps", 2000, 2000),
        ("differ from Bayes' by #", 0, 0.03),
        ("the difference are within #", 0, 1e-14),
    ],
}


@pytest.mark.parametrize("name", CLAIMS)
def test_it_prints_what_its_text_claims_and_draws(tmp_path, name):
    pytest.importorskip("matplotlib")
    for needed in ("scipy", "sklearn", "pandas") if name.startswith("tabular") else ("scipy",):
        pytest.importorskip(needed)
    text = printed(f"{name}.py --quick", cwd=tmp_path)
    for line, low, high in CLAIMS[name]:
        found = re.search(line.replace("#", NUMBER), text, re.MULTILINE)
        assert found, f"expected {line!r} in\n{text}"
        assert low <= float(found[1]) <= high, found[0]
    assert list(tmp_path.glob(f"{name}_*.png"))
