"""Parameters of estimators to and from the header of a file: those that are plain, as JSON holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..files.fields import setting_from_json, setting_to_json

__all__ = ["parameters_from_json", "parameters_to_json"]

_LONGEST = 10_000  # characters of one: a header is no place for a weight of each of a thousand classes


def parameters_to_json(estimator: Any) -> dict[str, Any]:
    """Numbers, names, losses, and lists and mappings of these; not functions, random generators, and what is long.

    Nor `n_threads`, which is the machine's.
    """
    found: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=False).items():
        if name == "n_threads":
            continue
        with suppress(TypeError, ValueError):
            item = setting_to_json(_plain(value))
            if len(json.dumps(item)) <= _LONGEST:
                found[name] = item
    return found


def parameters_from_json(items: Mapping[str, Any], cls: type[Any]) -> dict[str, Any]:
    """Those that `parameters_to_json` has written, and that estimators of this class have."""
    known = set(cls._get_param_names()) - {"n_threads"}
    return {name: setting_from_json(item, "parameters") for name, item in items.items() if name in known}


def _plain(value: Any) -> Any:
    """Numbers and arrays of NumPy, and columns of pandas, as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {_plain(key): _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
