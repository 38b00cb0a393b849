"""The kernels on whatever memory NumPy arrays have: against the same on separate, aligned, native arrays."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlpfast import kernels

DTYPES = ("float32", "float64")
#: name -> (shapes of the array arguments, as functions of rows and columns; the call with these and `out`).
WITH_OUT = {
    "matmul_bias": ("XWb", lambda X, W, b, out: kernels.matmul_bias(X, W, b, "tanh", out=out)),
    "matmul_bias_softmax": ("XWb", lambda X, W, b, out: kernels.matmul_bias(X, W, b, "softmax", out=out)),
    "activation": ("X", lambda X, out: kernels.activation(X, "gelu", out=out)),
    "activation_softmax": ("X", lambda X, out: kernels.activation(X, "softmax", out=out)),
    "elementary": ("X", lambda X, out: kernels.elementary(X, "exp", out=out)),
    "hadamard_delta": ("XX", lambda dh, h, out: kernels.hadamard_delta(dh, h, "tanh", out=out)),
    "hadamard_delta_identity": ("XX", lambda dh, h, out: kernels.hadamard_delta(dh, h, "identity", out=out)),
    "softmax": ("X", lambda X, out: kernels.softmax(X, out=out)),
    "log_softmax": ("X", lambda X, out: kernels.log_softmax(X, out=out)),
    "softmax_jvp": ("XX", lambda s, v, out: kernels.softmax_jvp(s, v, out=out)),
}
WITHOUT_OUT = {
    "matmul_bias_backward": ("XWX", lambda X, W, delta: np.concatenate(
        [part.ravel() for part in kernels.matmul_bias_backward(X, W, delta)]
    )),
    "softmax_jacobian": ("X", kernels.softmax_jacobian),
}  # fmt: skip


def sizes(letter, rows, columns):
    return {"X": (rows, columns), "W": (columns, columns), "b": (columns,)}[letter]


def misaligned(array):
    """A copy that starts at an odd address."""
    copy = np.frombuffer(bytearray(array.nbytes + 1), array.dtype, array.size, 1).reshape(array.shape)
    copy[...] = array
    return copy


def packed(array):
    """A copy in a field of a structure without padding."""
    fields = np.zeros(array.shape, np.dtype([("flag", "u1"), ("value", array.dtype)]))
    fields["value"] = array
    return fields["value"]


def foreign(array):
    return array.astype(array.dtype.newbyteorder())


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def backwards(array):
    return array[::-1].copy()[::-1]


FORMS = (misaligned, packed, foreign, read_only, backwards, lambda array: misaligned(foreign(array)), np.asfortranarray)


@given(data=st.data())
def test_out_may_overlap_any_argument_in_any_way(data):
    """All arguments and `out` lie in one buffer, each where it likes."""
    letters, call = WITH_OUT[data.draw(st.sampled_from(sorted(WITH_OUT)))]
    dtype = data.draw(st.sampled_from(DTYPES))
    rows, columns = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 20))
    room = 2 * max(rows * columns, columns * columns)
    buffer = np.random.default_rng(0).normal(size=room).astype(dtype)

    def place(shape):
        size = int(np.prod(shape))
        start = data.draw(st.integers(0, room - size) | st.integers(0, 2 * columns).map(lambda n: min(n, room - size)))
        return buffer[start : start + size].reshape(shape)

    arguments = [place(sizes(letter, rows, columns)) for letter in letters]
    out = place((rows, columns))
    expected = call(*(argument.copy() for argument in arguments), None)
    assert call(*arguments, out) is out
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*WITH_OUT, *WITHOUT_OUT])
def test_arguments_are_not_changed(name, dtype):
    letters, call = {**WITH_OUT, **WITHOUT_OUT}[name]
    arguments = [
        np.random.default_rng(i).normal(size=sizes(letter, 66, 9)).astype(dtype) for i, letter in enumerate(letters)
    ]
    before = [argument.copy() for argument in arguments]
    call(*arguments, *([np.empty((66, 9), dtype)] if name in WITH_OUT else []))
    for argument, copy in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(argument, copy)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [*WITH_OUT, *WITHOUT_OUT])
def test_arguments_of_any_form_give_the_same(name, form, dtype):
    letters, call = {**WITH_OUT, **WITHOUT_OUT}[name]
    arguments = [
        np.random.default_rng(i).normal(size=sizes(letter, 33, 7)).astype(dtype) for i, letter in enumerate(letters)
    ]
    out = [None] if name in WITH_OUT else []
    expected = call(*arguments, *out)
    got = call(*map(form, arguments), *out)
    assert got.dtype == expected.dtype == dtype and got.dtype.isnative
    np.testing.assert_array_equal(got, expected)
    if name in WITH_OUT:
        into = np.empty((33, 7), dtype)
        np.testing.assert_array_equal(call(*map(form, arguments), into), expected)


@pytest.mark.parametrize("form", [misaligned, foreign, read_only, packed, backwards])
@pytest.mark.parametrize("name", WITH_OUT)
def test_out_of_another_form_is_refused_and_unchanged(name, form):
    letters, call = WITH_OUT[name]
    arguments = [np.random.default_rng(i).normal(size=sizes(letter, 33, 7)) for i, letter in enumerate(letters)]
    out = form(np.zeros((33, 7)))
    with pytest.raises(ValueError, match="expected out to be"):
        call(*arguments, out)
    assert not out.any()


def test_names_may_be_numpy_strings():
    np.testing.assert_array_equal(kernels.activation([1.0], np.str_("tanh")), kernels.activation([1.0], "tanh"))
    np.testing.assert_array_equal(kernels.elementary([1.0], np.str_("exp")), kernels.elementary([1.0], "exp"))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pieces_change_no_bits_and_no_argument(monkeypatch, dtype):
    """Large products come in pieces of rows, between which signals are heard."""
    rng = np.random.default_rng(0)
    memory, W, b = (rng.normal(size=shape).astype(dtype) for shape in ((900, 7), (7, 7), (7,)))
    X, delta = memory[100:800].copy(), rng.normal(size=(700, 7)).astype(dtype)
    whole = kernels.matmul_bias(X, W, b, "gelu"), *kernels.matmul_bias_backward(X, W, delta)
    monkeypatch.setattr("mlpfast.core.pieces._WORK", 1)  # 240 rows
    parts = kernels.matmul_bias(X, W, b, "gelu"), *kernels.matmul_bias_backward(X, W, delta)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)
    for shift in (-100, -3, 0, 1, 100):
        read, written = memory.copy(), slice(100 + shift, 800 + shift)
        np.testing.assert_array_equal(kernels.matmul_bias(read[100:800], W, b, "gelu", out=read[written]), whole[0])
