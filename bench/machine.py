"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from bench import roof
from bench.runner import removed_variables


def cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe() -> dict[str, Any]:
    try:
        compiler, isas = roof.compiler_version(), list(roof.isas())
        peaks = {isa: {dtype: roof.peak(dtype, isa) for dtype in roof.TYPES} for isa in isas}
        copy, reads = roof.copy_bandwidth(), {str(size): roof.read_bandwidth(size) for size in roof.CACHE_SIZES}
    except (OSError, RuntimeError) as error:
        compiler, isas, peaks, copy, reads = f"none ({error})", [], {}, 0.0, {}
    return {
        "cpu": cpu_name(),
        "processors": processors(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "compiler": compiler,
        "isas": isas,
        "peak": peaks,
        "copy_bandwidth": copy,
        "read_bandwidth": reads,
        "load": list(os.getloadavg()),
        "removed_variables": removed_variables(),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
