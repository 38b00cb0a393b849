"""Tables as text, and for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["html_table", "text_table"]


def html_table(caption: str, rows: Iterable[Iterable[str]]) -> str:
    """A table in HTML; the first of the rows is its head."""

    def line(row: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

    head, *body = rows
    lines = "".join(line(row, "td") for row in body)
    return f"<table><caption>{escape(caption)}</caption><thead>{line(head, 'th')}</thead><tbody>{lines}</tbody></table>"


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """A line for each row, its cells in columns, to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in padded)
