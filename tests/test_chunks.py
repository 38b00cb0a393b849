"""Rows that come in chunks: the bits of one array, whatever the chunks."""

import itertools
import threading

import numpy as np
import pytest
from chunked import RNG, WEIGHTS, X, Y, chunks, readers, results, trainer
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpfast as mf
from mlpfast.core.random import SHUFFLE, permutation

sparse = pytest.importorskip("scipy.sparse")


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not readers()


@settings(max_examples=40)
@given(
    cuts=st.lists(st.integers(1, 299), max_size=8),
    rows=st.integers(1, 300),
    batch_size=st.sampled_from([1, 7, 32, 64, 299, 1000]),
    kind=st.sampled_from(["float32", "float64", "uint8", "int16", "csr"]),
    dtype=st.sampled_from(["float32", "float64"]),
    weighted=st.booleans(),
    norm=st.booleans(),
    n_threads=st.integers(1, 3),
)
def test_any_chunks_have_the_bits_of_the_whole(cuts, rows, batch_size, kind, dtype, weighted, norm, n_threads):
    if norm and (batch_size == 1 or (weighted and (WEIGHTS[:rows] > 0).sum() < 2) or rows < 2):
        return  # statistics are of two rows at least
    features = sparse.csr_array(X * (X > 0.5)) if kind == "csr" else (X * (100 if "int" in kind else 1)).astype(kind)
    arrays = [features[:rows], Y[:rows], *([WEIGHTS[:rows]] if weighted else [])]
    if weighted and not WEIGHTS[:rows].any():
        return
    arguments = {"sample_weight": arrays[2]} if weighted else {}
    given = {"dtype": dtype, "batch_size": batch_size, "n_threads": n_threads}
    layers = [mf.BatchNorm()] if norm else []
    expected = results(arrays[:2], arguments=arguments, layers=layers, **given)
    pieces = chunks([cut for cut in cuts if cut < rows], *arrays)
    if all(piece[-1].any() for piece in pieces) or not weighted:
        assert results([pieces], layers=layers, **given) == expected


def test_chunks_of_any_numbers_and_containers():
    """Floats, integers and frames may follow each other; each becomes what the whole array would be."""
    whole = np.round(X * 50)
    pieces = chunks([40, 90, 91, 200], whole, Y)
    kinds = [np.float64, np.int16, np.float32, np.int64, np.int16]
    given = [(part.astype(kind), y) for (part, y), kind in zip(pieces, kinds, strict=True)]
    given[3] = given[3][0].tolist(), given[3][1].tolist()
    assert results([given]) == results([whole, Y])


def test_targets_may_have_columns():
    targets = RNG.normal(size=(300, 3))
    pieces = chunks([100, 101, 250], X, targets)
    found = []
    for data in ((X, targets), (pieces,)):
        model = mf.mlp([7, 5, 3], seed=0)
        mf.Trainer(model, "mse", shuffle=False).fit(*data, epochs=2, verbose=0)
        found.append(model.parameters.tobytes())
    assert found[0] == found[1]


def test_one_chunk_is_shuffled_as_the_whole():
    assert results([[(X, Y)]], shuffle=True) == results([X, Y], shuffle=True)


@pytest.mark.usefixtures("as_many_threads_as_asked_for")
def test_rows_are_shuffled_within_a_chunk():
    """By seed, epoch and chunk; the same bits for any number of threads."""
    pieces, made = chunks([80, 200], X, Y), trainer()
    for epoch in range(2):
        orders = [permutation(3, SHUFFLE | number << 8, epoch, len(y)) for number, (_, y) in enumerate(pieces)]
        parts = [(part[order], y[order]) for (part, y), order in zip(pieces, orders, strict=True)]
        made.fit(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)), verbose=0)
    for n_threads in (1, 2, 5):
        assert results([pieces], shuffle=True, n_threads=n_threads)[0] == made.model.state.tobytes()
    assert results([pieces], shuffle=True, seed=4)[0] != made.model.state.tobytes()


def test_memory_that_a_generator_fills_again():
    """A chunk has been copied when the next one is asked for."""

    def generate():
        buffer = np.empty((50, 7), np.float32)
        for i in range(0, 300, 50):
            buffer[:] = X[i : i + 50]
            yield buffer, Y[i : i + 50]

    assert results([generate]) == results([X, Y])


