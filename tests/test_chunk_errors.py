"""Chunks with which something is wrong: it is named, what was learnt before stays, and no thread is left behind."""

import itertools
import os
import signal
import time

import numpy as np
import pytest
from chunked import WEIGHTS, X, Y, chunks, readers, results, trainer

import mlpfast as mf

sparse = pytest.importorskip("scipy.sparse")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not readers()


def changed(array, place, value):
    array = array.astype(np.float64)
    array[place] = value
    return array


BAD = {
    "NaN": ((changed(X, (7, 2), np.nan), Y), ValueError, "got NaN at row 7, column 2 .X of chunk 2 has shape"),
    "too large": ((changed(X, (7, 2), 1e300), Y), ValueError, "too large for float32, at row 7, column 2"),
    "width": ((X[:, :6], Y), ValueError, r"expected 7 features, got 6 \(X of chunk 2 has shape \(300, 6\)\)"),
    "rank": ((X[0], Y), ValueError, "expected X of chunk 2 to be 2-D"),
    "empty": ((X[:0], Y[:0]), ValueError, "expected at least one row, got none .X of chunk 2 has shape .0, 7"),
    "text": (([["a"] * 7], [0]), TypeError, "expected X of chunk 2 to be numeric, got dtype <U1"),
    "labels": ((X, Y + 5), ValueError, "expected class indices in y of chunk 2 from 0 to 2"),
    "length": ((X, Y[:9]), ValueError, "expected y of chunk 2 to be as long as X of chunk 2, 300 rows, got 9"),
    "alone": (X, TypeError, r"expected chunk 2 to be \(X, y\) or \(X, y, sample_weight\), got ndarray"),
    "four": ((X, Y, None, None), TypeError, "got tuple of length 4"),
    "sparse": ((sparse.csr_array(X), Y), ValueError, "expected all chunks to have dense X.* got sparse X.* in chunk 2"),
    "one-hot": ((X, np.eye(3)[Y]), ValueError, "expected all chunks to have .*class indices.* got .*3 columns"),
    "weights": ((X, Y, WEIGHTS), ValueError, "expected all chunks to have .* no sample_weight, got .* a sample_weight"),
    "negative": ((X, Y, -WEIGHTS), ValueError, "expected sample_weight of chunk 2 to be >= 0"),
    "huge": ((X, Y, 1e300 * WEIGHTS), ValueError, "expected weights nearer to 1 in sample_weight of chunk 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_chunks_are_named_and_what_was_learnt_before_stays(name):
    """130 rows before it are four whole batches; the other two rows are lost with it."""
    chunk, error, message = BAD[name]
    made, twin = trainer(), trainer()
    with pytest.raises(error, match=message):
        made.fit([*chunks([60], X[:130], Y[:130]), chunk], epochs=2, verbose=0)
    twin.fit(X[:128], Y[:128], verbose=0)
    assert made.model.state.tobytes() == twin.model.state.tobytes() and made.steps == 4
    made.fit(X, Y, verbose=0)
    twin.fit(X, Y, verbose=0)
    assert made.model.state.tobytes() == twin.model.state.tobytes()


def test_columns_in_another_order_are_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdefg"))
    made, twin = trainer(), trainer()
    twin.fit([(X[:150], Y[:150]), (X[150:], Y[150:])], epochs=2, verbose=0)
    made.fit([(frame[:150], Y[:150]), (frame[150:], Y[150:])], epochs=2, verbose=0)
    assert made.model.state.tobytes() == twin.model.state.tobytes()
    swapped = frame[list("abdcefg")]
    with pytest.raises(ValueError, match="expected column 2 of X of chunk 1 to be 'c', .* got 'd'; put them in one"):
        trainer().fit([(frame, Y), (swapped, Y)], verbose=0)
    with pytest.raises(ValueError, match="expected column 6 of X of chunk 1 to be 'g', .* got 'h'$"):
        trainer().fit([(frame, Y), (frame.rename(columns={"g": "h"}), Y)], verbose=0)


def test_what_a_generator_raises_arrives_as_it_is():
    def generate():
        yield X[:130], Y[:130]
        raise ConnectionError("lost")

    made = trainer()
    with pytest.raises(ConnectionError, match="lost") as info:
        made.fit(generate, verbose=0)
    assert info.value.__notes__ == ["mlpfast: raised in place of chunk 1, counted from 0"]
    assert made.steps == 4 and made.history.stopped_by == "error"


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        ([X], {}, TypeError, "expected y beside X, or an iterable of chunks .* got ndarray alone"),
        ([7], {}, TypeError, "got int alone"),
        (["abc"], {}, TypeError, "got str alone"),
        ([lambda: 7], {}, TypeError, "expected the function to return an iterable of chunks .X, y., got int"),
        ([list, Y], {}, ValueError, "expected y within the chunks"),
        ([[(X, Y)]], {"sample_weight": WEIGHTS}, ValueError, "expected sample_weight within the chunks"),
        ([[(X, Y)]], {"validation_fraction": 0.2}, ValueError, "expected validation_data for rows in chunks"),
        ([[(X, Y)]], {"stratify": True}, ValueError, "expected validation_data for .* got stratify"),
        ([[]], {}, ValueError, "expected chunks of rows, got none"),
        ([[(X, Y, 0 * WEIGHTS)]], {}, ValueError, "expected a positive sum of sample_weight, got zeros only"),
    ],
)
def test_what_gives_no_chunks(data, arguments, error, message):
    with pytest.raises(error, match=message):
        trainer().fit(*data, verbose=0, **arguments)


