"""Tables for notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["html_table"]


def html_table(caption: str, rows: Iterable[Iterable[str]]) -> str:
    """A table in HTML; the first of the rows is its head."""

    def line(row: Iterable[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"

    head, *body = rows
    lines = "".join(line(row, "td") for row in body)
    return f"<table><caption>{escape(caption)}</caption><thead>{line(head, 'th')}</thead><tbody>{lines}</tbody></table>"
