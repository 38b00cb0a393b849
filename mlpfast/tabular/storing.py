"""Column plans as plain JSON and arrays, for files without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import unknown_name
from .plans import ColumnPlan

__all__ = ["levels_from_arrays", "levels_to_arrays", "plans_from_json", "plans_to_json"]

_KINDS = ("number", "boolean", "date", "duration", "string", "missing")
_ENCODINGS = ("number", "binary", "category", "ignored")


def levels_to_arrays(levels: Sequence[Any], place: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Strings, or floats, as arrays: in a header, ten thousand of them would be too long."""
    if levels and isinstance(levels[0], str):
        coded = [level.encode("utf-8", "surrogatepass") for level in levels]
        text = np.frombuffer(b"".join(coded), np.uint8)
        ends = np.cumsum([len(level) for level in coded], dtype=np.int64)
        return {"strings": len(levels), "bytes": len(text)}, {f"text{place}": text, f"ends{place}": ends}
    return {"numbers": len(levels)}, {f"numbers{place}": np.array(levels, dtype=np.float64)} if levels else {}


def levels_from_arrays(fields: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], place: str) -> tuple[Any, ...]:
    """The strings or floats that `levels_to_arrays` has written."""
    if "strings" in fields:
        text, ends = arrays[f"text{place}"].tobytes(), arrays[f"ends{place}"].tolist()
        starts = [0, *ends[:-1]]
        if ends != sorted(ends) or starts[0] < 0 or ends[-1] != len(text):
            raise ValueError(f"expected ends{place} to ascend to {len(text)}")
        return tuple(text[start:end].decode("utf-8", "surrogatepass") for start, end in zip(starts, ends, strict=True))
    return tuple(arrays[f"numbers{place}"].tolist()) if fields["numbers"] else ()


def shapes_of(fields: Mapping[str, Any], place: str) -> dict[str, tuple[int, str]]:
    """Length and dtype of the arrays that `levels_from_arrays` needs, by name."""
    if "strings" in fields:
        return {
            f"text{place}": (int(fields["bytes"]), "uint8"),
            f"ends{place}": (int(fields["strings"]), "int64"),
        }
    return {f"numbers{place}": (int(fields["numbers"]), "float64")} if fields["numbers"] else {}


def plans_to_json(plans: Sequence[ColumnPlan]) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """What the plans hold, for a header, and the arrays beside it."""
    items: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for number, plan in enumerate(plans):
        levels, found = levels_to_arrays(plan.levels, f"/{number}")
        arrays |= found
        numbers = {"missing": plan.missing, "centre": plan.centre, "factor": plan.factor, "levels": levels}
        items.append({"name": plan.name, "kind": plan.kind, "encoding": plan.encoding, **numbers})
    return items, arrays


def plans_from_json(items: Sequence[Mapping[str, Any]], arrays: Mapping[str, NDArray[Any]]) -> list[ColumnPlan]:
    """The plans that `plans_to_json` has written; an error for what cannot be one."""
    plans = []
    for number, item in enumerate(items):
        for what, valid in (("kind", _KINDS), ("encoding", _ENCODINGS)):
            if item[what] not in valid:
                raise unknown_name(what, item[what], valid)
        levels = levels_from_arrays(item["levels"], arrays, f"/{number}")
        numbers = float(item["centre"]), float(item["factor"])
        if not np.isfinite(numbers).all():
            raise ValueError(f"expected finite numbers for column {number}, got {numbers}")
        plans.append(
            ColumnPlan(str(item["name"]), item["kind"], item["encoding"], int(item["missing"]), levels, *numbers)
        )
    return plans
