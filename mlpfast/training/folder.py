"""A folder of checkpoints: numbered files, the newest of them has the largest number."""

from __future__ import annotations

import os
import re

__all__ = ["BEST", "checkpoints", "next_path", "prune"]

BEST = "best.npz"
_NAME = re.compile(r"checkpoint-(\d{6,})\.npz")


def checkpoints(folder: str) -> list[str]:
    """The paths of the checkpoints, the newest first; none where there is no such folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = [(int(match[1]), name) for name in names if (match := _NAME.fullmatch(name))]
    return [os.path.join(folder, name) for _, name in sorted(found, reverse=True)]


def next_path(folder: str) -> str:
    """The path of a checkpoint that is newer than all."""
    newest = checkpoints(folder)[:1]
    number = int(_NAME.fullmatch(os.path.basename(newest[0]))[1]) if newest else 0  # type: ignore[index]
    return os.path.join(folder, f"checkpoint-{number + 1:06d}.npz")


def prune(folder: str, keep_last: int) -> None:
    """Remove all but the newest."""
    for path in checkpoints(folder)[keep_last:]:
        os.unlink(path)
