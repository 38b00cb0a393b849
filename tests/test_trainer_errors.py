"""What a trainer refuses before it begins, and what it says of it."""

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.validation import as_features

X, Y = np.linspace(-1, 1, 12).reshape(6, 2), np.array([0, 1, 0, 1, 0, 1])


def trainer(dtype="float32", **keywords):
    return mf.Trainer(mf.mlp([2, 3, 2], output_activation="softmax", dtype=dtype), **keywords)


def with_nan():
    bad = X.copy()
    bad[3, 1] = np.nan
    return bad


class Follower(mf.callbacks.Callback):
    def __init__(self):
        self.begun = 0

    def on_train_begin(self, trainer, logs):
        self.begun += 1


@pytest.mark.parametrize("make", [with_nan, lambda: with_nan().astype(np.float32)], ids=["float64", "float32"])
@pytest.mark.parametrize("verbose", [0, 1])
def test_nan_is_one_error_without_a_bar(make, verbose, capsys):
    fitted = trainer()
    calls = [
        lambda: fitted.fit(make(), Y, verbose=verbose),
        lambda: fitted.train_on_batch(make(), Y),
        lambda: fitted.evaluate(make(), Y),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="NaN at row 3, column 1 .*; fill in missing values") as caught:
            call()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert capsys.readouterr() == ("", "")
    assert fitted.steps == 0


def test_before_a_bar_appears_nothing_has_begun():
    follower = Follower()
    fitted = trainer(callbacks=[follower])
    history = fitted.history
    with pytest.raises(ValueError, match="row 3, column 1"):
        fitted.fit(with_nan(), Y, verbose=1)
    assert follower.begun == 0 and fitted.history is history


@pytest.mark.parametrize("verbose", [0, 1])
def test_the_column_of_a_nan_in_a_frame(verbose):
    frame = pytest.importorskip("pandas").DataFrame(with_nan(), columns=["age", "height"])
    with pytest.raises(ValueError, match=r"row 3, column 1 \('height'\)"):
        trainer().fit(frame, Y, verbose=verbose)


@pytest.mark.parametrize("verbose", ["auto", "no", "1", 1.0, None, [1]], ids=repr)
def test_verbose_is_no_word(verbose, capsys):
    with pytest.raises(TypeError, match="expected verbose to be an integer, got"):
        trainer().fit(X, Y, verbose=verbose)
    assert capsys.readouterr().err == ""


def test_verbose_is_a_switch_or_a_number(capsys):
    for silent in (0, False, np.False_, np.int64(0)):
        trainer().fit(X, Y, verbose=silent)
    assert capsys.readouterr().err == ""
    for shown in (1, True, np.True_, np.int8(1), 2):
        trainer().fit(X, Y, verbose=shown)
        assert "1/1" in capsys.readouterr().err
    with pytest.raises(ValueError, match="expected verbose to be >= 0, got -1"):
        trainer().fit(X, Y, verbose=-1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("place", "message"), [("weights", r"row 2, column 1"), ("biases", r"row 1")])
def test_parameters_that_are_not_finite_from_the_start(dtype, value, place, message):
    """Divergence it is not, and there are no last finite parameters to keep."""
    fitted = trainer(dtype)
    tensor = getattr(fitted.model, place)[1]
    tensor[(2, 1)[: tensor.ndim] if tensor.ndim == 2 else 1] = value
    before, history = fitted.model.parameters.copy(), fitted.history
    data = as_features(X, 2, fitted.model.dtype), Y.astype(np.int32)
    for call in (
        lambda: fitted.fit(X, Y, verbose=1),
        lambda: fitted.fit(X, Y, epochs=2, verbose=0),
        lambda: fitted.train_on_batch(X, Y),
        lambda: fitted.run_epoch(*data),
    ):
        with pytest.raises(ValueError, match=rf"model.{place}\[1\].*{message}.*not finite before training") as caught:
            call()
        assert "keeps its last finite" not in str(caught.value)
        np.testing.assert_array_equal(fitted.model.parameters, before)
    assert (fitted.steps, fitted.epochs, fitted.history) == (0, 0, history)
    fitted.model.parameters = np.zeros(before.size)
    fitted.fit(X, Y, verbose=0)
    assert np.isfinite(fitted.model.parameters).all()


def test_infinite_weights_behind_a_saturated_activation():
    """The outputs are finite, and every gradient is zero: nothing diverges, but nothing can be learnt either."""
    fitted = mf.Trainer(mf.mlp([1, 1, 1], "tanh", dtype="float64"), "mse", "sgd")
    fitted.model.weights[0][...] = np.inf
    with pytest.raises(ValueError, match=r"model.weights\[0\], got infinity at row 0, column 0"):
        fitted.train_on_batch([[1.0]], [0.0])


@pytest.mark.parametrize(
    ("make", "dtype", "least"),
    [
        (lambda e: mf.RMSprop(epsilon=e), "float32", 1.1754944e-38),
        (lambda e: mf.RMSprop(epsilon=e, momentum=0.9), "float64", 2.2250738585072014e-308),
        (lambda e: mf.Adam(epsilon=e, epsilon_hat=True), "float32", 1.1754944e-38),
        (lambda e: mf.Adagrad(epsilon=e), "float32", 1.1754944e-38),
        (lambda e: mf.ScheduleFreeAdamW(epsilon=e, beta_2=0.9), "float32", 1.1754944e-38 / np.sqrt(1 - 0.9)),
        (lambda e: mf.NAdam(epsilon=e, weight_decay=0.1), "float32", 1.1754944e-38 / np.sqrt(1 - 0.999)),
        (lambda e: mf.Adam(epsilon=e), "float32", 1.1754944e-38 / np.sqrt(1 - 0.999)),
        (lambda e: mf.AdamW(epsilon=e, beta_2=0.0), "float64", 2.2250738585072014e-308),
        (lambda e: mf.Adam(epsilon=e, amsgrad=True, beta_2=1 - 1e-12), "float32", 1.1754944e-38 / 1e-6),
    ],
)
def test_an_epsilon_that_the_dtype_loses(make, dtype, least):
    """Where a gradient is zero, the step would be 0/0; one that is just large enough leaves the parameter alone."""
    with pytest.raises(ValueError, match=rf"epsilon of \w+ to be >= .* for a model of {dtype}.*got"):
        trainer(dtype, optimizer=make(0.9 * least))
    with pytest.raises(ValueError, match="epsilon"):
        trainer(dtype, optimizer=make(5e-324))
    fitted = trainer(dtype, optimizer=make(1.1 * least))
    before = fitted.model.weights[0].copy()
    fitted.train_on_batch(np.zeros((6, 2)), Y)  # inputs of zero: the first weights have no gradient
    np.testing.assert_array_equal(
        fitted.model.weights[0], before * (1 - fitted.optimizer.weight_decay * fitted.learning_rate)
    )


def test_the_epsilon_of_issue_is_right_in_float64():
    fitted = trainer("float64", optimizer=mf.Adam(epsilon=1e-38))
    fitted.train_on_batch(np.zeros((6, 2)), Y)
    assert np.isfinite(fitted.model.parameters).all()
