"""The compiled modules as files: what they export, what they need, and how they are guarded."""

import importlib
import os
import platform
import re
import shutil
import subprocess
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

import mlpfast.core

FILES = sorted(name for folder in mlpfast.core.__path__ for name in os.listdir(folder))
MODULES = [name.partition(".")[0] for name in FILES if name.endswith(EXTENSION_SUFFIXES[0])]
pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or shutil.which("readelf") is None, reason="asks readelf (binutils) about ELF files"
)


def readelf(module: str, option: str) -> str:
    path = importlib.import_module(f"mlpfast.core.{module}").__file__
    environment = {**os.environ, "LC_ALL": "C"}
    command = ["readelf", "--wide", option, path]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def symbols(module: str, *, defined: bool) -> set[str]:
    """Names that a module exports, or imports; without their versions."""
    found = set()
    for line in readelf(module, "--dyn-syms").splitlines():
        match = re.match(r"\s*\d+: +\S+ +\S+ +\S+ +(?:GLOBAL|WEAK) +\S+ +(\S+) +([^@\s]+)", line)
        if match and (match[1] != "UND") == defined:
            found.add(match[2])
    return found


def sanitized(module: str) -> bool:
    return "__asan_init" in symbols(module, defined=False)


@pytest.mark.parametrize("module", MODULES)
def test_only_the_entry_of_a_module_is_exported(module):
    exported = {name for name in symbols(module, defined=True) if not name.startswith("__odr_asan")}
    assert exported == {f"PyInit_{module}"}


@pytest.mark.parametrize("module", MODULES)
def test_symbols_are_bound_at_once_and_their_table_is_read_only(module):
    assert "GNU_RELRO" in readelf(module, "--segments")
    assert re.search(r"\((?:FLAGS|FLAGS_1)\).*NOW|\(BIND_NOW\)", readelf(module, "--dynamic"))


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_looked_for_in_a_folder_of_the_builder(module):
    assert not re.findall(r"\((?:RUNPATH|RPATH)\).*", readelf(module, "--dynamic"))


@pytest.mark.parametrize("module", MODULES)
def test_stacks_are_guarded(module):
    assert "__stack_chk_fail" in symbols(module, defined=False)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's checks of sizes")
def test_sizes_are_checked():
    if sanitized("table"):
        pytest.skip("the sanitizers check them")
    assert {"__snprintf_chk", "__memcpy_chk"} & symbols("table", defined=False)