WHOLE = {
    "predict": lambda made, given: made.model.predict(given),
    "loss_and_gradient": lambda made, given: made.model.loss_and_gradient(given, Y, "cross_entropy"),
    "adapt": lambda made, given: made.model.adapt(given),
    "hvp": lambda made, given: made.model.hvp(given, Y, made.model.parameters, "cross_entropy"),
    "diagnose": lambda made, given: mf.diagnose(made.model, given, Y, "cross_entropy"),
    "lr_finder": lambda made, given: mf.lr_finder(made, given, None),
    "train_on_batch": lambda made, given: made.train_on_batch(given, Y),
    "evaluate with y": lambda made, given: made.evaluate(given, Y),
    "fit with y": lambda made, given: made.fit(given if not callable(given) else given(), Y, verbose=0),
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_wants_all_rows_says_where_chunks_are_taken(name):
    made = trainer()
    for given in (lambda: iter([(X, Y)]), iter([(X, Y)]), [(X, Y)], itertools.repeat((X, Y))):
        with pytest.raises(TypeError) as info:
            WHOLE[name](made, given)
        assert str(info.value).startswith("expected X to be an array of numbers, got ")
        assert str(info.value).endswith(
            "; chunks (X, y) are taken by Trainer.fit and Trainer.evaluate alone, and without y"
        )
    assert made.steps == 0


@pytest.mark.parametrize("given", [len, iter([1]), {1, 2}, {"a": [1]}, {"a": 1}.values()])
def test_what_is_no_array_is_named(given):
    """No chunks are what is asked for here, or meant."""
    with pytest.raises(TypeError, match=f"^expected y to be an array of numbers, got {type(given).__name__}$"):
        trainer().fit(X, given, verbose=0)
    if isinstance(given, (set, dict)):
        with pytest.raises(TypeError, match=f"^expected X to be an array of numbers, got {type(given).__name__}$"):
            trainer().fit(given, Y, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": None}, "expected a batch_size for rows that come in chunks"),
        ({"last_batch": "spread"}, "expected last_batch='keep' or 'drop' for rows that come in chunks"),
    ],
)
def test_what_needs_all_rows_is_refused(arguments, message):
    made = trainer(**arguments)
    with pytest.raises(ValueError, match=message):
        made.fit([(X, Y)], verbose=0)
    assert made.epochs == 0


@pytest.mark.parametrize("name", ["LBFGS", "LevenbergMarquardt", "NewtonCG"])
def test_optimizers_of_full_batches_ask_for_an_array(name):
    made = mf.Trainer(mf.mlp([7, 1], seed=0), "mse", getattr(mf, name)(), batch_size=None)
    with pytest.raises(ValueError, match=f"an optimizer that takes batches for .* got {name}, .* give it an array"):
        made.fit([(X, X[:, 0])], verbose=0)
    assert made.epochs == 0


@pytest.mark.parametrize("batch_size", [32, 100, 301])
@pytest.mark.parametrize("layers", [[], [mf.BatchNorm()]])
def test_the_last_batch_may_be_dropped(batch_size, layers):
    given = {"batch_size": batch_size, "layers": layers, "last_batch": "drop"}
    assert results([chunks([7, 99], X, Y)], **given) == results([X, Y], **given)
    if batch_size == 32:
        made = trainer(**given)
        with pytest.raises(ValueError, match="expected steps_per_epoch=10 steps of 32 rows"):
            made.fit([(X, Y)], steps_per_epoch=10, verbose=0)
        assert made.steps == 9


def test_codes_of_categories():
    model = mf.Model(2, [mf.Columns([(0, mf.OneHot(3))]), mf.Dense(1)], seed=0)
    codes = np.column_stack([np.arange(40) % 3, np.linspace(0, 1, 40)])
    bad = codes.copy()
    bad[11, 0] = 3
    with pytest.raises(ValueError, match="expected a category's code in X of chunk 1, .* got 3 at row 11, column 0"):
        mf.Trainer(model, "mse").fit([(codes, codes[:, 1]), (bad, bad[:, 1])], verbose=0)


def test_divergence_names_the_step_of_the_epoch(monkeypatch):
    monkeypatch.setattr("mlpfast.training.feed.PIECE_BYTES", 1)
    messages = []
    for data in ((X * 1e4, Y), (chunks([100], X * 1e4, Y),)):
        made = trainer(optimizer=mf.SGD(1e30))
        with pytest.raises(mf.DivergenceError) as info:
            made.fit(*data, epochs=3, verbose=0)
        messages.append((str(info.value), made.model.state.tobytes(), made.steps))
    assert messages[0] == messages[1]


def test_ctrl_c_while_a_chunk_is_awaited(ctrl_c_after):
    """The main thread waits, the reader sleeps in the user's generator."""
    made, twin = trainer(), trainer()

    def generate():
        yield X, Y
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        yield X, Y

    with pytest.raises(KeyboardInterrupt):
        made.fit(generate, verbose=0)
    assert made.history.stopped_by == "interrupt" and made.steps in (0, 9)
    if made.steps:
        twin.fit(X[:288], Y[:288], verbose=0)
    assert made.model.state.tobytes() == twin.model.state.tobytes()


def test_ctrl_c_while_the_engine_trains(ctrl_c_after):
    made = trainer()
    ctrl_c_after(0.1)
    with pytest.raises(KeyboardInterrupt):
        made.fit(itertools.cycle([(X, Y)]), steps_per_epoch=10**9, verbose=0)
    twin, steps = trainer(), made.steps
    twin.fit(itertools.cycle([(X, Y)]), steps_per_epoch=max(steps, 1), verbose=0)
    assert steps == 0 or made.model.state.tobytes() == twin.model.state.tobytes()
