"""The neural tangent parametrization against its formula, z = x V / sqrt(fan_in) + b with V trained, in NumPy."""

import numpy as np
import pytest

import mlpfast as mf

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 9)), RNG.normal(size=(40, 2))
FANS = (9, 25, 2)


def net(**keywords):
    hidden, output = (mf.Dense(units, parametrization="ntp", **keywords) for units in FANS[1:])
    return mf.Model(9, [hidden, mf.Activate("tanh"), output], dtype="float64", seed=1)


def gradient(V, b):
    """Of half the squared error, its mean over rows."""
    roots = np.sqrt(FANS[:2])
    h = np.tanh(X @ V[0] / roots[0] + b[0])
    delta = (h @ V[1] / roots[1] + b[1] - Y) / len(X)
    below = delta @ V[1].T / roots[1] * (1 - h * h)
    return [X.T @ below / roots[0], h.T @ delta / roots[1]], [below.sum(axis=0), delta.sum(axis=0)]


class Adam:
    def __init__(self, rate, beta_1=0.9, beta_2=0.999, epsilon=1e-8, weight_decay=0.0):
        self.settings, self.m, self.v, self.t = (rate, beta_1, beta_2, epsilon, weight_decay), 0.0, 0.0, 0

    def __call__(self, p, g, decays):
        rate, beta_1, beta_2, epsilon, decay = self.settings
        self.t += 1
        self.m = beta_1 * self.m + (1 - beta_1) * g
        self.v = beta_2 * self.v + (1 - beta_2) * g * g
        step = self.m / (1 - beta_1**self.t) / (np.sqrt(self.v / (1 - beta_2**self.t)) + epsilon)
        return p * (1 - rate * decay * decays) - rate * step


class RMSprop:
    def __init__(self, rate, rho, momentum, epsilon):
        self.settings, self.s, self.velocity = (rate, rho, momentum, epsilon), 0.0, 0.0

    def __call__(self, p, g, decays):
        rate, rho, momentum, epsilon = self.settings
        self.s = rho * self.s + (1 - rho) * g * g
        self.velocity = momentum * self.velocity - rate * g / (np.sqrt(self.s) + epsilon)
        return p + self.velocity


class SGD:
    def __init__(self, rate, momentum, weight_decay):
        self.settings, self.velocity = (rate, momentum, weight_decay), 0.0

    def __call__(self, p, g, decays):
        rate, momentum, decay = self.settings
        self.velocity = momentum * self.velocity - rate * g
        return p * (1 - rate * decay * decays) + self.velocity


class Adagrad:
    def __init__(self, rate, initial, epsilon):
        self.rate, self.s, self.epsilon = rate, initial, epsilon

    def __call__(self, p, g, decays):
        self.s = self.s + g * g
        return p - self.rate * g / (np.sqrt(self.s) + self.epsilon)


class Lion:
    def __init__(self, rate, beta_1, beta_2, weight_decay):
        self.settings, self.m = (rate, beta_1, beta_2, weight_decay), 0.0

    def __call__(self, p, g, decays):
        rate, beta_1, beta_2, decay = self.settings
        step = np.sign(beta_1 * self.m + (1 - beta_1) * g)
        self.m = beta_2 * self.m + (1 - beta_2) * g
        return p * (1 - rate * decay * decays) - rate * step


class NAdam(Adam):
    def __call__(self, p, g, decays):
        rate, beta_1, beta_2, epsilon, _ = self.settings
        mu = [beta_1 * (1 - 0.5 * 0.96 ** (t * 0.004)) for t in range(1, self.t + 3)]
        self.t += 1
        self.m = beta_1 * self.m + (1 - beta_1) * g
        self.v = beta_2 * self.v + (1 - beta_2) * g * g
        m_hat = mu[-1] * self.m / (1 - np.prod(mu)) + (1 - mu[-2]) * g / (1 - np.prod(mu[:-1]))
        return p - rate * m_hat / (np.sqrt(self.v / (1 - beta_2**self.t)) + epsilon)


