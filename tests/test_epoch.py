"""The epoch loop is native: it holds no GIL, allocates nothing, and can be interrupted after any step."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.core.random import permutation

HERE = Path(__file__).parent
LAPS = 20_000  # of 1000 rows, for an epoch that lasts for seconds


def trainer_and_data(n_threads=1, rows=1000):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(rows, 20)).astype(np.float32), rng.integers(5, size=rows)
    model = mf.mlp([20, 32, 5], "relu", "softmax", seed=0)
    return mf.Trainer(model, batch_size=50, n_threads=n_threads, metrics=["accuracy"]), X, y


def by_single_steps(steps, X, y):
    """The same training, a step at a time."""
    trainer, _, _ = trainer_and_data(rows=len(X))
    per_epoch = len(X) // 50
    for step in range(steps):
        if step % per_epoch == 0:
            order = permutation(0, 1, step // per_epoch, len(X))
        rows = order[step % per_epoch * 50 :][:50]
        trainer.train_on_batch(X[rows], y[rows])
    return trainer


@pytest.mark.parametrize("n_threads", [1, 2])
def test_other_python_threads_run_meanwhile(n_threads):
    trainer, X, y = trainer_and_data(n_threads)
    trainer.fit(X, y, verbose=0)
    # One call of the native loop that lasts half a second: an epoch that goes through the rows again and again.
    order = np.tile(np.arange(1000), LAPS)
    ticks, done = [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        begin = time.monotonic()
        result = trainer.run_epoch(X, y.astype(np.int32), order=order, deadline=begin + 0.5)
        end = time.monotonic()
    finally:
        done.set()
        thread.join()
    assert result.status == "deadline"
    # A loop that held the GIL would leave only its edges to the other thread.
    middle = [t for t in ticks if begin + 0.1 < t < end - 0.1]
    assert len(middle) >= 10


ALLOCATIONS = """
    import ctypes, json
    import numpy as np
    import mlpfast as mf
    from mlpfast.validation import CSR

    count = ctypes.CDLL(None).malloc_count
    count.restype = ctypes.c_long
    found, falling = {}, mf.schedules.Exponential(0.01, steps=1000)
    for n_threads in (1, 2):
        for sizes, batch_size in (([20, 32, 5], 50), ([100, 128, 5], 200)):
            for optimizer, clips in ((mf.SGD(falling), {}), (mf.Adam(0.001), {"clip_norm": 0.01})):
                rng = np.random.default_rng(0)
                X, y = rng.normal(size=(1000, sizes[0])), rng.integers(5, size=1000).astype(np.int32)
                columns, each = np.tile(np.arange(0, sizes[0], 5), 1000), sizes[0] // 5
                sparse = CSR(rng.normal(size=len(columns)), columns, np.arange(0, 1000 * each + 1, each))
                model = mf.mlp(sizes, "gelu", "softmax", dropout=0.1)
                trainer = mf.Trainer(
                    model, optimizer=optimizer, batch_size=batch_size, n_threads=n_threads, metrics=["accuracy"],
                    l2=0.1, **clips
                )
                for kind, rows in (("dense", X), ("sparse", sparse)):
                    counts = []
                    for passes in (40, 40, 400):  # so that NumPy's cache of small arrays has no part in it
                        order = np.tile(np.arange(1000), passes)
                        before = count()
                        result = trainer.run_epoch(rows, y, order=order)
                        counts.append(count() - before)
                        assert result.status == "ok" and result.rows == 1000 * passes
                    found[f"{kind} {sizes} {optimizer.name} {n_threads} threads"] = counts
    print(json.dumps(found))
"""


ALLOCATIONS_OF_LAYERS = """
    import ctypes, json
    import numpy as np
    import mlpfast as mf
    from layer_checks import Shift, data, models, register_toy
    from mlpfast.layers import LAYERS

    count = ctypes.CDLL(None).malloc_count
    count.restype = ctypes.c_long
    found = {}
    assert register_toy()
    for name, layer_class in {**LAYERS, "shift": Shift}.items():
        for number, model in enumerate(models(layer_class, "float32")):
            X, y = data(model, 100)
            trainer = mf.Trainer(model, "mse", mf.SGD(1e-12), batch_size=20, n_threads=1 + number % 2)
            counts = []
            for passes in (10, 10, 100):
                order = np.tile(np.arange(100), passes)
                before = count()
                result = trainer.run_epoch(X, y.astype(np.float32), order=order)
                counts.append(count() - before)
                assert result.status == "ok" and result.rows == 100 * passes
            found[f"{name} {number}"] = counts
    print(json.dumps(found))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the calls of glibc's malloc")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer has a malloc of its own")
