"""The thread pool and what it learns about its helpers, by drivers in C that return 0 if all is well."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parent / "csrc"


@pytest.mark.parametrize(
    ("driver", "sources"), [("pool_driver", ["pool", "threads", "float_mode"]), ("experience_driver", ["experience"])]
)
def test_driver(driver, sources, tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    paths = [HERE / f"{driver}.c", *(CSRC / f"{name}.c" for name in sources)]
    subprocess.run(
        [compiler, "-std=gnu11", "-O2", "-pthread", f"-I{CSRC}", "-o", tmp_path / driver, *paths, "-lm"], check=True
    )
    result = subprocess.run([tmp_path / driver], capture_output=True, text=True, timeout=150, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