# --- epochs ---


def test_a_function_is_called_for_each_epoch():
    calls, closed = [], []

    def make():
        calls.append(threading.current_thread().name)
        try:
            yield from chunks([100], X, Y)
            yield X[:10], Y[:10]
        finally:
            closed.append(True)

    made = trainer()
    made.fit(make, epochs=3, verbose=0, steps_per_epoch=5)
    assert calls == ["mlpfast reader"] * 3 and len(closed) == 3 and made.steps == 15


def test_an_iterator_serves_one_epoch():
    made, pieces = trainer(), chunks([100], X, Y)
    with pytest.raises(ValueError, match=r"expected epochs=1 of a list_iterator, .*got more; give the function"):
        made.fit(iter(pieces), epochs=2, verbose=0)
    iterator = iter(pieces)
    made.fit(iterator, verbose=0)
    assert made.steps == 10
    with pytest.raises(ValueError, match="expected chunks of rows, got none: what was given had ended"):
        made.fit(iterator, verbose=0)
    assert made.steps == 10 and made.history.stopped_by == "error"


def test_endless_chunks_go_on_from_epoch_to_epoch():
    """5 steps of 32 rows end within a chunk; the next epoch begins there."""
    pieces, made = chunks([100, 201], X, Y), trainer()
    history = made.fit(itertools.cycle(pieces), epochs=3, steps_per_epoch=5, verbose=0)
    twin, rows = trainer(), np.arange(480) % 300
    for epoch in range(3):
        part = rows[epoch * 160 : (epoch + 1) * 160]
        expected = twin.fit(X[part], Y[part], verbose=0)
        assert history["loss"][epoch] == expected["loss"][0]
    assert made.model.state.tobytes() == twin.model.state.tobytes() and (made.steps, made.epochs) == (15, 3)


def test_endless_chunks_need_steps_per_epoch():
    with pytest.raises(ValueError, match=r"expected steps_per_epoch, as cycle never ends, got None"):
        trainer().fit(itertools.cycle(chunks([9], X, Y)), verbose=0)
    with pytest.raises(ValueError, match="expected steps_per_epoch with an iterable of chunks alone, got 3"):
        trainer().fit(X, Y, steps_per_epoch=3, verbose=0)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        trainer().fit([(X, Y)], steps_per_epoch=0, verbose=0)


@pytest.mark.parametrize("steps", [10, 11])
def test_chunks_that_end_early(steps):
    """Ten steps need 300 rows, the last of them in part; what was learnt in whole batches before stays."""
    made, twin = trainer(), trainer()
    twin.fit(X[:288] if steps == 11 else X, Y[:288] if steps == 11 else Y, verbose=0)
    if steps == 10:
        made.fit([(X, Y)], steps_per_epoch=10, verbose=0)
    else:
        with pytest.raises(ValueError, match=r"expected steps_per_epoch=11 steps of 32 rows, got .* after 300 rows"):
            made.fit([(X, Y)], steps_per_epoch=11, verbose=0)
    assert made.model.state.tobytes() == twin.model.state.tobytes() and made.steps == twin.steps


def test_schedules_go_on_within_an_epoch(monkeypatch):
    """Also where a batch is a piece of its own."""
    monkeypatch.setattr("mlpfast.training.feed.PIECE_BYTES", 1)
    schedule = mf.schedules.Cosine(0.01)
    expected = results([X, Y], optimizer=mf.SGD(schedule))
    assert results([chunks([33], X, Y)], arguments={"steps_per_epoch": 10}, optimizer=mf.SGD(schedule)) == expected
    assert results([chunks([33], X, Y)], optimizer=mf.Adam(ema=0.9)) == results([X, Y], optimizer=mf.Adam(ema=0.9))


