"""Paths, and files that are replaced as a whole: the new one is written beside the old, and takes its name at last."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from typing import IO

__all__ = ["as_path", "kind_of", "replacing"]

_KINDS = {
    stat.S_IFREG: "a regular file",
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
}
_LEFT_BEHIND = re.compile(r"\.mlpfast-[0-9a-f]{16}\.tmp")


def as_path(path: str | bytes | os.PathLike[str], *, in_memory: str = "") -> str:
    """The path as a str. `in_memory`: the call to make where a file object would have been as welcome."""
    try:
        return os.fsdecode(path)
    except TypeError:
        is_file = hasattr(path, "read") or hasattr(path, "write")
        hint = f"; in memory, use {in_memory}" if in_memory and is_file else ""
        raise TypeError(f"expected path to be a str or path-like, got {type(path).__name__}{hint}") from None


def kind_of(mode: int) -> str:
    """What a file is, by its `st_mode`."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


@contextlib.contextmanager
def replacing(path: str) -> Iterator[IO[bytes]]:
    """A new file to write; it takes the place of `path` when the block ends, and goes away if the block raises.

    The file that is replaced has to be a regular one that may be written; links are followed to it. The new file has
    its mode and owner. While it is written it has a name of its own in the same folder and is locked: by that, whoever
    comes later knows the files of those that are at work from what was left by those that were killed.
    """
    old = replaceable(path)
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    _remove_left_behind(folder)
    try:
        descriptor, temporary = _create(folder, 0o666 if old is None else 0o600)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None  # the name that the caller knows
    try:
        with open(descriptor, "wb") as file:
            if old is not None:
                _give_to_owner(descriptor, old, path)
            yield file
            file.flush()
            if old is not None:
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
            os.fsync(descriptor)
            os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(folder)


def replaceable(path: str) -> os.stat_result | None:
    """The status of the file at `path`, None if there is none; an OSError if it is not one to replace."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        if not os.path.basename(path):
            raise
        return None
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"expected a regular file to replace, got {kind_of(status.st_mode)}", path)
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return status


def _create(folder: str, mode: int) -> tuple[int, str]:
    """A new file in the folder, open and locked, and its name."""
    while True:
        name = os.path.join(folder, f".mlpfast-{secrets.token_hex(8)}.tmp")
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # somebody took it for left behind before it was locked
            os.close(descriptor)
            continue
        except OSError:  # a file system without locks: there nobody removes anything
            return descriptor, name
        if os.fstat(descriptor).st_nlink:
            return descriptor, name
        os.close(descriptor)


def _remove_left_behind(folder: str) -> None:
    """Remove what others that were killed have left in the folder: nobody holds the lock of those files."""
    with contextlib.suppress(OSError):  # a folder that may not be read, or is not there: creating a file will tell
        for name in filter(_LEFT_BEHIND.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError):
                descriptor = os.open(os.path.join(folder, name), os.O_RDWR | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(os.path.join(folder, name))
                finally:
                    os.close(descriptor)


def _give_to_owner(descriptor: int, old: os.stat_result, path: str) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) == (old.st_uid, old.st_gid):
        return
    try:
        os.fchown(descriptor, old.st_uid, old.st_gid)
    except PermissionError:
        message = f"can't replace the file and leave it to its owner (user {old.st_uid}, group {old.st_gid})"
        raise PermissionError(errno.EPERM, message, path) from None


def _sync(folder: str) -> None:
    """Have the folder's entries written, so that a new name outlives a power cut."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # it may be written, but not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that do not sync folders
            raise
    finally:
        os.close(descriptor)
