"""What saving does to the file that is there, to its folder, and to what an earlier save left behind."""

import contextlib
import os
import pickle
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.cli import main

ROOT = os.geteuid() == 0
MODEL = mf.mlp([3, 2, 1], seed=1)
LEFT_BEHIND = ".mlpfast-0123456789abcdef.tmp"


def loads(path):
    return np.array_equal(mf.load(path).parameters, MODEL.parameters)


def fifo(path):
    os.mkfifo(path)


def unix_socket(path):
    socket.socket(socket.AF_UNIX).bind(str(path))


def device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # a /dev/null that may be lost
    except PermissionError:
        pytest.skip("only root makes devices")


SPECIAL = {"FIFO": fifo, "socket": unix_socket, "character device": device}


@pytest.mark.parametrize("kind", SPECIAL)
@pytest.mark.parametrize("linked", [False, True])
def test_only_regular_files_are_replaced(tmp_path, kind, linked):
    path = tmp_path / "special"
    SPECIAL[kind](path)
    before = path.lstat()
    if linked:
        path = tmp_path / "link"
        path.symlink_to("special")
    names = sorted(os.listdir(tmp_path))
    with pytest.raises(OSError, match=f"expected a regular file to replace, got a {kind}: '{path}'"):
        MODEL.save(path)
    after = (tmp_path / "special").lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert sorted(os.listdir(tmp_path)) == names


def test_demo_leaves_a_device_alone(tmp_path, capsys):
    device(tmp_path / "null")
    assert main(["demo", "--epochs", "1", "--output", str(tmp_path / "null")]) == 1
    assert "character device" in capsys.readouterr().err
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)


