"""The README keeps its word: its example runs as shown, its links lead somewhere, its commands exist."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


EXAMPLE, BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PICTURE = ROOT / "docs" / "images" / "learning_curve.png"
OPTIONAL = ("matplotlib", "pandas", "polars", "scipy", "sklearn", "threadpoolctl")


def test_example_has_ten_lines():
    assert sum(bool(line.strip()) for line in EXAMPLE.splitlines()) == 10


def test_example_needs_numpy_alone_and_reaches_what_the_picture_shows(tmp_path):
    image = pytest.importorskip("PIL.Image")
    without = f"import sys\nsys.modules.update(dict.fromkeys({OPTIONAL}))\n"
    command = [sys.executable, "-c", without + EXAMPLE]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reached = done.stdout.splitlines()[0]
    assert float(reached.split()[-1]) > 0.95
    assert image.open(PICTURE).text["Title"] == reached, "draw it anew: examples/learning_curve.py"


def test_blocks_go_on_from_there_and_reach_more(capsys):
    shown = {}
    exec(EXAMPLE, shown)
    capsys.readouterr()
    exec(BLOCKS, shown)
    assert float(capsys.readouterr().out.split()[-1]) > shown["history"]["val_accuracy"][-1]


def test_picture_is_drawn_of_what_the_example_trains(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    image = pytest.importorskip("PIL.Image")
    picture = tmp_path / "curve.png"
    monkeypatch.setattr(sys, "argv", ["learning_curve.py", str(picture)])
    drawn = runpy.run_path(str(ROOT / "examples" / "learning_curve.py"))["history"]
    shown = {}
    exec(EXAMPLE, shown)
    for quantity in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert drawn[quantity] == shown["history"][quantity]
    assert (
        image.open(picture).text["Title"]
        == image.open(PICTURE).text["Title"]
        == capsys.readouterr().out.partition(";")[0]
    )


def test_how_fast_has_the_published_figures():
    tables, targets = pytest.importorskip("bench.tables"), pytest.importorskip("bench.targets")
    results = targets.Results(json.loads((ROOT / "docs" / "benchmarks" / "results.json").read_text())["results"])
    rows = [line.split("|")[1:-1] for line in README.splitlines() if re.match(r"\| \d[\d,\w -]* \|", line)]
    peers = (("jax", "jax-shuffle"), ("torch", "torch-compile"), ("sklearn",))
    for row, name in zip(rows, ("tiny", "small", "medium", "large"), strict=True):
        ours, *over = (cell.split()[0] for cell in row[1:])
        assert tables.duration(results.seconds(name, "mlpfast")).split()[0] == ours
        assert [tables.ratio(results.over(name, *others)) for others in peers] == over


PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
PAGES += sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith(("https://", "gallery/")):  # docs/check_links.py follows those to what is built
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} points to {target}"


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page):
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z0-9-]+)", text, re.MULTILINE):
        assert target in targets, f"{page} names make {target}"
