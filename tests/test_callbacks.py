"""The callback protocol, and early stopping."""

import copy
import math
import pickle
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlpfast as mf
from mlpfast.callbacks import Callback, EarlyStopping


def make(callbacks, **keywords):
    trainer = mf.Trainer(
        mf.mlp([2, 4, 1], "tanh", dtype="float64"), "mse", batch_size=8, callbacks=callbacks, **keywords
    )
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 2))
    return trainer, X, X[:, :1] * X[:, 1:]


class Recorder(Callback):
    def __init__(self, stop_at=None):
        self.calls, self.stop_at = [], stop_at

    def note(self, hook, trainer, logs):
        assert isinstance(trainer, mf.Trainer)
        self.calls.append((hook, trainer.epochs, sorted(logs)))
        return (hook, trainer.epochs) == self.stop_at

    def on_train_begin(self, trainer, logs):
        return self.note("train_begin", trainer, logs)

    def on_epoch_begin(self, trainer, logs):
        return self.note("epoch_begin", trainer, logs)

    def on_epoch_end(self, trainer, logs):
        return self.note("epoch_end", trainer, logs)

    def on_train_end(self, trainer, logs):
        return self.note("train_end", trainer, logs)


class Scripted(Callback):
    """Puts a series of values in the place of the validation loss, and the epoch in the place of the parameters."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, trainer, logs):
        logs["val_loss"] = self.values[trainer.epochs - 1]
        trainer.model.parameters = np.full(trainer.model.n_parameters, float(trainer.epochs))


def test_hooks_and_logs():
    recorder = Recorder()
    trainer, X, y = make([recorder], metrics=["mae"])
    trainer.fit(X, y, epochs=2, validation_data=(X, y), verbose=0)
    logs = ["loss", "mae", "val_loss", "val_mae"]
    assert recorder.calls == [
        ("train_begin", 0, []),
        ("epoch_begin", 0, []),
        ("epoch_end", 1, logs),
        ("epoch_begin", 1, logs),
        ("epoch_end", 2, logs),
        ("train_end", 2, logs),
    ]


def test_logs_are_the_history():
    seen = []

    class Look(Callback):
        def on_epoch_end(self, trainer, logs):
            seen.append(dict(logs))

    trainer, X, y = make([Look()], metrics=["mse"])
    history = trainer.fit(X, y, epochs=3, verbose=0)
    assert seen == [{name: values[epoch] for name, values in history.items()} for epoch in range(3)]


@pytest.mark.parametrize(
    ("stop_at", "epochs"),
    [(("train_begin", 0), 0), (("epoch_begin", 0), 0), (("epoch_begin", 2), 2), (("epoch_end", 3), 3)],
)
def test_true_stops(stop_at, epochs):
    recorder, other = Recorder(stop_at), Recorder()
    trainer, X, y = make([recorder, other])
    history = trainer.fit(X, y, epochs=10, verbose=0)
    assert history.epochs == trainer.epochs == epochs
    assert history.stopped_by == "Recorder"
    assert [call[0] for call in recorder.calls] == [call[0] for call in other.calls]
    assert recorder.calls[-1][0] == "train_end"


def test_none_does_not_stop():
    trainer, X, y = make([Callback()])
    assert trainer.fit(X, y, epochs=2, verbose=0).epochs == 2


def test_a_callback_may_be_any_object_with_a_hook():
    class Halve:
        def on_epoch_end(self, trainer, logs):
            trainer.learning_rate /= 2

    trainer, X, y = make([Halve()], optimizer=mf.SGD(0.8))
    trainer.fit(X, y, epochs=3, verbose=0)
    assert trainer.learning_rate == pytest.approx(0.1)


def test_the_rate_that_a_callback_sets_is_used():
    class Constant(Callback):
        def on_epoch_begin(self, trainer, logs):
            trainer.learning_rate = 0.05

    changed, X, y = make([Constant()], optimizer=mf.SGD(0.9))
    plain, _, _ = make([], optimizer=mf.SGD(0.05))
    for trainer in (changed, plain):
        trainer.fit(X, y, epochs=2, verbose=0)
    np.testing.assert_array_equal(changed.model.parameters, plain.model.parameters)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_in_a_callback(error):
    class Fails(Callback):
        def on_epoch_end(self, trainer, logs):
            if trainer.epochs == 2:
                raise error("here")

    recorder = Recorder()
    trainer, X, y = make([Fails(), recorder])
    with pytest.raises(error, match="here"):
        trainer.fit(X, y, epochs=5, verbose=0)
    assert trainer.history.epochs == 2
    assert trainer.history.stopped_by == ("interrupt" if error is KeyboardInterrupt else "error")
    assert recorder.calls[-1][0] == "train_end"
    trainer.fit(X, y, epochs=1, verbose=0)
    assert trainer.epochs == 3


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_step_end", "on_epoch_end", "on_train_end"])
def test_a_fit_within_a_fit_is_refused_and_disturbs_nothing(hook):
    def again(trainer, logs):
        with pytest.raises(RuntimeError, match="this trainer is at work, in the fit that called this callback"):
            trainer.fit(X, y, verbose=0)

    trainer, X, y = make([mf.callbacks.LambdaCallback(**{hook: again})])
    plain, *_ = make([])
    for each in (trainer, plain):
        assert each.fit(X, y, epochs=2, verbose=0).epochs == 2
    np.testing.assert_array_equal(trainer.model.parameters, plain.model.parameters)


def test_divergence_ends_training_for_callbacks_too():
    recorder = Recorder()
    trainer, X, y = make([recorder], optimizer=mf.SGD(1e200))
    with pytest.raises(mf.DivergenceError):
        trainer.fit(X, y, epochs=5, verbose=0)
    assert recorder.calls[-1][0] == "train_end"


# --- early stopping ---


def test_early_stopping_waits_and_restores():
    stopping = EarlyStopping(patience=2)
    trainer, X, y = make([Scripted([5, 4, 3, 3.5, 3.2, 0, 0]), stopping])
    history = trainer.fit(X, y, epochs=7, validation_data=(X, y), verbose=0)
    assert history.epochs == 5
    assert history.stopped_by == "EarlyStopping"
    assert (stopping.best, stopping.best_epoch) == (3, 2)
    np.testing.assert_array_equal(trainer.model.parameters, 3.0)


def test_early_stopping_without_restoring():
    trainer, X, y = make([Scripted([3, 4, 5, 6]), EarlyStopping(patience=2, restore_best_weights=False)])
    trainer.fit(X, y, epochs=4, validation_data=(X, y), verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, 3.0)


def test_the_best_come_back_even_if_patience_lasts():
    trainer, X, y = make([Scripted([3, 4, 5]), EarlyStopping(patience=20)])
    history = trainer.fit(X, y, epochs=3, validation_data=(X, y), verbose=0)
    assert history.stopped_by == "epochs"
    np.testing.assert_array_equal(trainer.model.parameters, 1.0)


def test_min_delta():
    stopping = EarlyStopping(patience=2, min_delta=0.5)
    trainer, X, y = make([Scripted([5, 4.6, 4.4, 4.3, 4.2, 0]), stopping])  # 4.4 is the next that counts
    assert trainer.fit(X, y, epochs=6, validation_data=(X, y), verbose=0).epochs == 5
    assert (stopping.best, stopping.best_epoch) == (4.4, 2)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_mode(mode):
    stopping = EarlyStopping(patience=1, mode=mode)
    trainer, X, y = make([Scripted([1, 2, 1]), stopping])
    trainer.fit(X, y, epochs=3, validation_data=(X, y), verbose=0)
    assert stopping.best == {"max": 2, "min": 1}[mode]


class Logs(Callback):
    """Puts series of values into the logs, and the epoch in the place of the parameters."""

    def __init__(self, **series):
        self.series = series

    def on_epoch_end(self, trainer, logs):
        logs.update({name: values[trainer.epochs - 1] for name, values in self.series.items()})
        trainer.model.parameters = np.full(trainer.model.n_parameters, float(trainer.epochs))


def test_several_monitors_stop_when_none_improves():
    logs = Logs(val_loss=[3, 2, 2, 2, 2, 2, 2, 2], val_accuracy=[0.5, 0.5, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7])
    stopping = EarlyStopping(["val_loss", "val_accuracy"], patience=2)
    trainer, X, y = make([logs, stopping])
    history = trainer.fit(X, y, epochs=8, verbose=0)
    assert history.epochs == 7  # the accuracy was best in the fifth
    assert (stopping.best, stopping.best_epoch) == (2, 1)
    assert (trainer.model.parameters == 2).all()  # of the first monitor's best
    assert history.reason == "early stopping at epoch 7, best 2"


def test_several_monitors_have_modes_and_deltas_of_their_own():
    logs = Logs(one=[1, 1.1, 1.2, 1.3], two=[4, 3.5, 3, 2.5])
    stopping = EarlyStopping(("one", "two"), patience=2, min_delta=(0.5, 0.6), mode=("max", "min"))
    trainer, X, y = make([logs, stopping])
    assert trainer.fit(X, y, epochs=4, verbose=0).epochs == 4
    assert stopping.best_epoch == 0  # two fell by more than 0.6 in the third epoch: since then, one without
    stopping = EarlyStopping(("one", "two"), patience=2, min_delta=0.6, mode="max")
    trainer, X, y = make([logs, stopping])
    assert trainer.fit(X, y, epochs=4, verbose=0).epochs == 3
    assert eval(repr(stopping)).mode == "max"
    for keywords, message in (({"min_delta": (0.1,)}, "min_delta"), ({"mode": ["min"] * 3}, "mode")):
        with pytest.raises(ValueError, match=f"expected one {message} for each of the 2 monitors, got"):
            EarlyStopping(("loss", "val_loss"), **keywords)
    with pytest.raises(ValueError, match="expected monitor to be a key of the logs, or several, got none"):
        EarlyStopping(())
    with pytest.raises(ValueError, match="monitors 'other', but the logs have only"):
        trainer.callbacks = [EarlyStopping(("loss", "other"), mode="min")]
        trainer.fit(X, y, verbose=0)


def test_epochs_before_the_first_to_look_at_do_not_count():
    stopping = EarlyStopping(patience=2, start_from_epoch=3)
    trainer, X, y = make([Scripted([0.1, 0.2, 0.3, 5, 4, 6, 7, 8]), stopping])
    assert trainer.fit(X, y, epochs=8, verbose=0).epochs == 7
    assert (stopping.best, stopping.best_epoch) == (4, 4)
    assert (trainer.model.parameters == 5).all()
    assert "start_from_epoch=3" in repr(stopping)
    with pytest.raises(ValueError, match="start_from_epoch"):
        EarlyStopping(start_from_epoch=-1)


def test_early_stopping_hands_its_state_over():
    values = [3, 2, 2.5, 2.5, 2.5, 2.5]
    one = EarlyStopping(patience=3)
    trainer, X, y = make([Scripted(values), one])
    trainer.fit(X, y, epochs=3, verbose=0)
    other = EarlyStopping(patience=3)
    other.load_state_dict(one.state_dict())
    trainer.callbacks = [Scripted(values), other]
    assert trainer.fit(X, y, epochs=3, verbose=0).epochs == 2
    assert (other.best, other.best_epoch, other.stop_reason) == (2, 1, "early stopping at epoch 5, best 2")
    assert (trainer.model.parameters == 2).all()
    with pytest.raises(ValueError, match="expected the state of 2 monitors, got 1"):
        EarlyStopping(("loss", "val_loss")).load_state_dict(one.state_dict())


def test_nan_is_no_improvement():
    trainer, X, y = make([Scripted([math.nan, 2, math.nan, math.nan, 0]), EarlyStopping(patience=2)])
    trainer.fit(X, y, epochs=5, validation_data=(X, y), verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, 2.0)


# --- from one fit to the next ---


class Values(Callback):
    """Puts a series of values in the place of the validation loss."""

    def __init__(self, values):
        self.values = values

    def on_epoch_end(self, trainer, logs):
        logs["val_loss"] = self.values[trainer.epochs - 1]


def scripted(values, **keywords):
    return make([Values(values), EarlyStopping(**keywords)], optimizer=mf.Adam(0.1))


def pickled(trainer):
    return pickle.loads(pickle.dumps(trainer))


def state(trainer):
    """All that training comes to: parameters, optimizer, counts, and what early stopping knows."""
    stopping = trainer.callbacks[-1]
    return (
        trainer.model.parameters.tobytes(),
        trainer._state.tobytes(),
        (trainer.epochs, trainer.steps),
        (stopping.best, stopping.best_epoch, stopping.stop_reason),
    )


@settings(max_examples=40)
@given(
    values=st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, math.nan]), min_size=2, max_size=9),
    patience=st.integers(1, 4),
    restores=st.booleans(),
    cuts=st.sets(st.integers(1, 8)),
    between=st.sampled_from([lambda trainer: trainer, pickled, copy.deepcopy]),
)
def test_many_fits_are_one(values, patience, restores, cuts, between):
    n = len(values)
    cuts = [0, *sorted(cut for cut in cuts if cut < n), n]
    whole, X, y = scripted(values, patience=patience, restore_best_weights=restores)
    parts, _, _ = scripted(values, patience=patience, restore_best_weights=restores)
    history = whole.fit(X, y, epochs=n, verbose=0)
    losses = []
    for start, end in pairwise(cuts):
        part = parts.fit(X, y, epochs=end - start, verbose=0)
        losses += part["loss"]
        parts = between(parts)
        if part.stopped_by == "EarlyStopping":
            break
    assert losses == history["loss"]
    assert part.stopped_by == history.stopped_by
    assert state(parts) == state(whole)
    for trainer in (whole, parts):  # and it goes on from the last parameters, not from those that are shown
        trainer.callbacks = ()
        trainer.fit(X, y, verbose=0)
    np.testing.assert_array_equal(parts.model.parameters, whole.model.parameters)
    plain, _, _ = make([], optimizer=mf.Adam(0.1))
    plain.fit(X, y, epochs=whole.epochs, verbose=0)
    np.testing.assert_array_equal(parts.model.parameters, plain.model.parameters)


def test_epochs_one_by_one_stop_and_keep_the_best():
    trainer, X, y = scripted([5, 3, 4, 6, 7, 0], patience=3)
    seen = []
    for _ in range(6):
        history = trainer.fit(X, y, epochs=1, verbose=0)
        seen.append(trainer.model.parameters.copy())
        if history.stopped_by != "epochs":
            break
    assert (len(seen), history.stopped_by) == (5, "EarlyStopping")
    assert history.reason == "early stopping at epoch 5, best 2"
    for later in seen[2:]:
        np.testing.assert_array_equal(later, seen[1])


def test_after_its_own_stop_the_count_starts_anew_but_not_the_best():
    trainer, X, y = scripted([3, 4, 4, 4, 4, 2, 5], patience=2)
    assert trainer.fit(X, y, epochs=7, verbose=0).epochs == 3
    assert trainer.fit(X, y, epochs=7, verbose=0).epochs == 2
    assert trainer.callbacks[1].best == 3
    assert trainer.fit(X, y, epochs=2, verbose=0).stopped_by == "epochs"
    assert (trainer.callbacks[1].best, trainer.callbacks[1].best_epoch) == (2, 5)


def test_written_parameters_are_what_the_next_fit_starts_from():
    trainer, X, y = scripted([1, 2, 3], patience=9)
    plain, _, _ = make([], optimizer=mf.Adam(0.1))
    trainer.fit(X, y, epochs=2, verbose=0)
    plain.fit(X, y, epochs=2, verbose=0)
    for each in (trainer, plain):
        each.model.parameters = np.full(each.model.n_parameters, 0.1)
        each.callbacks = ()
        each.fit(X, y, verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, plain.model.parameters)


def test_another_trainer_resets():
    stopping = EarlyStopping("loss", patience=50)
    first, X, y = make([stopping], optimizer=mf.Adam(0.1))
    second, _, _ = make([stopping], optimizer=mf.Adam(0.1))
    first.fit(X, y, epochs=9, verbose=0)
    best, shown = stopping.best, first.model.parameters.copy()
    history = second.fit(X, 3 * y, epochs=2, verbose=0)
    assert stopping.best == min(history["loss"]) > best
    np.testing.assert_array_equal(first.model.parameters, shown)
    history = first.fit(X, y, epochs=1, verbose=0)
    assert (stopping.best, stopping.best_epoch) == (history["loss"][0], 9)


def test_the_best_of_one_trainer_never_go_into_another():
    class Fails(Callback):
        def on_train_begin(self, trainer, logs):
            raise RuntimeError("here")

    stopping = EarlyStopping("loss")
    first, X, y = make([stopping])
    first.fit(X, y, epochs=2, verbose=0)
    second, _, _ = make([Fails(), stopping])
    before = second.model.parameters.copy()
    with pytest.raises(RuntimeError, match="here"):
        second.fit(X, y, verbose=0)
    np.testing.assert_array_equal(second.model.parameters, before)


def test_a_trainer_from_an_earlier_epoch_is_another():
    trainer, X, y = scripted([3, 1, 2, 2, 5, 4], patience=9)
    trainer.fit(X, y, epochs=1, verbose=0)
    earlier = pickled(trainer)
    trainer.fit(X, y, epochs=3, verbose=0)
    earlier.callbacks = trainer.callbacks  # which have seen epoch 3
    earlier.fit(X, y, epochs=1, verbose=0)
    assert trainer.callbacks[1].best_epoch == 1


def test_a_callback_knows_its_trainer_when_both_are_pickled_apart():
    trainer, X, y = scripted([3, 2, 4, 4, 4], patience=2)
    trainer.fit(X, y, epochs=3, verbose=0)
    callbacks = pickle.loads(pickle.dumps(trainer.callbacks))
    trainer.callbacks = ()
    trainer = pickled(trainer)
    trainer.callbacks = callbacks
    assert trainer.fit(X, y, epochs=2, verbose=0).epochs == 1
    assert (callbacks[1].best, callbacks[1].best_epoch) == (2, 1)


def test_copies_go_on_each_for_itself():
    trainer, X, y = scripted([3, 2, 4, 1, 4], patience=2)
    trainer.fit(X, y, epochs=3, verbose=0)
    twin = copy.deepcopy(trainer)
    before = state(twin)
    trainer.fit(X, y, epochs=1, verbose=0)
    assert state(twin) == before
    twin.fit(X, y, epochs=1, verbose=0)
    assert state(twin) == state(trainer) != before


def test_two_that_restore():
    whole, X, y = make([Values([2, 1, 3, 3]), EarlyStopping("loss"), EarlyStopping()], optimizer=mf.Adam(0.3))
    parts, _, _ = make([Values([2, 1, 3, 3]), EarlyStopping("loss"), EarlyStopping()], optimizer=mf.Adam(0.3))
    whole.fit(X, y, epochs=4, verbose=0)
    for _ in range(4):
        parts.fit(X, y, verbose=0)
    assert state(parts) == state(whole)


def test_ctrl_c_loses_neither_the_best_nor_the_last():
    class Interrupts(Callback):
        def on_epoch_end(self, trainer, logs):
            if trainer.epochs == 3:
                raise KeyboardInterrupt

    trainer, X, y = scripted([3, 2, 4, 4, 4], patience=9)
    trainer.callbacks += (Interrupts(),)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(X, y, epochs=5, verbose=0)
    whole, _, _ = scripted([3, 2, 4, 4, 4], patience=9)
    whole.fit(X, y, epochs=5, verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, whole.model.parameters)
    trainer.callbacks = trainer.callbacks[:2]
    trainer.fit(X, y, epochs=2, verbose=0)
    assert state(trainer) == state(whole)


def test_passes_of_partial_fit():
    pytest.importorskip("sklearn")
    _, X, y = make([])
    plain = mf.MLPRegressor(hidden_layer_sizes=(4,), random_state=0, learning_rate_init=0.2)
    stopping = EarlyStopping("loss", patience=3)
    watched = mf.MLPRegressor(hidden_layer_sizes=(4,), random_state=0, learning_rate_init=0.2, callbacks=[stopping])
    best = []
    for _ in range(20):
        plain.partial_fit(X, y.ravel())
        watched.partial_fit(X, y.ravel())
        best.append(stopping.best)
        if stopping.stop_reason:
            break
    assert watched.loss_curve_ == plain.loss_curve_  # it trains on from the last parameters
    assert best == np.minimum.accumulate(plain.loss_curve_).tolist()
    assert stopping.stop_reason == f"early stopping at epoch {len(best)}, best {len(best) - 3}"
    np.testing.assert_array_equal(watched.model_.parameters, stopping._best_parameters)


def test_what_older_versions_pickled_still_loads():
    pytest.importorskip("sklearn")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn, about versions
        old = pickle.loads((Path(__file__).parent / "data" / "before_issue_14.pickle").read_bytes())
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    trainer, estimator = old["trainer"], old["estimator"]
    assert trainer.evaluate(X, y)["loss"] == old["loss"]
    history = trainer.history
    assert list(history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert (history.epochs, history.stopped_by, history.reason) == (2, "epochs", "all epochs done")
    assert history["val_accuracy"][-1] == trainer.evaluate(X, y)["accuracy"]
    trainer.fit(X, y, epochs=2, validation_data=(X, y), verbose=0)
    assert (trainer.epochs, trainer.callbacks[0].best_epoch >= 2) == (4, True)  # it knew no trainer: it starts anew
    np.testing.assert_array_equal(estimator.predict_proba(X[:2]), old["probabilities"])
    estimator.partial_fit(X, y)
    assert len(estimator.loss_curve_) == 2
    assert pickled(trainer).run_id == trainer.run_id


# --- which way is better ---

LARGER = """
    accuracy val_accuracy val_auc roc_auc val_roc_auc average_precision f1 val_f1 F1Score macro_f1 f1_macro
    fbeta_score f0.5 recall recall@5 precision val_precision_at_recall mcc matthews_corrcoef r2 R2 val_R2
    adjusted_r2 kappa cohen_kappa jaccard balanced_accuracy top_5_accuracy top1 TopKCategoricalAccuracy ndcg@10 mAP
    val_map explained_variance d2_absolute_error_score d2_pinball deviance_explained score my_score my_auc
    val_my_auc AUC ROC-AUC binaryaccuracy neg_mean_squared_error val_neg_log_loss neg_brier_score brier_skill_score
    log_likelihood true_negative_rate negative_predictive_value CosineSimilarity
