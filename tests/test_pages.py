"""The code on the pages of the documentation runs, and so do the examples of the docstrings.

A page's blocks run one after the other, in one namespace, as a reader would. A block of ```python needs this package
and the extras of the tests; one of ```py is another library's, and runs where that library is.
"""

import doctest
import importlib
import pkgutil
import re
import runpy
from importlib.util import find_spec
from inspect import isclass, ismodule
from pathlib import Path
from shutil import which

import pytest

import mlpfast

DOCS = Path(__file__).parent.parent / "docs"
BLOCK = re.compile(r"^```(python|py)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FOREIGN = {"from_keras": "keras", "from_pytorch": "torch"}
PAGES = sorted(page.stem for page in DOCS.glob("*.md") if BLOCK.search(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES)
def test_code_of_the_page_runs(page, tmp_path, monkeypatch):
    for needed in ("matplotlib", "sklearn", "threadpoolctl"):
        pytest.importorskip(needed)
    if page == "losses" and which("cc") is None:
        pytest.skip("needs a C compiler")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    foreign = page in FOREIGN and find_spec(FOREIGN[page]) is not None
    shown = {"__name__": page}
    for kind, code in BLOCK.findall((DOCS / f"{page}.md").read_text(encoding="utf-8")):
        if kind == "python" or foreign:
            exec(compile(code, f"docs/{page}.md", "exec"), shown)


def modules():
    """All of the package, but those that are compiled, which have stubs in place of docstrings' examples."""
    for found in pkgutil.walk_packages(mlpfast.__path__, "mlpfast."):
        if not found.name.startswith("mlpfast.core") and found.name != "mlpfast.__main__":
            yield found.name


@pytest.mark.parametrize("name", ["mlpfast", *modules()])
def test_examples_of_the_docstrings(name, tmp_path, monkeypatch):
    if "estimators" in name:
        pytest.importorskip("sklearn")
    if ".plot" in name:
        pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not failed


def public():
    """Classes and functions on the pages of the reference, by name."""
    for listed in re.findall(r"^   (\w+(?:\.\w+)*)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE):
        value = pkgutil.resolve_name(f"mlpfast.{listed}")
        names = {f"{listed}.{name}": getattr(value, name) for name in value.__all__} if ismodule(value) else {}
        for name, each in (names or {listed: value}).items():
            if (isclass(each) or callable(each)) and each.__module__.startswith("mlpfast"):
                yield name, each


def test_every_public_class_and_function_has_an_example():
    pytest.importorskip("sklearn")
    found = dict(public())
    assert {"Trainer", "losses.Huber", "optimizers.SGD", "callbacks.Callback", "plot.animate"} <= found.keys()
    assert [name for name, each in found.items() if not _runs(each.__doc__ or "")] == []


def _runs(docstring):
    """Whether it has an example that is not skipped."""
    return any(not each.options.get(doctest.SKIP) for each in doctest.DocTestParser().get_examples(docstring))


def test_pages_leave_out_what_links_into_the_site_of_scikit_learn():
    pytest.importorskip("sklearn")
    template = (DOCS / "_templates" / "autosummary" / "class.rst").read_text(encoding="utf-8")
    excluded = set(re.search(r":exclude-members: (.*)", template)[1].split(", "))
    for name in ("MLPClassifier", "MLPRegressor", "TabularClassifier", "TabularRegressor"):
        routed = {each for each in dir(getattr(mlpfast, name)) if re.fullmatch(r"set_\w+_request", each)}
        assert routed and routed <= excluded


def test_broken_links_are_found(tmp_path):
    (tmp_path / "a.html").write_text('<p id="here"><a href="b.html#there">b</a><a href="#here">a</a><img src="no.png">')
    (tmp_path / "b.html").write_text(
        '<a href="a.html#here">a</a><a href="a.html#gone">a</a><a href="https://x.org">x</a>'
    )
    broken = runpy.run_path(str(DOCS / "check_links.py"))["broken"]
    assert list(broken(tmp_path)) == ["a.html: b.html#there", "a.html: no.png", "b.html: a.html#gone"]


def test_the_reference_has_every_public_name():
    api = (DOCS / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (?:\w+\.)*(\w+)$", api, re.MULTILINE))
    pages = [value for name, value in vars(mlpfast).items() if name in listed and hasattr(value, "__all__")]
    on_pages = {name for page in pages for name in page.__all__}
    missing = {name for name in mlpfast.__all__ if not name.startswith("__")} - listed - on_pages
    assert missing <= {"layers"}  # which are listed one by one
