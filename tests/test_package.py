"""The public names, and what importing them costs."""

import os
import re
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import version
from pathlib import Path

import pytest

import mlpfast as mf


def run(program):
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout


def test_one_version():
    assert mf.__version__ == version("mlpfast")
    assert re.fullmatch(r"\d+\.\d+\.\d+", mf.__version__)


@pytest.mark.parametrize("name", mf.__all__)
def test_public_names_exist_and_are_listed(name):
    assert getattr(mf, name) is not None
    assert name in dir(mf)


def test_star_import():
    names = {}
    exec("from mlpfast import *", names)
    assert set(mf.__all__) <= set(names)


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'Modle'"):
        mf.Modle  # noqa: B018


def test_import_loads_only_what_training_needs():
    optional = ("sklearn", "scipy", "tqdm", "pandas", "tensorboard")
    heavy = run(f"import sys, mlpfast; print(*(n for n in {optional} if n in sys.modules))")
    assert heavy.split() == []


def test_lazy_names_in_a_fresh_process():
    program = "import mlpfast as mf; mf.kernels, mf.load, mf.datasets.load_digits; print(mf.load is mf.load)"
    assert run(program) == "True\n"


def test_gradcheck_is_the_function_whatever_was_imported():
    assert run("import mlpfast.gradcheck, mlpfast as mf; print(callable(mf.gradcheck))") == "True\n"


def test_estimators_are_loaded_when_asked_for():
    pytest.importorskip("sklearn")
    assert run("import mlpfast as mf; print(mf.MLPClassifier.__name__, mf.MLPRegressor.__name__)") == (
        "MLPClassifier MLPRegressor\n"
    )


def test_estimators_without_scikit_learn_say_what_to_install():
    program = """
import sys
sys.modules["sklearn"] = None
from mlpfast import *
import mlpfast
try:
    mlpfast.MLPClassifier
except ImportError as error:
    print(error)
"""
    assert "pip install" in run(program)


@pytest.mark.parametrize("missing", ["*", "engine"])
def test_an_unbuilt_checkout_says_how_to_build_it(tmp_path, missing):
    without = shutil.ignore_patterns("__pycache__", *(f"{missing}{suffix}" for suffix in EXTENSION_SUFFIXES))
    shutil.copytree(Path(mf.__file__).parent, tmp_path / "mlpfast", ignore=without)
    done = subprocess.run(
        [sys.executable, "-c", "import mlpfast"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    message = done.stderr[done.stderr.rindex("ImportError: ") :]
    assert f"not built for Python {sys.version_info[0]}.{sys.version_info[1]}" in message
    assert str(tmp_path / "mlpfast") in message
    assert f"`pip install .` in {tmp_path}" in message
    assert "start Python in another folder" in message