@pytest.mark.parametrize("shuffle", [True, False])
def test_parts_of_an_epoch_are_a_whole_one(shuffle, monkeypatch):
    """A later call goes on within the epoch: its chunks are read again up to there."""
    monkeypatch.setattr("mlpfast.training.feed.PIECE_BYTES", 3000)
    pieces = chunks([33, 150], X, Y)
    whole, parts = trainer(shuffle=shuffle), trainer(shuffle=shuffle)
    expected = whole.fit(pieces, epochs=2, steps_per_epoch=10, verbose=0)
    for steps in (3, 6, 4, 7):
        found = parts.fit(pieces, steps=steps, steps_per_epoch=10, verbose=0)
    assert found["loss"][-1] == expected["loss"][-1] and (parts.steps, parts.epochs) == (20, 2)
    assert parts.model.state.tobytes() == whole.model.state.tobytes()
    with pytest.raises(ValueError, match="expected steps_per_epoch with steps, or parts of epochs"):
        parts.fit(pieces, epochs=0.5, verbose=0)


@pytest.mark.parametrize("steps_per_epoch", [None, 10])
def test_hooks_of_steps(steps_per_epoch):
    """They are called after each, the bits are the same, and an epoch ends where its chunks do."""
    counts = []
    hook = mf.callbacks.LambdaCallback(on_step_end=lambda trainer, logs: counts.append(trainer.steps))
    arguments = {"steps_per_epoch": steps_per_epoch}
    assert results([chunks([33], X, Y)], callbacks=[hook], arguments=arguments) == results([X, Y])
    assert counts == list(range(1, 21))


def test_a_trainer_that_was_saved_within_an_epoch_goes_on(tmp_path):
    pieces, whole, made = chunks([33, 150], X, Y), trainer(shuffle=True), trainer(shuffle=True)
    whole.fit(pieces, epochs=2, steps_per_epoch=10, verbose=0)
    made.fit(pieces, epochs=1.3, steps_per_epoch=10, verbose=0)
    made.save(tmp_path / "trainer.npz")
    again = mf.Trainer.load(tmp_path / "trainer.npz")
    again.fit(pieces, epochs=0.7, steps_per_epoch=10, verbose=0)
    assert again.model.state.tobytes() == whole.model.state.tobytes() and again.steps == 20


def test_max_seconds_ends_it_after_a_whole_step():
    made = trainer()
    history = made.fit(itertools.cycle(chunks([100], X, Y)), steps_per_epoch=10**9, max_seconds=0.05, verbose=0)
    assert history.stopped_by == "max_seconds" and made.steps > 0 and history["loss"]


# --- validation, metrics, weights of classes ---


def test_validation_data_and_metrics_that_need_all_rows():
    pieces = chunks([100], X, Y)
    with pytest.raises(ValueError, match=r"expected validation_data for roc_auc, which can't be computed of rows"):
        trainer(metrics=["accuracy", "roc_auc"]).fit(pieces, verbose=0)
    made = trainer(metrics=["accuracy", "roc_auc"])
    history = made.fit(pieces, validation_data=(X, Y), verbose=0)
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "val_roc_auc"}
    assert history["val_loss"][0] == made.evaluate(X, Y)["loss"]


@pytest.mark.parametrize("weighted", [True, False])
def test_evaluation_of_chunks(weighted, monkeypatch):
    monkeypatch.setattr("mlpfast.training.feed.PIECE_BYTES", 1)
    arrays = [X, Y, *([WEIGHTS] if weighted else [])]
    made = trainer(metrics=["accuracy", "log_loss"])
    expected, found = made.evaluate(*arrays), made.evaluate(chunks([33, 100], *arrays))
    assert found == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ValueError, match="expected 7 features, got 6 .X of chunk 1"):
        made.evaluate([(X, Y), (X[:, 1:], Y)])
    made.metrics = ["roc_auc"]
    with pytest.raises(ValueError, match="evaluate: expected no roc_auc, which can't be computed of rows"):
        made.evaluate([(X, Y)])


def test_metrics_that_are_finished_after_the_mean():
    model, targets = mf.mlp([7, 5, 2], seed=0), RNG.normal(size=(300, 2))
    made = mf.Trainer(model, "mse", metrics=["rmse"])
    assert made.evaluate(chunks([9, 99], X, targets)) == pytest.approx(made.evaluate(X, targets), rel=1e-12)


def test_class_weight():
    weights = {0: 2.0, 2: 0.5}
    assert results([chunks([100], X, Y)], class_weight=weights) == results([X, Y], class_weight=weights)
    with pytest.raises(ValueError, match="class_weight='balanced' needs all of y, got chunks of it"):
        trainer(class_weight="balanced").fit([(X, Y)], verbose=0)