@pytest.mark.parametrize("program", [ALLOCATIONS, ALLOCATIONS_OF_LAYERS], ids=["dense", "every layer"])
def test_steps_do_not_allocate(tmp_path, program):
    """Thousands of steps more, no more calls of malloc; with PYTHONMALLOC=malloc, Python objects are counted too."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = tmp_path / "malloc_count.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, HERE / "malloc_count.c"], check=True)
    environment = os.environ | {"LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"}
    search = f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
    result = subprocess.run(
        [sys.executable, "-c", search + textwrap.dedent(program)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for case, (_, short, long) in json.loads(result.stdout).items():
        assert short > 0, "the counter does not count"
        # The Python around the loop varies by a few; one allocation in a step would make 450 or more.
        assert long < short + 20, f"{case}: {short} allocations in an epoch, {long} in one of ten times the steps"


@contextmanager
def alarm_after(seconds, handler):
    """Send this process a SIGALRM in a while, for the handler."""
    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_ctrl_c_within_an_epoch(ctrl_c_after):
    """One epoch that would last for seconds stops at once, after a whole step."""
    trainer, X, y = trainer_and_data()
    order = np.tile(np.arange(1000), LAPS)
    ctrl_c_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        trainer.run_epoch(X, y.astype(np.int32), order=order)
    assert 0 < trainer.steps < len(order) // 50
    twin, _, _ = trainer_and_data()
    twin.run_epoch(X, y.astype(np.int32), order=order[: 50 * trainer.steps])
    np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)
    np.testing.assert_array_equal(trainer._state, twin._state)


def test_ctrl_c_during_fit(ctrl_c_after):
    trainer, X, y = trainer_and_data()
    ended = []

    class Ends(mf.callbacks.Callback):
        def on_train_end(self, trainer, logs):
            ended.append(dict(logs))

    trainer.callbacks = (Ends(),)
    ctrl_c_after(0.3)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, y, epochs=10**6, verbose=0)
    history = trainer.history
    assert history.stopped_by == "interrupt"
    assert history.epochs == len(history["loss"]) == len(history["accuracy"]) > 0
    assert ended[0]["loss"] == history["loss"][-1]
    steps = trainer.steps
    np.testing.assert_array_equal(by_single_steps(steps, X, y).model.parameters, trainer.model.parameters)
    trainer.fit(X, y, epochs=1, verbose=0)  # and it goes on
    assert trainer.steps == steps + 20


def test_another_signals_handler_may_raise_what_it_likes():
    class Alarm(Exception):
        pass

    def handler(number, frame):
        raise Alarm

    trainer, X, y = trainer_and_data()
    order = np.tile(np.arange(1000), LAPS)
    with alarm_after(0.3, handler), pytest.raises(Alarm):
        trainer.run_epoch(X, y.astype(np.int32), order=order)
    assert trainer.steps > 0


def test_a_deadline_ends_after_a_whole_step():
    trainer, X, y = trainer_and_data()
    history = trainer.fit(X, y, epochs=10**6, verbose=0, max_seconds=0.2)
    assert history.stopped_by == "max_seconds"
    np.testing.assert_array_equal(by_single_steps(trainer.steps, X, y).model.parameters, trainer.model.parameters)


def test_a_callback_may_change_the_parameters():
    """The engine keeps packed copies of the weights; what Python writes between epochs counts nevertheless."""
    trainer, X, y = trainer_and_data()
    trainer.fit(X, y, verbose=0)
    trainer.model.weights[1][:] = 0
    trainer.model.biases[1][:] = 0
    assert trainer.evaluate(X, y)["loss"] == pytest.approx(np.log(5), rel=1e-6)
    assert trainer.train_on_batch(X[:50], y[:50]) == pytest.approx(np.log(5), rel=1e-6)


def test_a_trainer_at_work_refuses_another_call():
    trainer, X, y = trainer_and_data()
    refused, long = [], np.tile(np.arange(len(X)), 20_000)

    def interrupt(*_):
        try:
            trainer.evaluate(X[:10], y[:10])
        except RuntimeError as error:
            refused.append(str(error))
        raise TimeoutError

    with alarm_after(0.1, interrupt), pytest.raises(TimeoutError):
        trainer.run_epoch(X, y.astype(np.int32), order=long)
    assert refused
    assert "at work" in refused[0]
    assert trainer.evaluate(X[:10], y[:10])["loss"] > 0


def test_denormal_numbers_are_flushed_in_training_only():
    trainer, X, y = trainer_and_data()
    trainer.model.parameters[:] = 1e-42
    assert trainer.model.predict(np.zeros(20, np.float32))[0, 0] == pytest.approx(0.2)
    trainer.fit(X, y, verbose=0)
    tiny = np.array([1e-310])
    assert tiny * 0.5 > 0  # the caller's arithmetic is as it was


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y, order: (X[:, :5], y, order), "expected a C-contiguous"),
        (lambda X, y, order: (np.asfortranarray(X), y, order), "expected a C-contiguous"),
        (lambda X, y, order: (X, y[:-1], order), "rows"),
        (lambda X, y, order: (X, y + np.int32(5), order), "class indices"),
        (lambda X, y, order: (X, y, order.astype(np.int32)), "int64"),
        (lambda X, y, order: (X, y, order[::2]), "int64"),
        (lambda X, y, order: (X, y, order + 1), "row indices"),
        (lambda X, y, order: (X[:0], y[:0], None), "at least one row"),
    ],
)
def test_run_epoch_never_reads_beyond_its_arrays(change, message):
    trainer, X, y = trainer_and_data()
    before = trainer.model.parameters.copy()
    X, y, order = change(X, y.astype(np.int32), np.arange(len(X)))
    with pytest.raises(ValueError, match=message):
        trainer.run_epoch(X, y, order=order)
    np.testing.assert_array_equal(trainer.model.parameters, before)


def test_steps_are_counted_whatever_comes_in_between():
    """Signals at any moment: the parameters are always those of so many steps."""
    trainer, X, y = trainer_and_data()
    twin, _, _ = trainer_and_data()

    class Alarm(Exception):
        pass

    def handler(number, frame):
        raise Alarm

    heard = 0
    for i in range(60):
        try:
            with alarm_after(0.001 + 0.00013 * i, handler):
                for _ in range(5000):
                    trainer.train_on_batch(X[:50], y[:50])
        except Alarm:  # an alarm that goes off within a finalizer is lost
            heard += 1
        while twin.steps < trainer.steps:
            twin.train_on_batch(X[:50], y[:50])
        np.testing.assert_array_equal(trainer.model.parameters, twin.model.parameters)
        np.testing.assert_array_equal(trainer._state, twin._state)
    assert heard > 50
