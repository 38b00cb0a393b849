"""What a library costs before it computes anything: the seconds of its import and the bytes of its installation."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from bench.runner import Lane, Record, Settings, environment, spread

ROOT = Path(__file__).resolve().parents[1]
# peer -> (what a user imports, distributions that it takes)
IMPORTS = {
    "mlpfast": ("mlpfast", ["mlpfast"]),
    "sklearn": ("sklearn.neural_network", ["scikit-learn"]),
    "torch": ("torch", ["torch"]),
    "jax": ("jax.numpy", ["jax", "jaxlib"]),
    "onnxruntime": ("onnxruntime", ["onnxruntime"]),
    "numpy": ("numpy", ["numpy"]),
}


def import_seconds(module: str) -> float:
    """Wall time of a fresh interpreter that imports a module."""
    code = f"import sys; sys.path.append({str(ROOT)!r})" + (f"; import {module}" if module else "")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as nowhere:
        subprocess.run(
            [sys.executable, "-c", code], check=True, cwd=nowhere, env=environment(Lane("")), capture_output=True
        )
    return time.perf_counter() - begin


def size(distribution: str) -> int:
    """Bytes of a distribution's files. One that is installed as a link to a checkout counts its package there."""
    files = [Path(str(file.locate())) for file in metadata.files(distribution) or []]
    spec = importlib.util.find_spec(distribution)
    package = Path(spec.origin).parent if spec and spec.origin else None
    if package and not any(package in file.parents for file in files):
        files += [file for file in package.rglob("*") if "__pycache__" not in file.parts]
    return sum(file.stat().st_size for file in files if file.is_file())


def with_dependencies(distributions: list[str]) -> set[str]:
    """The names of the distributions and of whatever they need, extras left out, as far as it is installed."""
    found: set[str] = set()
    waiting = list(distributions)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # another platform's
        if name not in found:
            found.add(name)
            waiting += [re.split(r"[^\w.-]", r, maxsplit=1)[0] for r in requirements if "extra ==" not in r]
    return found


def run(settings: Settings) -> list[Record]:
    records = {peer: {"section": "footprint", "peer": peer} for peer in IMPORTS if settings.wants(peer)}
    seconds: dict[str, list[float]] = {peer: [] for peer in records}
    for turn in range(settings.rounds + 1):
        bare = import_seconds("")
        for peer, record in records.items():
            try:
                took = import_seconds(IMPORTS[peer][0]) - bare
            except subprocess.CalledProcessError as error:
                record["missing"] = error.stderr.decode().strip().splitlines()[-1]
                continue
            if turn:  # the first import may compile bytecode
                seconds[peer].append(max(took, 0.0))
    for peer, record in records.items():
        if "missing" in record:
            continue
        record |= spread(seconds[peer])
        try:
            record["bytes"] = sum(size(name) for name in IMPORTS[peer][1])
            record["bytes_with_dependencies"] = sum(size(name) for name in with_dependencies(IMPORTS[peer][1]))
        except metadata.PackageNotFoundError:
            record["note"] = "not installed: imported from the checkout, size unknown"
    return list(records.values())