"""
SMALLER = """
    loss val_loss error mse val_mse RMSE mae mape MSELoss log_loss logloss brier brier_score brier_score_loss
    deviance hinge ece perplexity error_rate accuracy_loss top1_error f1_loss negative_log_likelihood nll
    binary_cross_entropy myloss CategoricalCrossentropy false_positive_rate FalseNegatives misclassification_rate
    inaccuracy     mean_absolute_percentage_error
"""
UNTOLD = """
    speed learning_rate layer2 entropy rmse_score loss_auc error_score neg_f1 mse_neg accuracy_gap one_minus_auc 1-auc
    accuracy_std log_score x
"""


@pytest.mark.parametrize(("names", "best"), [(LARGER, -math.inf), (SMALLER, math.inf)], ids=["larger", "smaller"])
def test_auto_knows_which_way_is_better(names, best):
    assert {name: EarlyStopping(name).best for name in names.split()} == dict.fromkeys(names.split(), best)


@pytest.mark.parametrize("name", UNTOLD.split())
def test_a_name_that_does_not_tell_asks_for_the_mode(name):
    with pytest.raises(ValueError, match=r"does not tell whether.*give mode='max' or mode='min'"):
        EarlyStopping(name)
    assert EarlyStopping(name, mode="max").best == -math.inf


def test_scikit_learns_names_go_its_way():
    """Its scorers are larger-is-better, and so are its functions that end in _score, not _loss, _error, _deviance."""
    metrics = pytest.importorskip("sklearn.metrics")
    for name in metrics.get_scorer_names():
        assert EarlyStopping(name).best == -math.inf, name
    for name in set(metrics.__all__) - {"davies_bouldin_score"}:
        if name.endswith("_score") or name.startswith("d2_"):
            assert EarlyStopping(f"val_{name}").best == -math.inf, name
        elif name.endswith(("_loss", "_error", "_deviance")):
            assert EarlyStopping(f"val_{name}").best == math.inf, name


def test_a_metric_of_the_users_own_is_maximised():
    def my_auc(y, p):
        return [0.5, 0.9, 0.6, 0.7][trainer.epochs - 1]

    stopping = EarlyStopping("my_auc", patience=2)
    trainer, X, y = make([stopping], metrics=[my_auc])
    assert trainer.fit(X, y, epochs=4, verbose=0).epochs == 4
    assert (stopping.best, stopping.best_epoch) == (0.9, 1)


def test_a_missing_quantity_is_a_clear_error():
    trainer, X, y = make([EarlyStopping()])
    with pytest.raises(
        ValueError, match=r"monitors 'val_loss', but the logs have only \['loss'\]; give fit\(\) validation"
    ):
        trainer.fit(X, y, verbose=0)


def test_the_hint_names_what_is_there():
    trainer, X, y = make([EarlyStopping("val_accuracy")])
    with pytest.raises(ValueError, match=r"have only \['loss', 'val_loss'\]; monitor 'val_loss'"):
        trainer.fit(X, y, validation_data=(X, y), verbose=0)
    trainer, X, y = make([EarlyStopping("mae")])
    with pytest.raises(ValueError, match=r"have only \['loss'\]$"):
        trainer.fit(X, y, verbose=0)


@pytest.mark.parametrize(
    ("keywords", "hint"),
    [
        ({}, r"\['loss'\]; give fit\(\) X_val and y_val, or set early_stopping=True, and monitor 'val_accuracy'"),
        ({"early_stopping": True}, r"\['loss', 'val_accuracy'\]; monitor 'val_accuracy'"),
        ({"solver": "lbfgs"}, r"\['loss'\]; solver='lbfgs' has no validation; monitor 'loss'"),
    ],
)
def test_the_hint_in_an_estimator(keywords, hint):
    pytest.importorskip("sklearn")
    _, X, y = make([])
    with pytest.raises(ValueError, match=hint) as caught:
        mf.MLPClassifier((4,), callbacks=[EarlyStopping()], **keywords).fit(X, y.ravel() > 0)
    assert "validation_data" not in str(caught.value)


@pytest.mark.parametrize(
    ("keywords", "why"),
    [
        ({"max_iter": 3}, None),
        ({"tol": 1e9}, "no further improvement"),
        ({"solver": "lbfgs", "tol": 1e9}, "no further improvement"),
        ({"solver": "lbfgs", "max_iter": 3}, None),
        ({"max_seconds": 1e-9}, "out of time (max_seconds)"),
        ({"solver": "lbfgs", "max_seconds": 1e-9}, "out of time (max_seconds)"),
        ({"learning_rate_init": 1e300, "early_stopping": True}, "diverged"),
        ({"callbacks": [Recorder(("epoch_end", 2))]}, "stopped by Recorder"),
        ({"callbacks": [EarlyStopping("loss", min_delta=1e9, patience=3)]}, "early stopping at epoch 4, best 1"),
    ],
)
def test_an_estimators_bar_says_why_training_ended(keywords, why, capsys):
    pytest.importorskip("sklearn")
    _, X, y = make([])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ConvergenceWarning
        mf.MLPRegressor(hidden_layer_sizes=(4,), verbose=1, random_state=0, **keywords).fit(X, y.ravel())
    last = capsys.readouterr().err.splitlines()[-1]
    if why is None:
        assert last.split("\r")[-1].startswith("epoch 3/3 ")
    else:
        assert last == f"Training ended: {why}"


def test_an_interrupted_estimators_bar_says_so(capsys):
    pytest.importorskip("sklearn")

    class Interrupts(Callback):
        def on_epoch_end(self, trainer, logs):
            raise KeyboardInterrupt

    _, X, y = make([])
    for solver in ("adam", "lbfgs"):
        with pytest.warns(UserWarning, match="interrupted"):
            mf.MLPRegressor(hidden_layer_sizes=(4,), solver=solver, verbose=1, callbacks=[Interrupts()]).fit(
                X, y.ravel()
            )
        assert capsys.readouterr().err.endswith("Training ended: Ctrl-C\n")


def test_the_end_of_an_estimators_training_is_never_missed():
    pytest.importorskip("sklearn")

    class Fails(Callback):
        def on_train_begin(self, trainer, logs):
            raise RuntimeError("begin")

        def on_train_end(self, trainer, logs):
            raise RuntimeError("end")

    recorder = Recorder()
    _, X, y = make([])
    with pytest.raises(RuntimeError, match="end"):
        mf.MLPRegressor(callbacks=[Fails(), recorder]).fit(X, y.ravel())
    assert [call[0] for call in recorder.calls] == ["train_end"]


# --- what is no callback ---


class Misspelt(Callback):
    def on_epoch_ends(self, trainer, logs):
        raise AssertionError("never called")


class OfKeras:
    def on_train_begin(self, trainer, logs):
        pass

    def on_batch_end(self, batch, logs):
        raise AssertionError("never called")


class Camel:
    def on_epoch_end(self, trainer, logs):
        pass

    def onTrainEnd(self, trainer, logs):
        raise AssertionError("never called")


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (EarlyStopping("loss"), r"expected callbacks to be a list, got EarlyStopping\(.*; write \[EarlyStopping\("),
        (OfKeras(), r"expected callbacks to be a list, got .*; write \["),
        (EarlyStopping, r"; write \[EarlyStopping\(\)\]"),
        ([EarlyStopping], r"got the class EarlyStopping; write EarlyStopping\(\)"),
        ("EarlyStopping", "expected callbacks to be a list, got 'EarlyStopping'$"),
        (3, "expected callbacks to be a list, got 3$"),
        ([print], "expected a callback with one of the methods on_train_begin, "),
        (
            [Misspelt()],
            r"Misspelt has a method 'on_epoch_ends', which would never be called; did you mean 'on_epoch_end'\?",
        ),
        ([OfKeras()], r"'on_batch_end', which would never be called"),
        ([Camel()], r"'onTrainEnd', .* did you mean 'on_train_end'\?"),
    ],
)
def test_what_is_no_callback_is_refused(callbacks, message):
    with pytest.raises(TypeError, match=message):
        make(callbacks)
    trainer, _, _ = make([])
    with pytest.raises(TypeError, match=message):
        trainer.callbacks = callbacks
    assert trainer.callbacks == ()


@pytest.mark.parametrize("name", ["on_validation_end", "on_test_begin", "on_predict_end"])
def test_hooks_of_other_libraries_are_refused(name):
    with pytest.raises(TypeError, match=f"'{name}', which would never be called"):
        make([type("Theirs", (Callback,), {name: lambda self, trainer, logs: None})()])


def test_what_the_best_value_belongs_to_is_read_only():
    """Another monitor, or another mode, would go the old way."""
    stopping = EarlyStopping("val_loss")
    for name, value in (("monitor", "val_accuracy"), ("mode", "max")):
        with pytest.raises(AttributeError):
            setattr(stopping, name, value)
    assert (stopping.monitor, stopping.mode) == ("val_loss", "auto")
    assert repr(pickled(stopping)) == repr(stopping)


@pytest.mark.parametrize(
    ("callback", "names", "value"),
    [
        (EarlyStopping("loss"), ("patience", "restore_best_weights", "start_from_epoch", "min_delta"), -1),
        (mf.callbacks.ReduceLROnPlateau("loss"), ("factor", "patience", "cooldown", "min_lr"), -1),
        (mf.callbacks.Snapshots(), ("every", "most"), 0),
        (mf.callbacks.CSVLogger("log.csv"), ("separator", "append"), 1),
        (mf.callbacks.Doctor(), ("warn",), 1),
        (mf.callbacks.Checkpoint("folder"), ("every_epochs", "every_seconds", "keep_last"), 0),
        (mf.callbacks.Checkpoint("folder", "loss"), ("monitor", "mode", "min_delta"), "val_loss"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_settings_are_checked_where_they_are_assigned_or_read_only(callback, names, value):
    before = repr(callback)
    for name in names:
        with pytest.raises((TypeError, ValueError, AttributeError)):
            setattr(callback, name, value)
    assert repr(callback) == before == repr(pickled(callback))


def test_other_methods_are_nobodys_business():
    class Widget:
        on_close = None

        def on_epoch_end(self, trainer, logs):
            self.note()

        def on_click(self):
            raise AssertionError("never called")

        def note(self):
            pass

    trainer, X, y = make([Widget()])
    assert trainer.fit(X, y, verbose=0).epochs == 1
    assert make(None)[0].callbacks == ()


def test_reprs():
    stopping = EarlyStopping("val_auc", patience=3)
    assert repr(stopping) == (
        "EarlyStopping(monitor='val_auc', patience=3, min_delta=0.0, restore_best_weights=True, mode='auto')"
    )
    assert repr(eval(repr(stopping))) == repr(stopping)
    assert repr(Recorder()) == "<Recorder callback>"


@pytest.mark.parametrize(
    ("keywords", "message"),
    [({"patience": 0}, "patience"), ({"min_delta": -1}, "min_delta"), ({"mode": "mx"}, "did you mean 'max'")],
)
def test_bad_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**keywords)
    with pytest.raises(TypeError, match="expected monitor to be a key of the logs, got 3"):
        EarlyStopping(3)
