"""Initial values: what they are, and that they are that everywhere. As a script, this file prints a hash of them."""

import hashlib
import statistics

import numpy as np
import pytest
from isas import OTHER_ISAS, run_under

import mlpfast as mf
from mlpfast import drawing
from mlpfast.core.random import INITIALIZE, normal, uniform
from mlpfast.initializers import INITIALIZERS, Initializer, Orthogonal, TruncatedNormal

SHAPES = [(1, 1), (1, 7), (7, 1), (3, 3), (64, 65), (130, 70), (70, 130), (129, 129), (300, 128)]


def weights(initializer, shape, dtype="float64", seed=0):
    return mf.Model(shape[0], [mf.Dense(shape[1], kernel_initializer=initializer)], dtype=dtype, seed=seed).weights[0]


def digest():
    """Of what each initializer draws; float64 shows every bit."""
    found = hashlib.sha256()
    for name in sorted(name for name, cls in INITIALIZERS.items() if not cls.follows):  # see test_adapting.py
        for shape in SHAPES:
            found.update(weights(name, shape, seed=5).tobytes())
    return found.hexdigest()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_orthogonal_is_the_q_of_normal_numbers(shape, dtype):
    W = weights("orthogonal", shape, dtype, seed=3)
    few, many = min(shape), max(shape)
    tall = W.T if shape[0] < shape[1] else W
    tolerance = few * np.finfo(dtype).eps
    np.testing.assert_allclose(tall.T.astype(float) @ tall, np.eye(few), atol=tolerance)
    numbers = normal(3, INITIALIZE, 0, few * many).reshape(few, many).T
    Q, R = np.linalg.qr(numbers)
    np.testing.assert_allclose(tall, Q * np.sign(np.diag(R)), atol=tolerance * np.linalg.cond(numbers))


def test_gain_and_vectors():
    assert np.array_equal(weights(Orthogonal(3.0), (20, 30)), 3 * weights("orthogonal", (20, 30)))
    assert not weights(Orthogonal(0.0), (4, 4)).any()
    model = mf.Model(3, [mf.Dense(50, bias_initializer=Orthogonal(2.0))])
    assert np.linalg.norm(model.biases[0]) == pytest.approx(2.0)
    assert {float(weights("orthogonal", (1, 1), seed=seed)[0, 0]) for seed in range(9)} == {-1.0, 1.0}


def test_zeros_that_are_drawn_give_no_nan(monkeypatch):
    monkeypatch.setattr(drawing, "normal", lambda seed, purpose, step, n, start=0: np.zeros(n))
    assert not weights("orthogonal", (3, 5)).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_truncated_normal_is_the_quantile_of_uniform_numbers(dtype):
    W = weights(TruncatedNormal(0.5), (400, 300), dtype, seed=7).ravel()
    ends = statistics.NormalDist().cdf(-2), statistics.NormalDist().cdf(2)
    p = ends[0] + uniform(7, INITIALIZE, 0, W.size) * (ends[1] - ends[0])
    expected = [0.5 * statistics.NormalDist().inv_cdf(each) for each in p]
    np.testing.assert_allclose(W, expected, rtol=0, atol=1e-14 if dtype == "float64" else 1e-7)
    assert 0.9999 < np.abs(W).max() <= 1.0
    assert W.std() == pytest.approx(0.5 * 0.8796256610342398, rel=0.01)
    assert abs(W.mean()) < 4 * W.std() / np.sqrt(W.size)


def test_truncated_normal_at_its_ends(monkeypatch):
    extremes = np.array([0.0, 2.0**-53, 0.5, np.nextafter(1.0, 0.0)])
    monkeypatch.setattr(drawing, "uniform", lambda seed, purpose, step, n, start: extremes)
    values = drawing._truncated_normal(0, 0, 4, 0)
    np.testing.assert_allclose(values, [-2, -2, 0, 2], atol=1e-14)
    assert np.abs(values).max() <= 2.0 and values[2] == 0


def test_every_machine_draws_these():
    assert digest() == "97934d665ebfe9b369de21e02e8e1a5e2b29942e1e48cbeb1f10df29031d0128"


@pytest.mark.parametrize("isa", OTHER_ISAS)
def test_every_isa_draws_these(isa):
    assert run_under(isa, __file__).strip() == digest()


class Strange(Initializer):
    """Of a distribution that there is not."""

    name = "strange"

    def distribution(self, fan_in, fan_out):
        return "truncated_norm", 1.0


def test_unknown_distributions_are_named():
    with pytest.raises(ValueError, match="unknown distribution 'truncated_norm'; did you mean 'truncated_normal'"):
        weights(Strange(), (3, 3))


def test_a_float_error_of_numpy_changes_nothing():
    expected = digest()
    with np.errstate(all="raise"):
        assert digest() == expected


if __name__ == "__main__":
    print(digest())
