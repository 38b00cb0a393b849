"""The callback protocol, and early stopping."""

import math
import pickle

import numpy as np
import pytest

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


def test_nan_is_no_improvement():
    trainer, X, y = make([Scripted([math.nan, 2, math.nan, math.nan, 0]), EarlyStopping(patience=2)])
    trainer.fit(X, y, epochs=5, validation_data=(X, y), verbose=0)
    np.testing.assert_array_equal(trainer.model.parameters, 2.0)


def test_each_fit_starts_anew():
    stopping = EarlyStopping("loss", patience=1)
    trainer, X, y = make([stopping], optimizer=mf.SGD(0.01))
    trainer.fit(X, y, epochs=2, verbose=0)
    trainer.fit(X, y, epochs=2, verbose=0)
    assert stopping.best_epoch == 3
    assert pickle.loads(pickle.dumps(stopping)).best == stopping.best


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
    mean_absolute_percentage_error
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


@pytest.mark.parametrize(
    ("keywords", "message"),
    [({"patience": 0}, "patience"), ({"min_delta": -1}, "min_delta"), ({"mode": "mx"}, "did you mean 'max'")],
)
def test_bad_arguments(keywords, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(**keywords)
    with pytest.raises(TypeError, match="expected monitor to be a key of the logs, got 3"):
        EarlyStopping(3)
