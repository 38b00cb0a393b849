"""Markdown tables that also read well in a terminal, and numbers with three digits and a unit."""

from __future__ import annotations

from collections.abc import Sequence


def duration(seconds: float) -> str:
    """Three digits and a unit: 9.8 us."""
    return _scaled(seconds, (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)))


def size(n: float) -> str:
    return _scaled(n, (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)))


def ratio(x: float) -> str:
    return f"{x:.0f}x" if x >= 9.95 else f"{x:.1f}x" if x >= 1.995 else f"{x:.2f}x"


def _scaled(x: float, units: Sequence[tuple[str, float]]) -> str:
    for unit, scale in units:
        if x >= scale:
            return f"{x / scale:.0f} {unit}" if x >= 99.95 * scale else f"{x / scale:.3g} {unit}"
    return f"{x / units[-1][1]:.2g} {units[-1][0]}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """First column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        aligned = [c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
        return f"| {' | '.join(aligned)} |"

    rule = [("-" * (w - 1) + ":") if i else "-" * w for i, w in enumerate(widths)]
    return "\n".join([line(head), line(rule), *(line(row) for row in rows)])
