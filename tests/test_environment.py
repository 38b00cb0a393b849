"""What environment variables say is read when the compiled part is loaded, so each case takes a process of its own."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mlpfast
from mlpfast.core import table

VARIABLES = ("MLPFAST_ISA", "MLPFAST_NUM_THREADS", "OMP_NUM_THREADS")


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def max_threads(**variables: str) -> int:
    result = run("from mlpfast.core.table import max_threads; print(max_threads())", **variables)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"MLPFAST_ISA": "mmx"}, "MLPFAST_ISA='mmx': expected one of "),
        ({"MLPFAST_NUM_THREADS": "two"}, "MLPFAST_NUM_THREADS='two': expected a positive number"),
        ({"MLPFAST_NUM_THREADS": "0"}, "MLPFAST_NUM_THREADS='0': expected a positive number"),
        ({"MLPFAST_NUM_THREADS": "-1"}, "MLPFAST_NUM_THREADS='-1': expected a positive number"),
    ],
)
def test_wrong_value_is_an_error_of_the_import(variables, expected):
    result = run("from mlpfast import Model", **variables)
    assert result.returncode != 0
    assert f"ImportError: {expected}" in result.stderr


def test_number_of_threads_is_what_the_variable_says():
    assert max_threads(MLPFAST_NUM_THREADS="1") == 1
    assert max_threads(MLPFAST_NUM_THREADS="3") == 3


def test_openmp_variable_lowers_the_number_of_threads_and_does_not_raise_it():
    assert max_threads(OMP_NUM_THREADS="1") == 1
    assert max_threads(OMP_NUM_THREADS="200") == max_threads()


def test_own_variable_comes_before_that_of_openmp():
    assert max_threads(MLPFAST_NUM_THREADS="2", OMP_NUM_THREADS="1") == 2


def pools(threadpoolctl):
    return [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "mlpfast"]


@pytest.mark.parametrize("limits", [1, {"mlpfast": 1}])
def test_threadpoolctl_limits_the_threads_and_gives_them_back(limits):
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.2")
    before = table.max_threads()
    table.set_max_threads(3)
    try:
        with threadpoolctl.threadpool_limits(limits):
            assert table.max_threads() == 1
        assert table.max_threads() == 3
        with threadpoolctl.threadpool_limits({"mlpfast": -1}):
            assert table.max_threads() == before
        assert table.max_threads() == 3
    finally:
        table.set_max_threads(0)


def test_threadpoolctl_knows_the_pool():
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.2")
    (pool,) = pools(threadpoolctl)
    assert Path(pool["filepath"]).samefile(table.__file__)
    assert (pool["num_threads"], pool["version"]) == (table.max_threads(), mlpfast.__version__)


def test_threadpoolctl_takes_no_other_module_of_that_name_for_the_pool(tmp_path):
    threadpoolctl = pytest.importorskip("threadpoolctl", minversion="3.2")
    namesake = shutil.copy(table.__file__, tmp_path)  # of the same file name, and loaded, but not what we use
    ctypes.CDLL(namesake)
    assert [pool["filepath"] for pool in pools(threadpoolctl)] == [os.path.realpath(table.__file__)]
