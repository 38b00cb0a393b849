"""The guide's pages on flow graphs, pictures and the diagnosis, and their example, do what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlpfast import diagnosis, plot

ROOT = Path(__file__).parent.parent
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("flow_graph", "diagnosis")}
PICTURES = (ROOT / "docs" / "pictures.md").read_text(encoding="utf-8")


def assert_runs(page, capsys):
    names = {}
    for language, block in re.findall(r"```(python|text)\n(.*?)```", page, re.DOTALL):
        if language == "python":
            capsys.readouterr()
            exec(block, names)
        else:
            assert capsys.readouterr().out == block


@pytest.mark.parametrize("name", PAGES)
def test_code_prints_what_stands_below_it(name, capsys):
    assert_runs(PAGES[name], capsys)


def test_pictures_are_drawn(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    assert_runs(PICTURES, capsys)
    pytest.importorskip("matplotlib.pyplot").close("all")
    assert {path.name for path in tmp_path.iterdir()} == {"training.png", "fit.gif"}
    shown = set(re.findall(r"<mlpfast\.plot\.(\w+)>", PICTURES))
    assert shown | {"animate", "network_text"} == set(plot.__all__)


def test_every_rule_has_a_row():
    assert re.findall(r"^\| `(\w+)` \|", PAGES["diagnosis"], re.MULTILINE) == list(diagnosis.RULES)


def test_the_example_draws_what_the_pages_show(tmp_path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, str(ROOT / "examples" / "pictures.py"), "--quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {"pictures.gif", *(f"pictures_{i}.png" for i in range(1, 13))}
    numbers = re.findall(r"sphx_glr_pictures_(\d+)\.png", PICTURES + PAGES["flow_graph"])
    assert all(f"pictures_{int(number)}.png" in drawn for number in numbers)
