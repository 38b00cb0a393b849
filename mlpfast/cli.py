"""The command ``mlpfast``: ``demo`` watches a network learn, ``info`` tells what this machine offers."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import datasets
from ._version import __version__
from .files.replacing import replaceable
from .model import mlp
from .optimizers import Adam
from .trainer import Trainer

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the command's name; default: ``sys.argv[1:]``.

    Returns
    -------
    int
        The exit status: 0 for success.

    Examples
    --------
    >>> from mlpfast.cli import main
    >>> main(["info"])  # doctest: +SKIP
    0
    """
    options = _parser().parse_args(arguments)
    try:
        if options.command == "demo":
            _demo(options.epochs, options.seed, options.n_threads, options.output)
        else:
            _info()
    except (OSError, ValueError) as error:
        print(f"mlpfast {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mlpfast", description="Multilayer perceptrons at the speed of the machine.")
    parser.add_argument("--version", action="version", version=f"mlpfast {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train a 64-64-64-10 network on handwritten digits")
    demo.add_argument("--epochs", type=int, default=60, help="passes over the training rows (default: 60)")
    demo.add_argument("--seed", type=int, default=0, help="of the initial weights, shuffling and split (default: 0)")
    demo.add_argument("--n-threads", type=int, default=None, help="at most so many threads (default: as it pays)")
    demo.add_argument(
        "--output", type=Path, default=Path("digits.npz"), help="where to save the model (default: ./digits.npz)"
    )
    commands.add_parser("info", help="print version, CPU, instruction sets, threads and NumPy")
    return parser


def _demo(epochs: int, seed: int, n_threads: int | None, output: Path) -> None:
    _check_output(output)
    X, y = datasets.load_digits()
    X /= 16
    held_out = _a_quarter_of_each_class(y, seed)
    X_train, y_train, X_test, y_test = X[~held_out], y[~held_out], X[held_out], y[held_out]
    print(f"UCI optical digits, 8 x 8 pixels: {len(y_train)} to learn from, {len(y_test)} held out.\n")

    model = mlp([64, 64, 64, 10], activation="relu", output_activation="softmax", seed=seed)
    print(f"{model}\n")
    trainer = Trainer(
        model,
        loss="cross_entropy",
        optimizer=Adam(learning_rate=3e-3),
        batch_size=32,
        metrics=["accuracy"],
        n_threads=n_threads,
        seed=seed,
    )
    history = trainer.fit(X_train, y_train, epochs=epochs, validation_data=(X_test, y_test))
    seconds = sum(history.seconds)

    predicted = model.predict(X_test).argmax(axis=1)
    train_accuracy = float(np.mean(model.predict(X_train).argmax(axis=1) == y_train))
    test_accuracy = float(np.mean(predicted == y_test))
    print(f"Trained {epochs} epochs in {seconds:.2f} s: {epochs * len(y_train) / seconds:,.0f} samples/s.")
    print(f"Accuracy: {train_accuracy:.4f} on the training rows, {test_accuracy:.4f} on the test rows.\n")
    print(_confusion_table(y_test, predicted))
    model.save(output)
    print(f"\nSaved the model: mlpfast.load({str(output.resolve())!r})")


def _check_output(path: Path) -> None:
    """Refuse, before the first epoch, a file that could not be written after the last.

    Raises
    ------
    ValueError
        If `path` is no regular file, or no file can be made beside it.
    """
    try:
        replaceable(os.fspath(path))
        target = Path(os.path.realpath(path))
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f"{target.name}.", suffix=".tmp"):
            pass
    except OSError as error:
        message = f"--output: expected a file that can be written, got {str(path)!r}: {error.strerror}"
        raise ValueError(message) from None


def _a_quarter_of_each_class(y: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """A mask of a quarter of the rows, chosen at random, the same share of every class."""
    shuffled = np.random.default_rng(seed).permutation(len(y))
    by_class = shuffled[np.argsort(y[shuffled], kind="stable")]
    mask = np.zeros(len(y), dtype=np.bool_)
    mask[by_class[::4]] = True
    return mask


def _confusion_table(y: NDArray[np.int64], predicted: NDArray[np.int64]) -> str:
    counts = np.bincount(10 * y + predicted, minlength=100).reshape(10, 10)
    lines = ["true \\ predicted", "     " + "".join(f"{digit:4d}" for digit in range(10))]
    for digit, row in enumerate(counts):
        lines.append(f"{digit:4d} " + "".join(f"{count or '.':>4}" for count in row))
    return "\n".join(lines)


def _info() -> None:
    from .core import table

    for name, value in {
        "mlpfast": __version__,
        "CPU": _cpu_name(),
        "ISA": f"{table.isa()} (available: {', '.join(table.available_isas())}; MLPFAST_ISA chooses)",
        "threads": f"at most {table.max_threads()} (MLPFAST_NUM_THREADS limits)",
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "NumPy": np.__version__,
    }.items():
        print(f"{name:8} {value}")


def _cpu_name() -> str:
    """The CPU's name as its maker gives it, where the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