@pytest.mark.parametrize("name", ["", "folder", "folder/", "new/"])
def test_folders_and_nothing_are_not_replaced(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    with pytest.raises((IsADirectoryError, FileNotFoundError)) as raised:
        MODEL.save(name)
    assert raised.value.filename == name
    assert os.listdir() == ["folder"] and not os.listdir("folder")


def test_what_is_missing_is_named_as_the_caller_does(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        MODEL.save(tmp_path / "nowhere" / "model.npz")
    assert raised.value.filename == str(tmp_path / "nowhere" / "model.npz")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_the_mode_is_kept(tmp_path, mode):
    path = tmp_path / "model.npz"
    path.touch()
    path.chmod(mode)
    MODEL.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == mode and loads(path)


def test_a_new_file_has_the_mode_that_new_files_have(tmp_path):
    (tmp_path / "plain").touch()
    MODEL.save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_the_owner_is_kept(tmp_path):
    path = tmp_path / "model.npz"
    path.touch(mode=0o640)
    os.chown(path, 1234, 5678)
    MODEL.save(path)
    status = path.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1234, 5678, 0o640) and loads(path)


@pytest.fixture
def everyones_folder():
    """A folder that everybody may write, and that an unprivileged user reaches."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        yield Path(folder)


@contextlib.contextmanager
def unprivileged():
    """As somebody who is not root."""
    if ROOT:
        os.seteuid(4321)
    try:
        yield
    finally:
        if ROOT:
            os.seteuid(0)


def test_a_read_only_file_is_not_replaced(everyones_folder):
    path = everyones_folder / "model.npz"
    with unprivileged():
        path.write_bytes(b"precious")
        path.chmod(0o444)
        with pytest.raises(PermissionError, match="model.npz"):
            MODEL.save(path)
    assert path.read_bytes() == b"precious" and os.listdir(everyones_folder) == ["model.npz"]


@pytest.mark.skipif(not ROOT, reason="only root makes a file that is somebody else's")
def test_a_file_whose_owner_cannot_be_kept_is_not_replaced(everyones_folder):
    path = everyones_folder / "model.npz"
    path.write_bytes(b"precious")
    path.chmod(0o666)
    with unprivileged(), pytest.raises(PermissionError, match=r"leave it to its owner \(user 0, group \d+\)"):
        MODEL.save(path)
    assert path.read_bytes() == b"precious" and os.listdir(everyones_folder) == ["model.npz"]


def test_a_folder_that_may_be_written_but_not_read(everyones_folder):
    os.chmod(everyones_folder, 0o333)
    if not ROOT:
        os.chmod(everyones_folder, 0o300)
    with unprivileged():
        MODEL.save(everyones_folder / "model.npz")
    os.chmod(everyones_folder, 0o777)
    assert loads(everyones_folder / "model.npz")


def test_file_and_folder_are_synced(tmp_path, monkeypatch):
    synced = []

    def fsync(descriptor):
        synced.append((os.fstat(descriptor).st_ino, sorted(os.listdir(tmp_path))))

    monkeypatch.setattr(os, "fsync", fsync)
    MODEL.save(tmp_path / "model.npz")
    (file, before), (folder, after) = synced
    assert file == (tmp_path / "model.npz").stat().st_ino and before != ["model.npz"]  # under its own name first
    assert folder == tmp_path.stat().st_ino and after == ["model.npz"]


SAVE_AND_HANG = """
import os, sys, time
import mlpfast as mf

def hang(descriptor):
    print("saving", flush=True)
    time.sleep(600)

os.fsync = hang
mf.mlp([3, 2, 1]).save(sys.argv[1])
"""


def test_what_a_killed_save_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "epoch 1.npz"
    with subprocess.Popen([sys.executable, "-c", SAVE_AND_HANG, str(path)], stdout=subprocess.PIPE) as saving:
        saving.stdout.readline()
        assert len(os.listdir(tmp_path)) == 1
        MODEL.save(tmp_path / "epoch 2.npz")  # the other is at work
        assert len(os.listdir(tmp_path)) == 2
        saving.send_signal(signal.SIGKILL)
    MODEL.save(tmp_path / "epoch 3.npz")
    assert sorted(os.listdir(tmp_path)) == ["epoch 2.npz", "epoch 3.npz"]


def test_only_what_was_left_behind_is_removed(tmp_path):
    others = ["model.npz.tmp", ".mlpfast-.tmp", LEFT_BEHIND + "2", "a" + LEFT_BEHIND]
    for name in [LEFT_BEHIND, *others]:
        (tmp_path / name).touch()
    (tmp_path / ".mlpfast-1111111111111111.tmp").mkdir()
    MODEL.save(tmp_path / "model.npz")
    assert set(os.listdir(tmp_path)) == {*others, ".mlpfast-1111111111111111.tmp", "model.npz"}


def test_saves_at_the_same_time_in_one_folder(tmp_path, monkeypatch):
    """The second begins and ends while the first is about to end."""
    fsync = os.fsync

    def saves_another(descriptor):
        monkeypatch.setattr(os, "fsync", fsync)
        MODEL.save(tmp_path / "second.npz")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", saves_another)
    MODEL.save(tmp_path / "first.npz")
    assert loads(tmp_path / "first.npz") and loads(tmp_path / "second.npz")


def test_paths_of_bytes(tmp_path):
    path = os.fsencode(tmp_path / "\udcff.npz")  # not UTF-8
    MODEL.save(path)
    assert loads(path) and os.listdir(os.fsencode(tmp_path)) == [b"\xff.npz"]


def test_callbacks_take_paths_of_bytes(tmp_path):
    folder, path = os.fsencode(tmp_path / "\udcff"), os.fsencode(tmp_path / "log.csv")
    callbacks = [mf.callbacks.Checkpoint(folder, "loss"), mf.callbacks.CSVLogger(path)]
    trainer = mf.Trainer(mf.mlp([1, 1]), "mse", callbacks=callbacks)
    for resume in (None, "latest", folder):
        trainer.fit([[0.0], [1.0]], [0.0, 1.0], epochs=2, verbose=0, resume=resume)
    assert sorted(os.listdir(folder)) == [b"best.npz", b"checkpoint-000002.npz"]


@pytest.mark.parametrize(
    ("use", "remedy"),
    [
        (MODEL.save, "pickle.dumps(model)"),
        (mf.load, "pickle.loads(data)"),
        (mf.Trainer(mf.mlp([2, 1])).save, "pickle.dumps(trainer)"),
        (mf.Trainer.load, "pickle.loads(data)"),
        (mf.callbacks.CSVLogger, None),
    ],
)
def test_what_is_not_a_path(use, remedy):
    expected = "expected path to be a str or path-like, got"
    for target, hint in [(3, ""), (None, ""), (BytesIO(), f"; in memory, use {remedy}" if remedy else "")]:
        with pytest.raises(TypeError, match=f"^{re.escape(f'{expected} {type(target).__name__}{hint}')}$"):
            use(target)
    assert np.array_equal(pickle.loads(pickle.dumps(MODEL)).parameters, MODEL.parameters)
