"""Column plans as plain JSON and arrays, for files without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import unknown_name
from .plans import ColumnPlan
from .views import Views

__all__ = ["levels_from_arrays", "levels_to_arrays", "plans_from_json", "plans_to_json", "shapes_of", "shapes_of_plan"]

_KINDS = ("number", "boolean", "date", "duration", "string", "missing")
_VIEWS = ("knots", "ranks")
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


def shapes_of_plan(item: Mapping[str, Any], number: int) -> dict[str, tuple[int, str]]:
    """Length and dtype of the arrays that `plans_from_json` needs of a column, by name."""
    knots = {f"{name}/{number}": (int(item["knots"]), "float64") for name in _VIEWS} if item.get("knots") else {}
    return shapes_of(item["levels"], f"/{number}") | knots


def plans_to_json(plans: Sequence[ColumnPlan]) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """What the plans hold, for a header, and the arrays beside it."""
    items: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    for number, plan in enumerate(plans):
        levels, found = levels_to_arrays(plan.levels, f"/{number}")
        arrays |= found
        numbers = {"missing": plan.missing, "centre": plan.centre, "factor": plan.factor, "levels": levels}
        if plan.views:
            numbers |= {"knots": len(plan.views.knots), "tail": plan.views.tail}
            arrays |= {f"{name}/{number}": np.array(getattr(plan.views, name)) for name in _VIEWS}
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
        plan = ColumnPlan(str(item["name"]), item["kind"], item["encoding"], int(item["missing"]), levels, *numbers)
        plans.append(replace(plan, views=_views(item, arrays, number)))
    return plans


def _views(item: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], number: int) -> Views | None:
    if not item.get("knots"):
        return None
    knots, ranks = (arrays[f"{name}/{number}"] for name in _VIEWS)
    if not (np.isfinite(knots).all() and np.isfinite(ranks).all() and (np.diff(knots) > 0).all()):
        raise ValueError(f"expected ascending, finite knots for column {number}")
    tail = float(item["tail"])
    if not 0 <= tail < np.inf:
        raise ValueError(f"expected tail >= 0, finite, for column {number}, got {tail}")
    return Views(tuple(knots.tolist()), tuple(ranks.tolist()), tail)