OPTIMIZERS = {
    "adam": (mf.Adam(0.02, epsilon=1e-2), lambda: Adam(0.02, epsilon=1e-2)),
    "adamw": (mf.AdamW(0.02, weight_decay=0.3), lambda: Adam(0.02, weight_decay=0.3)),
    "rmsprop": (
        mf.RMSprop(0.01, rho=0.8, momentum=0.5, epsilon=1e-2),
        lambda: RMSprop(0.01, rho=0.8, momentum=0.5, epsilon=1e-2),
    ),
    "adagrad": (
        mf.Adagrad(0.05, initial_accumulator_value=0.1, epsilon=1e-2),
        lambda: Adagrad(0.05, initial=0.1, epsilon=1e-2),
    ),
    "nadam": (mf.NAdam(0.02, epsilon=1e-2), lambda: NAdam(0.02, epsilon=1e-2)),
    "lion": (mf.Lion(0.003, beta_1=0.9, beta_2=0.99, weight_decay=0.3), lambda: Lion(0.003, 0.9, 0.99, 0.3)),
    "sgd": (mf.SGD(0.1, momentum=0.5, weight_decay=0.2), lambda: SGD(0.1, momentum=0.5, weight_decay=0.2)),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_are_those_of_the_formula(name):
    ours, theirs = OPTIMIZERS[name]
    model = net(kernel_initializer="lecun_normal")
    V = [W * np.sqrt(len(W)) for W in model.weights]
    b = [biases.copy() for biases in model.biases]
    steps = [[theirs() for _ in range(2)] for _ in range(2)]
    mf.Trainer(model, "mse", ours, batch_size=None, shuffle=False).fit(X, Y, epochs=20, verbose=0)
    for _ in range(20):
        gV, gb = gradient(V, b)
        V = [step(p, g, 1.0) for step, p, g in zip(steps[0], V, gV, strict=True)]
        b = [step(p, g, 0.0) for step, p, g in zip(steps[1], b, gb, strict=True)]
    for W, expected in zip(model.weights, V, strict=True):
        np.testing.assert_allclose(W * np.sqrt(len(W)), expected, rtol=1e-9, atol=1e-12)
    for biases, expected in zip(model.biases, b, strict=True):
        np.testing.assert_allclose(biases, expected, rtol=1e-9, atol=1e-12)


def test_nothing_but_steps_differs():
    """The same initial values, outputs and gradients, penalties among them."""
    model, plain = net(), mf.Model(9, [mf.Dense(25), mf.Activate("tanh"), mf.Dense(2)], dtype="float64", seed=1)
    np.testing.assert_array_equal(model.parameters, plain.parameters)
    np.testing.assert_array_equal(model(X), plain(X))
    for ours, theirs in zip(*(net.loss_and_gradient(X, Y, "mse", l2=0.1) for net in (model, plain)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_groups_and_scales_come_on_top():
    by_layer, by_group = net(learning_rate_scale=0.5), net()
    group = {"weights": {"learning_rate_scale": 0.5}, "biases": {"learning_rate_scale": 0.5}}
    for model, groups in ((by_layer, None), (by_group, group)):
        mf.Trainer(model, "mse", batch_size=None, groups=groups).fit(X, Y, epochs=3, verbose=0)
    np.testing.assert_array_equal(by_layer.parameters, by_group.parameters)
    half = net()
    mf.Trainer(half, "mse", mf.Adam(5e-4), batch_size=None).fit(X, Y, epochs=3, verbose=0)
    np.testing.assert_allclose(half.parameters, by_group.parameters, rtol=1e-12)


def test_it_is_shown_and_other_names_are_refused():
    assert repr(mf.Dense(3, parametrization="ntp")) == "Dense(3, activation='identity', parametrization='ntp')"
    with pytest.raises(ValueError, match="unknown parametrization 'npt'; did you mean 'ntp'"):
        mf.Dense(3, parametrization="npt")
