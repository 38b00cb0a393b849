"""The thread pool runs each task of a job once, by no more threads than asked for."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parent / "csrc"


def test_each_task_runs_once(tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    driver = tmp_path / "pool_driver"
    sources = [HERE / "pool_driver.c", *(CSRC / f"{name}.c" for name in ("pool", "threads", "float_mode"))]
    subprocess.run([compiler, "-std=gnu11", "-O2", "-pthread", f"-I{CSRC}", "-o", driver, *sources, "-lm"], check=True)
    result = subprocess.run([driver], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert int(result.stdout) > 0, "no job had helpers"
