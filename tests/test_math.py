"""The vector functions against exact values: float64 by mpmath, float32 by float64 libraries, over the whole range."""

import mpmath
import numpy as np
import pytest
import scipy.special

from mlpfast import kernels

FUNCTIONS = {
    "exp": (np.exp, mpmath.exp),
    "expm1": (np.expm1, mpmath.expm1),
    "log": (np.log, mpmath.log),
    "log1p": (np.log1p, mpmath.log1p),
    "tanh": (np.tanh, mpmath.tanh),
    "sigmoid": (scipy.special.expit, lambda x: 1 / (1 + mpmath.exp(-x))),
    "erf": (scipy.special.erf, mpmath.erf),
    "sin": (np.sin, mpmath.sin),
    "cos": (np.cos, mpmath.cos),
}
PERIODIC = ("sin", "cos")  # the others have an end: they saturate, overflow, or are straight lines


def _exact_gelu(z):
    if abs(z) > 100:  # beyond what mpmath's erfc takes
        return max(z, mpmath.mpf(0))
    return z * mpmath.erfc(-z / mpmath.sqrt(2)) / 2


ACTIVATIONS = {  # name: (exact value, most ulp)
    "softplus": (lambda z: mpmath.log1p(mpmath.exp(z)), 2),
    "elu": (lambda z: z if z > 0 else mpmath.expm1(z), 2),
    "silu": (lambda z: z / (1 + mpmath.exp(-z)), 4),
    "mish": (lambda z: z * mpmath.tanh(mpmath.log1p(mpmath.exp(z))), 4),
    "gelu": (_exact_gelu, 4),
}


def every_size(dtype, n, low, high, positive=False):
    """n numbers of every magnitude from 2**low to 2**high, and the ends of the format."""
    rng = np.random.default_rng(0)
    x = np.ldexp(rng.uniform(1, 2, n), rng.integers(low, high, n))
    limits = np.finfo(dtype)
    ends = [limits.smallest_subnormal, 3 * limits.smallest_subnormal, limits.smallest_normal, limits.max, 1.0]
    x = np.concatenate([x, ends])
    return (x if positive else np.concatenate([x, -x])).astype(dtype)


def in_ulp(got, exact):
    """Distance of float results from exact values (floats of a wider type or mpmath), in spacings of the result's."""
    nearest = np.array([float(value) for value in exact]).astype(got.dtype)
    same = (got == nearest) | ~np.isfinite(nearest)
    assert np.array_equal(np.isfinite(got), np.isfinite(nearest))
    error = [abs(float(mpmath.mpf(float(g)) - e)) for g, e in zip(got[~same], exact[~same], strict=True)]
    return np.max(error / np.spacing(np.abs(nearest[~same])), initial=0.0)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_is_within_2_ulp(name):
    x = every_size(np.float32, 100_000, -149, 128, positive=name == "log")
    x = x[x > -1] if name == "log1p" else x
    with np.errstate(over="ignore", under="ignore"):
        exact = FUNCTIONS[name][0](x.astype(np.float64))
        nearest = exact.astype(np.float32)
    got = kernels.elementary(x, name)
    assert np.array_equal(np.isfinite(got), np.isfinite(nearest))
    finite = np.isfinite(nearest)
    error = np.abs(got[finite].astype(np.float64) - exact[finite]) / np.spacing(np.abs(nearest[finite]))
    assert error.max() <= 2


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_within_2_ulp(name):
    x = every_size(np.float64, 1_500, -60, 1024 if name in PERIODIC else 11, positive=name == "log")
    x = x[x > -1] if name == "log1p" else x
    with mpmath.workdps(60):
        exact = np.array([FUNCTIONS[name][1](mpmath.mpf(float(value))) for value in x])
        assert in_ulp(kernels.elementary(x, name), exact) <= 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PERIODIC)
def test_angles_near_multiples_of_a_quarter_turn(name, dtype):
    with mpmath.workdps(60):
        multiples = [*range(1, 60), *(2**power + odd for power in range(6, 120) for odd in (-1, 0, 1))]
        nearest = [float(k * mpmath.pi / 2) for k in multiples]
        nearest.append(float(6381956970095103 * mpmath.mpf(2) ** 797))  # of all doubles, the nearest to such a multiple
        x = np.array([value for value in nearest if value < float(np.finfo(dtype).max)]).astype(dtype)
        x = np.concatenate([np.nextafter(x, dtype(0)), x, np.nextafter(x, dtype(np.inf))])
        exact = np.array([FUNCTIONS[name][1](mpmath.mpf(float(value))) for value in x])
        assert in_ulp(kernels.elementary(x, name), exact) <= 2


def test_a_large_angle_among_small_ones_changes_nothing_of_theirs():
    x = np.linspace(-9, 9, 64)
    alone = kernels.elementary(x, "sin")
    x[5], x[17] = 1e300, np.inf
    with_large = kernels.elementary(x, "sin")
    assert abs(with_large[5]) <= 1
    np.testing.assert_array_equal(np.delete(with_large, [5, 17]), np.delete(alone, [5, 17]))


def test_the_sine_of_minus_zero_is_minus_zero():
    assert np.signbit(kernels.elementary([-0.0], "sin"))[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_within_their_bound(name, dtype):
    exact_value, most = ACTIVATIONS[name]
    x = every_size(dtype, 700, -30, 7)
    with mpmath.workdps(60):
        exact = np.array([exact_value(mpmath.mpf(float(value))) for value in x])
        got = kernels.activation(x, name)
        normal = np.abs(np.array([float(value) for value in exact])) >= np.finfo(dtype).smallest_normal
        assert in_ulp(got[normal], exact[normal]) <= most


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "at_minus_infinity", "at_zero", "at_infinity"),
    [
        ("exp", 0, 1, np.inf),
        ("expm1", -1, 0, np.inf),
        ("log", np.nan, -np.inf, np.inf),
        ("log1p", np.nan, 0, np.inf),
        ("tanh", -1, 0, 1),
        ("sigmoid", 0, 0.5, 1),
        ("erf", -1, 0, 1),
        ("sin", np.nan, 0, np.nan),
        ("cos", np.nan, 1, np.nan),
    ],
)
def test_special_values(name, at_minus_infinity, at_zero, at_infinity, dtype):
    got = kernels.elementary(np.array([-np.inf, 0, np.inf, np.nan], dtype), name)
    np.testing.assert_array_equal(got, np.array([at_minus_infinity, at_zero, at_infinity, np.nan], dtype))


@pytest.mark.parametrize("n", [0, 1, 7, 16, 33])
def test_any_length_and_in_place(n):
    x = np.linspace(-1, 1, n)
    expected = np.tanh(x)
    assert kernels.elementary(x, "tanh", out=x) is x
    np.testing.assert_allclose(x, expected, rtol=1e-15)


def test_an_unknown_function_is_named():
    with pytest.raises(ValueError, match="sigmoid"):
        kernels.elementary([0.0], "sigmod")
