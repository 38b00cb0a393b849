"""Exceptions of the package, and the wording that errors about arguments share.

A message says what was expected, what came, and where.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable
from numbers import Integral, Real

from .names import ALIASES, UNLIKE, squeezed

__all__ = ["DivergenceError", "ModelFileError"]


class DivergenceError(FloatingPointError):
    """Training stopped because the loss, the parameters or the optimizer's state became infinite or NaN.

    The model keeps the last finite parameters. An infinite state, such as the running mean of a gradient's square,
    would keep its parameter from ever moving again.

    Parameters
    ----------
    message : str
        What happened, and what may help.
    step : int
        Number of optimizer steps that had been taken when the training diverged.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> trainer = mf.Trainer(mf.mlp([64, 1], seed=0), "mse", mf.SGD(learning_rate=10.0))
    >>> try:
    ...     trainer.fit(X, y, epochs=20, verbose=0)
    ... except mf.DivergenceError as error:
    ...     print(error.step > 0, bool(abs(trainer.model.parameters).max() < float("inf")))
    True True
    """

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step


class ModelFileError(ValueError):
    """A model file is damaged, is not a model file, or comes from a newer version.

    Examples
    --------
    >>> import mlpfast as mf, pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name, "model.npz")
    >>> _ = path.write_bytes(b"no model")
    >>> try:
    ...     mf.load(path)
    ... except mf.ModelFileError as error:
    ...     print(str(error).replace(str(path), "model.npz"))
    can't read a model from 'model.npz': File is not a zip file
    >>> folder.cleanup()
    """


class NewerFileError(ModelFileError):
    """A file is whole, but written by a newer version than this one."""


def add_note(error: BaseException, note: str) -> None:
    """Say beneath an error of the user's where it came up: ``error.add_note``, which Python 3.10 has not."""
    error.__notes__ = [*getattr(error, "__notes__", []), f"mlpfast: {note}"]


def excerpt(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, all printable: others are escaped, and the middle is left out."""
    if len(text) > 2 * limit:  # most of it is left out anyway
        text = text[:limit] + text[-limit:]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    end = limit // 3
    return text if len(text) <= limit else f"{text[: limit - end - 5]} ... {text[-end:]}"


def listed(items: Iterable[object], most: int = 5) -> str:
    """Items by their reprs, of which long ones are cut; or the first of them, and how many more there are."""
    shown = [f"{item!r:.60}" for item in items]
    more = f" and {len(shown) - most:,} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more


def known_name(kind: str, name: object, valid: Collection[str]) -> str:
    """The name in `valid` that `name` is, or is another library's alias of; an error that offers one otherwise."""
    if isinstance(name, str):
        ours = ALIASES.get(kind, {}).get(name, name)
        if ours in valid:
            return ours
    raise unknown_name(kind, name, valid)


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> Exception:
    """The error for a name that is not in `valid`: it offers the right one, or the nearest."""
    valid = sorted(valid)
    if isinstance(name, str):
        hint = _instead(kind, name, valid) or _nearest(kind, name, valid)
        return ValueError(f"unknown {kind} {name!r}; {hint and f'{hint}; '}expected one of {', '.join(valid)}")
    # A function, a class or an instance of another library has a name, too.
    called = str(None) if name is None else getattr(name, "__name__", type(name).__name__)
    hint = _instead(kind, called, valid)
    got = f"got {name!r} ({type(name).__name__})"
    return TypeError(f"expected {kind} to be one of {', '.join(valid)}; {got}{hint and f'; {hint}'}")


def _instead(kind: str, name: str, valid: Iterable[str]) -> str:
    """What to write for a name of another library, or for one of ours that is spelt in another way; or nothing."""
    bare = squeezed(name)
    if bare in UNLIKE.get(kind, {}):
        return UNLIKE[kind][bare]
    ours = _spellings(kind, valid).get(bare)
    return f"did you mean {ours!r}?" if ours else ""


def _nearest(kind: str, name: str, valid: Iterable[str]) -> str:
    spellings = _spellings(kind, valid)
    near = difflib.get_close_matches(squeezed(name), spellings, n=1)
    return f"did you mean {spellings[near[0]]!r}?" if near else ""


def _spellings(kind: str, valid: Iterable[str]) -> dict[str, str]:
    """Our names by their squeezed form, and by those of their aliases."""
    aliases = {alias: ours for alias, ours in ALIASES.get(kind, {}).items() if ours in valid}
    return {squeezed(alias): ours for alias, ours in aliases.items()} | {squeezed(ours): ours for ours in valid}


def real(
    name: str,
    value: object,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
) -> float:
    """`value` as a float, if it is a finite real number within the bounds; an error that names it otherwise."""
    if type(value) is not float and (isinstance(value, bool) or not isinstance(value, Real)):  # an ABC takes its time
        raise TypeError(f"expected {name} to be a number, got {value!r} ({type(value).__name__})")
    number = float(value)
    if not (math.isfinite(number) and above < number < below and at_least <= number <= at_most):
        bounds = [
            f"{sign} {bound:g}"
            for sign, bound in ((">", above), (">=", at_least), ("<", below), ("<=", at_most))
            if math.isfinite(bound)
        ]
        expected = " and ".join(bounds if bounds and math.isfinite(number) else ["finite", *bounds])
        raise ValueError(f"expected {name} to be {expected}, got {value!r}")
    return number


def integer(name: str, value: object, *, at_least: int = 1, at_most: int | None = None) -> int:
    """`value` as an int, if it is a whole number within the bounds; an error that names it otherwise."""
    if type(value) is not int and (isinstance(value, bool) or not isinstance(value, Integral)):
        raise TypeError(f"expected {name} to be an integer, got {value!r} ({type(value).__name__})")
    number = int(value)
    if number < at_least or (at_most is not None and number > at_most):
        upper = "" if at_most is None else f" and <= {at_most}"
        raise ValueError(f"expected {name} to be >= {at_least}{upper}, got {number}")
    return number


def real_field(instance: object, name: str, **bounds: float) -> None:
    """Check a field of a frozen dataclass as `real` does, and keep it as a float."""
    object.__setattr__(instance, name, real(name, getattr(instance, name), **bounds))


def boolean(name: str, value: object) -> bool:
    """`value` as a bool, if it is one (Python's or NumPy's); an error that names it otherwise."""
    if _is_boolean(value):
        return bool(value)
    raise TypeError(f"expected {name} to be True or False, got {value!r} ({type(value).__name__})")


def verbosity(value: object) -> bool:
    """Whether to show progress: a bool, or a whole number from 0; an error otherwise."""
    return bool(value) if _is_boolean(value) else integer("verbose", value, at_least=0) > 0


def _is_boolean(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")  # of NumPy, not imported here
