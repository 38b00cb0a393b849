"""A child forked while another thread is at work: no lock stays locked, and no limit on threads stays."""

from __future__ import annotations

import functools
import importlib
import os
import pkgutil
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from threadpoolctl import ThreadpoolController

import mlpfast
from mlpfast import MLPRegressor

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # Not by catch_warnings, which is no thread's own. Newer Pythons warn of forks in a process with threads.
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:.*fork:DeprecationWarning"),
]

X = np.random.default_rng(0).normal(size=(40, 3))
Y = X[:, 0]
LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Semaphore)


def locks() -> Iterator[tuple[str, Any, str]]:
    """The locks that the package's modules, a model, a trainer and all in them hold: path, owner, attribute."""
    seen: set[int] = set()

    def walk(path: str, owner: Any) -> Iterator[tuple[str, Any, str]]:
        if id(owner) in seen:
            return
        seen.add(id(owner))
        for name, value in list(getattr(owner, "__dict__", {}).items()):
            ours = value if isinstance(value, type) else type(value)
            if isinstance(value, LOCKS):
                yield f"{path}.{name}", owner, name
            elif str(getattr(ours, "__module__", "")).startswith("mlpfast"):
                yield from walk(f"{path}.{name}", value)

    for info in pkgutil.walk_packages(mlpfast.__path__, "mlpfast."):
        if not info.name.endswith("__main__"):
            yield from walk(info.name, importlib.import_module(info.name))
    model = mlpfast.mlp([3, 1])
    yield from walk("Trainer", mlpfast.Trainer(model, loss="mse"))
    yield from walk("Objective", model.objective(X, Y, "mse"))


def test_no_attribute_is_computed_under_a_lock() -> None:
    """`functools.cached_property` has one for each class, up to Python 3.11, and nobody gives it back to a child."""
    found = [
        f"{info.name}.{name}.{key}"
        for info in pkgutil.walk_packages(mlpfast.__path__, "mlpfast.")
        if not info.name.endswith("__main__")
        for name, value in vars(importlib.import_module(info.name)).items()
        if isinstance(value, type)
        for key, attribute in vars(value).items()
        if isinstance(attribute, functools.cached_property) and value.__module__.startswith("mlpfast")
    ]
    assert found == []


def in_child(check: Callable[[], bool]) -> bool:
    """Whether `check` is true in a forked child, within half a minute."""
    child = os.fork()
    if child == 0:
        passed = False
        try:
            passed = check()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0 if passed else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def fits() -> bool:
    for solver in ("lbfgs", "adam"):
        mlp = MLPRegressor(hidden_layer_sizes=4, solver=solver, max_iter=3, random_state=0).fit(X, Y)
    return bool(np.isfinite(mlp.predict(X)).all())


def test_the_walk_finds_the_locks() -> None:
    assert any("blas" in path for path, _, _ in locks())


@pytest.mark.parametrize("path", [path for path, _, _ in locks()])
def test_no_lock_stays_locked_in_a_child(path: str) -> None:
    owner, name = next((owner, name) for each, owner, name in locks() if each == path)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with getattr(owner, name):
            held.set()
            done.wait(60)

    def is_free() -> bool:
        return getattr(owner, name).acquire(timeout=5)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        assert in_child(fits)
        assert in_child(is_free)
    finally:
        done.set()
        holder.join()


class Forks(mlpfast.callbacks.Callback):
    """Notes whether `check` is true in a child forked in mid-fit."""

    def __init__(self, check: Callable[[], bool]) -> None:
        self.check = check
        self.passed: list[bool] = []

    def on_epoch_end(self, trainer: Any, logs: Any) -> bool:
        self.passed.append(in_child(self.check))
        return True


def test_blas_has_its_threads_in_a_child_and_after_the_fit() -> None:
    blas = ThreadpoolController().select(user_api="blas")

    def n_threads() -> set[int]:
        return {library["num_threads"] for library in blas.info()}

    def has_its_threads() -> bool:
        return n_threads() == {2} and fits() and n_threads() == {2}

    with blas.limit(limits=2):
        forks = Forks(has_its_threads)
        MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", callbacks=[forks]).fit(X, Y)
        assert forks.passed == [True]
        assert n_threads() == {2}


def test_a_fit_may_go_on_in_a_child() -> None:
    blas = ThreadpoolController().select(user_api="blas")
    parent = os.getpid()
    children: list[int] = []

    class Fork(mlpfast.callbacks.Callback):
        def on_epoch_end(self, trainer: Any, logs: Any) -> None:
            if not children:
                children.append(os.fork())

    with blas.limit(limits=2):
        mlp = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=5, callbacks=[Fork()], random_state=0)
        try:
            mlp.fit(X, Y)
            passed = mlp.n_iter_ == 5 and {library["num_threads"] for library in blas.info()} == {2}
        finally:
            if os.getpid() != parent:
                os._exit(0 if passed else 1)
    assert passed
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0


def test_children_forked_beside_a_loop_of_fits_do_not_hang() -> None:
    done = threading.Event()

    def loop() -> None:
        while not done.is_set():
            fits()

    worker = threading.Thread(target=loop)
    worker.start()
    try:
        assert all(in_child(fits) for _ in range(10))
    finally:
        done.set()
        worker.join()


def test_what_a_call_of_another_thread_has_is_not_waited_for() -> None:
    """Calls that take turns in one object would leave it taken, in a child, by a thread that is not there."""
    waits, go = threading.Event(), threading.Event()

    def called(y: Any, outputs: Any, weights: Any = None) -> Any:
        if threading.current_thread() is other:
            waits.set()
            go.wait(60)
        return ((outputs - y) ** 2).sum(axis=1), 2 * (outputs - y)

    model = mlpfast.mlp([3, 1], dtype="float64")
    objective = model.objective(X, Y, mlpfast.losses.Custom(called))
    at = np.ones(4)
    other = threading.Thread(target=objective, args=(at,))
    other.start()
    waits.wait()
    try:
        value = objective.value(at)
        assert in_child(lambda: objective.value(at) == value)
    finally:
        go.set()
        other.join()


class ForksOnce(mlpfast.callbacks.Callback):
    """Forks within an epoch; the child goes on, too."""

    def __init__(self) -> None:
        self.child: int | None = None

    def on_step_end(self, trainer: Any, logs: Any) -> None:
        if self.child is None:
            self.child = os.fork()


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_fit_of_chunks_may_go_on_in_a_child(goes_on: bool) -> None:
    """Whose thread that reads is the parent's: it begins the epoch anew, up to where it was."""

    def chunks() -> Iterator[tuple[Any, Any]]:
        for first in range(0, 40, 8):
            yield X[first : first + 8], Y[first : first + 8]

    def fitted(*callbacks: Any) -> Any:
        trainer = mlpfast.Trainer(mlpfast.mlp([3, 1], seed=0), "mse", batch_size=4, callbacks=callbacks)
        trainer.fit(chunks if goes_on else iter(list(chunks()) * 2), epochs=2, steps_per_epoch=10, verbose=0)
        return trainer.model.parameters

    expected, parent, forks, passed = fitted(), os.getpid(), ForksOnce(), False
    try:
        passed = np.array_equal(fitted(forks), expected)
    except RuntimeError as error:
        passed = os.getpid() != parent and not goes_on and "forked child" in str(error)
    finally:
        if os.getpid() != parent:
            os._exit(0 if passed else 1)
    assert passed
    assert forks.child is not None
    assert os.waitstatus_to_exitcode(os.waitpid(forks.child, 0)[1]) == 0
