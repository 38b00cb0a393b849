"""One trainer, several threads, signal handlers, forks: who comes second is refused, and changes nothing."""

import gc
import os
import signal
import threading
import traceback
from contextlib import contextmanager

import numpy as np
import pytest

import mlpfast as mf

ROWS = 4000


def trainer_and_data(**keywords):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(ROWS, 8)).astype(np.float32), rng.integers(3, size=ROWS)
    model = mf.mlp([8, 16, 3], "tanh", "softmax", seed=0)
    return mf.Trainer(model, **{"batch_size": 64, "n_threads": 1, "metrics": ["accuracy"], **keywords}), X, y


def everything(trainer):
    return trainer.model.parameters.tobytes(), trainer._state.tobytes(), trainer.steps, trainer.epochs


@contextmanager
def a_signal_after(seconds, handler, clock=signal.ITIMER_REAL):
    number = {signal.ITIMER_REAL: signal.SIGALRM, signal.ITIMER_PROF: signal.SIGPROF}[clock]
    before = signal.signal(number, handler)
    gc.disable()  # hypothesis looks on at collections: what a handler raises there is dropped
    signal.setitimer(clock, seconds)
    try:
        yield
    finally:
        signal.setitimer(clock, 0)
        gc.enable()
        signal.signal(number, before)


def uses(X, y):
    """Every way to put a trainer to work, also with another batch size and with memory that no engine has yet."""
    labels = y.astype(np.int32)
    return [
        lambda trainer: trainer.evaluate(X, y),
        lambda trainer: trainer.train_on_batch(X[:7], y[:7]),
        lambda trainer: trainer.train_on_batch(X, y),
        lambda trainer: trainer.run_epoch(X, labels),
        lambda trainer: trainer.loss_and_gradient(X, labels),
        lambda trainer: trainer.fit(X, y, verbose=0),
    ]


@pytest.mark.parametrize("number", range(6))
def test_another_thread_is_refused_while_one_fits(number):
    undisturbed, X, y = trainer_and_data()
    undisturbed.fit(X, y, epochs=30, verbose=0)
    trainer, _, _ = trainer_and_data()
    use, done, outcomes = uses(X, y)[number], threading.Event(), []

    def disturb(trainer, logs):
        if trainer.epochs == 0:  # from within the fit to its end
            thread.start()

    def try_again_and_again():
        while not done.is_set():
            try:
                use(trainer)
                outcomes.append("accepted")
            except RuntimeError as error:
                outcomes.append(str(error))

    class Start(mf.callbacks.Callback):
        def on_epoch_begin(self, trainer, logs):
            disturb(trainer, logs)

        def on_train_end(self, trainer, logs):
            done.set()
            thread.join()

    thread = threading.Thread(target=try_again_and_again)
    trainer.callbacks = [Start()]
    trainer.fit(X, y, epochs=30, verbose=0)
    assert {text.partition(",")[0] for text in outcomes} == {"this trainer is at work"}
    assert everything(trainer) == everything(undisturbed)
    use(trainer)  # it is free again


def test_callbacks_may_use_the_trainer_between_epochs():
    trainer, X, y = trainer_and_data()
    seen = []

    class Look(mf.callbacks.Callback):
        def on_epoch_end(self, trainer, logs):
            seen.append(trainer.evaluate(X, y)["loss"])
            trainer.train_on_batch(X[:9], y[:9])

    trainer.callbacks = [Look()]
    trainer.fit(X, y, epochs=2, verbose=0)
    assert len(seen) == 2
    assert trainer.steps == 2 * (-(-ROWS // 64) + 1)


LONG = np.tile(np.arange(ROWS), 1000)  # an epoch of some tenths of a second


@pytest.fixture(scope="module")
def after_a_long_epoch():
    trainer, X, y = trainer_and_data()
    trainer.run_epoch(X, y.astype(np.int32), order=LONG)
    return everything(trainer)


@pytest.mark.parametrize("number", range(6))
def test_a_signal_handler_is_refused_within_an_epoch(number, after_a_long_epoch):
    trainer, X, y = trainer_and_data()
    use, refused = uses(X, y)[number], []

    def handler(*_):
        with pytest.raises(RuntimeError, match="at work"):
            use(trainer)
        refused.append(True)

    with a_signal_after(0.06, handler):
        trainer.run_epoch(X, y.astype(np.int32), order=LONG)
    assert refused
    assert everything(trainer) == after_a_long_epoch


def test_an_error_gives_it_back(monkeypatch):
    trainer, X, y = trainer_and_data()

    def no_memory(*_, **__):
        raise MemoryError

    for use in uses(X, y):
        fresh, _, _ = trainer_and_data()
        with monkeypatch.context() as patch:
            patch.setattr("mlpfast.training.machinery.Engine", no_memory)
            with pytest.raises(MemoryError):
                use(fresh)
        assert everything(fresh) == everything(trainer)
        use(fresh)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_forked_meanwhile_has_a_free_trainer():
    trainer, X, y = trainer_and_data()

    class Long(mf.callbacks.Callback):
        """Holds the trainer in its thread until it is told to end."""

        def on_epoch_end(self, trainer, logs):
            started.set()
            return end.is_set()

    started, end = threading.Event(), threading.Event()
    trainer.callbacks = [Long()]
    thread = threading.Thread(target=lambda: trainer.fit(X, y, epochs=10**6, verbose=0))
    thread.start()
    try:
        started.wait()
        for _ in range(10):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    end.set()
                    trainer.model.parameters[:] = 0  # whatever step they were in
                    trainer.fit(X, y, epochs=2, verbose=0)
                    status = 0 if np.isfinite(trainer.evaluate(X, y)["loss"]) else 2
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        end.set()
        thread.join()


def raised_inside(error, module):
    """Whether the exception came out of compiled code, rather than after it had returned."""
    return any(module in frame.filename for frame in traceback.extract_tb(error.__traceback__))


@pytest.mark.parametrize("what", ["predict", "predict_csr", "evaluate", "loss_and_gradient", "gradient_of_model"])
def test_ctrl_c_is_heard_within_one_call(what):
    """Wide layers, since the time of the rows' check, in which no signal is waited for, does not grow with them."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20_000, 32)).astype(np.float32), np.zeros(20_000, np.int32)
    model = mf.mlp([32, 1024, 1024, 3], "tanh", "softmax")
    trainer = mf.Trainer(model, n_threads=1)
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.csr_array(X) if what == "predict_csr" else X
    out = np.full((len(y), 3), np.nan, np.float32)
    call, module = {
        "predict": (lambda: model.predict(rows, out=out, n_threads=1), "network"),
        "predict_csr": (lambda: model.predict(rows, out=out, n_threads=1), "network"),
        "evaluate": (lambda: trainer.evaluate(rows, y), "engine"),
        "loss_and_gradient": (lambda: trainer.loss_and_gradient(rows, y), "engine"),
        "gradient_of_model": (lambda: model.loss_and_gradient(rows, y, "cross_entropy", n_threads=1), "engine"),
    }[what]

    class Alarm(Exception):
        pass

    def handler(*_):
        raise Alarm

    # By the time that this process has worked: however busy the machine is, the check is over by then.
    with pytest.raises(Alarm) as caught, a_signal_after(0.05, handler, signal.ITIMER_PROF):
        call()
    assert raised_inside(caught.value, module)
