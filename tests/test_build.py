"""The parts of setup.py that decide by themselves: what depends on what, and what the linker is told."""

import os
import runpy
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMPILER = os.environ.get("CC", "cc")


@pytest.fixture
def parts(monkeypatch):
    pytest.importorskip("Cython")
    pytest.importorskip("setuptools", minversion="77")
    monkeypatch.chdir(ROOT)
    return runpy.run_path("setup.py", run_name="parts of setup")


def test_a_source_depends_on_the_files_that_the_compiler_reads(parts):
    if shutil.which(shlex.split(COMPILER)[0]) is None:
        pytest.skip(f"{COMPILER} is missing")
    for source, flags in parts["c_library"](shlex.split(COMPILER)).items():
        command = [*shlex.split(COMPILER), "-MM", *flags, source]
        rule = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        read = rule.partition(":")[2].replace("\\\n", " ").split()
        assert {source, *parts["included"](source)} == set(read)


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        ("-Wl,-rpath,/python/lib", []),
        ("-Wl,-rpath=/python/lib", []),
        ("-Wl,--rpath=/python/lib", []),
        ("-Wl,-R/python/lib", []),
        ("-Wl,-R,/python/lib", []),
        ("-Wl,-O1,-rpath,/python/lib,--as-needed", ["-Wl,-O1,--as-needed"]),
        ("-Wl,-rpath-link,/python/lib", ["-Wl,-rpath-link,/python/lib"]),
        ("-L/python/lib", ["-L/python/lib"]),
    ],
)
def test_the_folder_of_the_builders_python_is_not_linked_in(parts, option, kept):
    command = ["gcc", "-shared", option, "-pthread"]
    assert parts["without_run_path"](command) == ["gcc", "-shared", *kept, "-pthread"]


def test_lint_says_which_compiler_is_missing(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is missing")
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    for name in ("ruff", "mypy", "cython-lint", "python"):
        (tools / name).symlink_to(shutil.which("true"))
    for name in ("Makefile", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, tmp_path)
    for stamp in (".python", ".built", ".dev"):
        tools.with_name(stamp).touch()
    command = ["make", "lint", "C_COMPILERS=no-such-compiler"]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "lint: no-such-compiler is missing, so its warnings of our C were not looked at" in done.stdout.splitlines()
