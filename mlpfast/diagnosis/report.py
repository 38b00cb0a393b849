"""What a diagnosis found, and how it prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import NamedTuple

from ..tables import html_table
from .evidence import LayerFacts

__all__ = ["Finding", "Report"]

_COLUMNS = 100  # of a terminal, for the findings


class Finding(NamedTuple):
    """What one rule found.

    Attributes
    ----------
    rule : str
        Its name, as in `mlpfast.diagnosis.RULES`.
    where : str
        "data", "training", or a layer, such as "layer 2".
    message : str
        What is wrong, in one sentence.
    advice : str
        What to try.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> report = mf.diagnose(mf.mlp([64, 32, 10], "relu", "softmax", seed=0), X * 100, y)
    >>> report.findings[0].rule, report.findings[0].where
    ('unscaled_inputs', 'data')
    """

    rule: str
    where: str
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}; try {self.advice} ({self.rule})"


@dataclass(frozen=True)
class Report:
    """What `mlpfast.diagnose` found; it prints.

    Attributes
    ----------
    findings : tuple of Finding
        Empty where nothing was found.
    layers : tuple of LayerFacts
        What was measured, layer by layer.
    update_ratios : dict from str to float
        For each weight matrix, the median over some trial steps of the size of a step in relation to the weights,
        ||dW|| / ||W||; empty where no steps were taken.
    loss : float
        Of the rows that were looked at.
    rows : int
        Their number.

    Examples
    --------
    >>> import mlpfast as mf
    >>> X, y = mf.datasets.load_digits()
    >>> report = mf.diagnose(mf.mlp([64, 32, 10], "relu", "softmax"), X, y)
    >>> report.ok
    True
    """

    findings: tuple[Finding, ...]
    layers: tuple[LayerFacts, ...]
    update_ratios: dict[str, float]
    loss: float
    rows: int

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __contains__(self, rule: object) -> bool:
        return any(finding.rule == rule for finding in self.findings)

    def __str__(self) -> str:
        rows = self._rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        aligned = [
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            for row in rows
        ]
        lines = ["  ".join(row).rstrip() for row in aligned]
        found = [fill(f"- {finding}", _COLUMNS, subsequent_indent="  ") for finding in self.findings]
        return "\n".join([self._title(), *lines, *(found or ["Nothing was found."])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        findings = [[f.where, f"{f.message}; try {f.advice}", f.rule] for f in self.findings]
        table = html_table(self._title(), self._rows())
        if not findings:
            return table + "<p>Nothing was found.</p>"
        return table + html_table(f"{len(findings)} findings", [["where", "what", "rule"], *findings])

    def _title(self) -> str:
        return f"Diagnosis of {self.rows} rows, loss {self.loss:.4g}"

    def _rows(self) -> list[Sequence[str]]:
        head = ["layer", "outputs", "deltas", "gradient", "weights", "update/weight", "dead", "saturated"]
        rows: list[Sequence[str]] = [head]
        for facts in self.layers:
            numbers = facts.output_rms, facts.delta_norm, facts.gradient_rms, facts.weight_rms
            ratio = self.update_ratios.get(facts.weight)
            shares = facts.dead, facts.saturated
            rows.append(
                [
                    f"{facts.name} {facts.what}",
                    *("" if number is None else f"{number:.1e}" for number in (*numbers, ratio)),
                    *("" if share is None else f"{share:.0%}" for share in shares),
                ]
            )
        return rows
