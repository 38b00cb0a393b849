"""The command ``mlpfast``, as a user types it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.cli import main


def test_demo_learns_and_saves(tmp_path, capsys):
    path = tmp_path / "digits.npz"
    assert main(["demo", "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    accuracies = re.search(r"Accuracy: (\S+) on the training rows, (\S+) on the test rows", printed)
    train, test = map(float, accuracies.groups())
    assert train >= 0.99 and test >= 0.97
    assert re.search(r"Trained \d+ epochs in \S+ s: [\d,]+ samples/s", printed)
    assert str(path) in printed

    rows = re.findall(r"^ +(\d) ((?: +[\d.]+){10})$", printed, re.MULTILINE)
    counts = np.array([[int(count.replace(".", "0")) for count in row.split()] for _, row in rows])
    assert counts.shape == (10, 10)
    assert counts.trace() / counts.sum() == pytest.approx(test, abs=1e-4)

    X, y = mf.datasets.load_digits()
    assert np.mean(mf.load(path).predict(X / 16).argmax(axis=1) == y) >= 0.98


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("no/such/folder/digits.npz", "No such file or directory"),
        ("file/digits.npz", "Not a directory"),
        ("folder", "Is a directory"),
        ("fifo", "expected a regular file to replace, got a FIFO"),
        ("dangling", "No such file or directory"),  # a link to no/such/target
        (250 * "x" + ".npz", "File name too long"),
    ],
)
def test_output_that_cannot_be_written_is_refused_before_training(tmp_path, monkeypatch, capsys, output, message):
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("kept")
    Path("folder").mkdir()
    os.mkfifo("fifo")
    Path("dangling").symlink_to("no/such/target")
    before = sorted(tmp_path.rglob("*"))

    assert main(["demo", "--epochs", "1", "--output", output]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"--output: expected a file that can be written, got {output!r}: " in printed.err
    assert message in printed.err
    assert sorted(tmp_path.rglob("*")) == before and Path("file").read_text() == "kept"


def test_output_in_a_folder_without_permission_is_refused_before_training(tmp_path, capsys):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    assert main(["demo", "--epochs", "1", "--output", str(tmp_path / "digits.npz")]) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "Permission denied" in printed.err


def test_output_replaces_a_file_and_follows_a_link(tmp_path):
    path, link = tmp_path / "digits.npz", tmp_path / "link.npz"
    path.write_text("old")
    link.symlink_to(path)
    assert main(["demo", "--epochs", "1", "--output", str(link)]) == 0
    assert link.is_symlink() and mf.load(path).n_parameters == 64 * 64 * 2 + 64 * 2 + 64 * 10 + 10
    assert sorted(tmp_path.iterdir()) == [path, link]


def test_demo_seed_decides_everything(tmp_path):
    parameters = []
    for name in ("a.npz", "b.npz"):
        path = str(tmp_path / name)
        assert main(["demo", "--epochs", "2", "--seed", "3", "--n-threads", "1", "--output", path]) == 0
        parameters.append(mf.load(path).parameters.tobytes())
    assert parameters[0] == parameters[1]


def test_info(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    for expected in (mf.__version__, np.__version__, "portable", "threads"):
        assert expected in printed


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["demo", "--epochs", "0"], 1, "epochs"),
        (["demo", "--epochs", "1", "--output", "no/such/folder/digits.npz"], 1, "no/such/folder"),
        (["demo", "--epochs", "many"], 2, "invalid int value: 'many'"),
        (["dance"], 2, "invalid choice: 'dance'"),
        ([], 2, "command"),
    ],
)
def test_wrong_use_is_explained(tmp_path, arguments, status, message):
    done = subprocess.run(
        [sys.executable, "-m", "mlpfast", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_version(tmp_path):
    done = subprocess.run([sys.executable, "-m", "mlpfast", "--version"], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == f"mlpfast {mf.__version__}\n"
