"""The runtime in C by drivers that return 0 if all is well: the pool, what it learns about its helpers, ownership."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parent / "csrc"
DRIVERS = {
    "pool_driver": ["pool", "threads", "float_mode"],
    "experience_driver": ["experience"],
    "owner_driver": ["owner"],
}


def build(driver, directory, *flags):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    paths = [HERE / f"{driver}.c", *(CSRC / "runtime" / f"{name}.c" for name in DRIVERS[driver])]
    command = [compiler, "-std=gnu11", "-O2", *flags, "-pthread", f"-I{CSRC}", "-o", directory / driver, *paths, "-lm"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def run(program, *prefix):
    environment = os.environ | {"TSAN_OPTIONS": "die_after_fork=0"}
    environment.pop("LD_PRELOAD", None)  # `make sanitize` preloads another sanitizer than the driver has
    return subprocess.run([*prefix, program], env=environment, capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.parametrize("driver", DRIVERS)
def test_driver(driver, tmp_path):
    built = build(driver, tmp_path)
    assert built.returncode == 0, built.stderr
    result = run(tmp_path / driver)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("driver", ["pool_driver", "owner_driver"])
def test_no_data_race(driver, tmp_path):
    built = build(driver, tmp_path, "-g", "-fsanitize=thread", "-DFEWER_JOBS")
    if built.returncode != 0:
        pytest.skip("the compiler has no thread sanitizer")
    # The sanitizer wants its shadow memory where address randomisation may have put something else.
    prefix = ["setarch", "-R"] if shutil.which("setarch") else []
    result = run(tmp_path / driver, *prefix)
    if "unexpected memory mapping" in result.stderr or "personality" in result.stderr:
        pytest.skip(f"the thread sanitizer does not run here: {result.stderr.strip()[:200]}")
    assert result.returncode == 0, result.stdout + result.stderr
