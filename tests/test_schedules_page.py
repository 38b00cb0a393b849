"""The guide's page on schedules, and its example, say what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlpfast.schedules import SCHEDULES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")


def test_its_code_runs_and_prints_what_it_says(capsys):
    code = "".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    exec(code, {})
    assert capsys.readouterr().out.splitlines() == re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)


def test_it_has_every_schedule():
    assert re.findall(r"<mlpfast\.schedules\.(\w+)>", PAGE) == [cls.__name__ for cls in SCHEDULES.values()]


def test_the_example_runs(tmp_path):
    pytest.importorskip("matplotlib")
    command = [sys.executable, str(ROOT / "examples" / "learning_rates.py"), "--quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 3
    constant, cosine, one_cycle = (
        [float(each) for each in line.split()] for line in re.findall(r"test losses \[(.*?)\]", done.stdout)
    )
    assert max(cosine[1], one_cycle[1]) < constant[1], "at twice the rate"
