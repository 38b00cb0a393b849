"""Running code under each instruction set: the choice is made once in a process, so each takes a process of its own."""

import os
import subprocess
import sys

from mlpfast.core.table import available_isas, isa

OTHER_ISAS = tuple(name for name in available_isas() if name != isa())


def run_under(name: str, *arguments: str) -> str:
    """Run Python with the arguments under an ISA; returns its standard output, fails with all that it said."""
    environment = os.environ | {"MLPFAST_ISA": name}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, f"{name}: {' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result.stdout
