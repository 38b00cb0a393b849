"""The examples that read Fashion-MNIST run, on a few rows of its form."""

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


@pytest.mark.parametrize(
    "command",
    ["fashion_mnist.py --epochs 8", "batch_norm.py --epochs 8 --seeds 2"],
    ids=lambda command: command.split()[0],
)
def test_it_learns(folder, command):
    name, *options = command.split()
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), str(folder), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) > 0.8
