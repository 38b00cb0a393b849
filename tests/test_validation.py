"""What users pass in: every kind of array that is right gives the same numbers, everything wrong a clear error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import mlpfast as mf
from mlpfast.losses import as_loss
from mlpfast.validation import CSR, as_features, as_sample_weight, as_targets, n_rows

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)


@pytest.fixture(scope="module")
def model():
    return mf.mlp([4, 5, 3], activation="tanh", output_activation="softmax", seed=1)


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).integers(0, 100, size=(6, 4))


class Exotic:
    """An array of another library, as pandas, polars and torch show themselves to NumPy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def unaligned(array):
    buffer = np.zeros(array.nbytes + 1, dtype=np.uint8)
    result = buffer[1:].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


def unaligned_csr(X):
    rows = pytest.importorskip("scipy.sparse").csr_array(X.astype(np.float32))
    rows.data, rows.indices, rows.indptr = map(unaligned, (rows.data, rows.indices, rows.indptr))
    return rows


CONTAINERS = {
    "float32": lambda X: X.astype(np.float32),
    "float64": lambda X: X.astype(np.float64),
    "float16": lambda X: X.astype(np.float16),
    "longdouble": lambda X: X.astype(np.longdouble),
    "big-endian": lambda X: X.astype(">f4"),
    "fortran": lambda X: np.asfortranarray(X, dtype=np.float32),
    "reversed": lambda X: X[::-1, ::-1].astype(np.float32)[::-1, ::-1],
    "strided": lambda X: np.repeat(X, 2, axis=1).astype(np.float64)[:, ::2],
    "read-only": lambda X: read_only(X.astype(np.float32)),
    "unaligned": lambda X: unaligned(X.astype(np.float32)),
    "subclass": lambda X: X.astype(np.float32).view(np.recarray),
    "unmasked": lambda X: np.ma.array(X, dtype=np.float32),
    "uint8": lambda X: X.astype(np.uint8),
    "int8": lambda X: X.astype(np.int8),
    "int16": lambda X: X.astype(np.int16),
    "int64": lambda X: X,
    "uint64": lambda X: X.astype(np.uint64),
    "object": lambda X: X.astype(object),
    "list": lambda X: X.tolist(),
    "tuples": lambda X: tuple(map(tuple, X.tolist())),
    "__array__": lambda X: Exotic(X),
    "DataFrame": lambda X: pytest.importorskip("pandas").DataFrame(X),
    "mixed DataFrame": lambda X: pytest.importorskip("pandas").DataFrame(X).astype({0: "float32", 2: "Int64"}),
    "polars": lambda X: pytest.importorskip("polars").DataFrame(X),
    "csr_array": lambda X: pytest.importorskip("scipy.sparse").csr_array(X, dtype=np.float64),
    "csr_matrix": lambda X: pytest.importorskip("scipy.sparse").csr_matrix(X),
    "unaligned csr_array": unaligned_csr,
    "csc_array": lambda X: pytest.importorskip("scipy.sparse").csc_array(X.astype(np.float32)),
    "coo_array": lambda X: pytest.importorskip("scipy.sparse").coo_array(X.astype(np.uint8)),
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_container_gives_the_same_bits(X, name, dtype):
    model = mf.mlp([4, 5, 2], activation="tanh", dtype=dtype, seed=1)
    y = np.arange(12.0).reshape(6, 2)
    given_X = CONTAINERS[name](X)
    expected = model.predict(X.astype(dtype))
    prediction = model.predict(given_X)
    assert prediction.dtype == dtype and prediction.shape == (6, 2)
    np.testing.assert_array_equal(prediction, expected)
    expected_loss, expected_gradient = model.loss_and_gradient(X.astype(dtype), y, "mse")
    loss, gradient = model.loss_and_gradient(given_X, y, "mse")
    assert loss == expected_loss
    np.testing.assert_array_equal(gradient, expected_gradient)


def test_bool_features(model, X):
    bits = X % 2 == 1
    np.testing.assert_array_equal(model.predict(bits), model.predict(bits.astype(np.float32)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16])
@pytest.mark.parametrize("model_dtype", [F32, F64])
def test_no_copy_where_none_is_needed(X, dtype, model_dtype):
    array = X.astype(dtype)
    assert as_features(array, 4, model_dtype) is array
    values = np.asarray(pytest.importorskip("pandas").DataFrame(array.T).T)
    assert dtype in (np.uint8, np.int16) or np.shares_memory(as_features(values, 4, model_dtype), values)
    bits = X > 50
    assert np.shares_memory(as_features(bits, 4, model_dtype), bits)
    y = np.zeros((6, 3), dtype=model_dtype)
    assert as_targets(y, as_loss("mse"), 3, model_dtype, 6) is y
    labels = np.zeros(6, dtype=np.int32)
    assert np.shares_memory(as_targets(labels, as_loss("cross_entropy"), 3, model_dtype, 6), labels)
    weights = np.ones(6)
    assert as_sample_weight(weights, 6) is weights


def test_sparse_rows_are_not_copied_either(X):
    sparse = pytest.importorskip("scipy.sparse").csr_array(X.astype(np.float32))
    rows = as_features(sparse, 4, F32)
    assert isinstance(rows, CSR) and n_rows(rows) == 6
    assert np.shares_memory(rows.values, sparse.data) and np.shares_memory(rows.columns, sparse.indices)


# --- errors; each says what was expected, what came, and where ---


def bad_csr(**parts):
    sparse = pytest.importorskip("scipy.sparse")
    matrix = sparse.csr_array(np.ones((3, 4), dtype=np.float32))
    for name, value in parts.items():
        getattr(matrix, name)[-np.size(value) :] = value
    return matrix


def pandas_series(values, dtype=None):
    return pytest.importorskip("pandas").Series(values, dtype=dtype)


def frame(columns):
    """Four columns, a to d, of numbers but for those given."""
    return pytest.importorskip("pandas").DataFrame({name: [1.0, 2.0] for name in "abcd"} | columns)


BAD_X = {
    "wrong width": (lambda: np.zeros((7, 3)), ValueError, r"expected 4 features, got 3 \(X has shape \(7, 3\)\)"),
    "wrong rank": (lambda: np.zeros((7, 4, 1)), ValueError, r"2-D.*3-D \(X has shape \(7, 4, 1\)"),
    "a number": (lambda: 3.0, ValueError, r"2-D.*0-D"),
    "no rows": (lambda: np.zeros((0, 4)), ValueError, "at least one row"),
    "empty list": (list, ValueError, "X"),
    "NaN": (lambda: np.where(np.arange(12).reshape(3, 4) == 6, np.nan, 0), ValueError, "finite"),
    "infinity": (lambda: np.full((3, 4), -np.inf, dtype=np.float32), ValueError, "finite"),
    "NaN in a list": (lambda: [[0, 0, 0, 0], [0, 0, float("nan"), 0]], ValueError, "finite"),
    "strings": (lambda: np.array([["a", "b", "c", "d"]]), TypeError, "numeric.*<U1"),
    "digits as strings": (lambda: [["1", "2", "3", "4"]], TypeError, "numeric"),
    "objects": (lambda: [[1, 2, 3, None]], (TypeError, ValueError), "X"),
    "complex": (lambda: np.zeros((2, 4), dtype=complex), TypeError, "numeric.*complex"),
    "dates": (lambda: np.zeros((2, 4), dtype="M8[s]"), TypeError, "numeric.*datetime"),
    "ragged": (lambda: [[1, 2, 3, 4], [1, 2]], TypeError, "X.*does not convert"),
    "masked": (lambda: np.ma.array(np.zeros((1, 4)), mask=[[0, 1, 0, 0]]), ValueError, "masked one at row 0, column 1"),
    "mixed objects": (lambda: [[1, 2, 3, 4], [1, 2, "red", 4]], TypeError, "numeric"),
    "strings as objects": (lambda: np.array([[1, "a", 3, 4]], dtype=object), TypeError, "'a' .str. at row 0, column 1"),
    "None beside strings": (lambda: np.array([[None, "a", 3, 4]], dtype=object), ValueError, "None at row 0, column 0"),
    "huge integers": (lambda: [[1, 2, 10**400, 4]], ValueError, "too large for float64 at row 0, column 2"),
    "lists as objects": (lambda: frame({"b": pandas_series([[1], [2]])}), TypeError, r"\[1\] \(list\) at row 0.*'b'"),
    "NA": (
        lambda: frame({"b": pandas_series([1, None], "Int64")}),
        ValueError,
        "<NA> at row 1, column 1 \\('b'\\); fill",
    ),
    "NA of booleans": (
        lambda: frame({"d": pandas_series([None, True], "boolean")}),
        ValueError,
        r"row 0, column 3 \('d'",
    ),
    "NaN in a frame": (lambda: frame({"c": [1.0, np.nan]}), ValueError, r"NaN at row 1, column 2 \('c'\)"),
    "strings in a frame": (
        lambda: frame({"c": ["red", "blue"]}),
        TypeError,
        r"got 'red' \(str\) at row 0, column 2 \('c'\); encode strings first, by sklearn.preprocessing.OneHotEncoder",
    ),
    "categories in a frame": (
        lambda: frame({"d": pandas_series(["red", "blue"], "category")}),
        TypeError,
        r"column 3 \('d'\); encode",
    ),
    "dates in a frame": (lambda: frame({"a": pandas_series(["2020"] * 2, "M8[s]")}), TypeError, r"Timestamp.* \('a'\)"),
    "strings in polars": (
        lambda: pytest.importorskip("polars").DataFrame({"a": [1], "b": ["red"], "c": [1.0], "d": [2]}),
        TypeError,
        r"'red' .* column 1 \('b'\); encode",
    ),
    "None": (lambda: None, (TypeError, ValueError), "X"),
    "a string": (lambda: "X", TypeError, "numeric"),
    "sparse width": (lambda: bad_csr()[:, :3], ValueError, "expected 4 features, got 3"),
    "sparse NaN": (lambda: bad_csr(data=np.nan), ValueError, "NaN at row 2, column 3"),
    "sparse column": (lambda: bad_csr(indices=4), ValueError, "well-formed"),
    "sparse negative column": (lambda: bad_csr(indices=-1), ValueError, "well-formed"),
    "sparse offsets that wrap": (lambda: bad_csr(indptr=[0, 2**31 - 1, -(2**31), 3]), ValueError, "well-formed"),
    "sparse offset": (lambda: bad_csr(indptr=99), ValueError, "well-formed"),
}


@pytest.mark.parametrize("name", BAD_X)
def test_bad_features(model, name):
    make, error, message = BAD_X[name]
    bad = make()
    n = bad.shape[0] if getattr(bad, "shape", ()) else 1
    with pytest.raises(error, match=message):
        model.predict(bad)
    with pytest.raises(error, match=message):
        model.loss_and_gradient(bad, np.zeros(n, dtype=int), "cross_entropy")


def test_one_row_is_for_predict_only(model):
    assert model.predict(np.zeros(4)).shape == (1, 3)
    with pytest.raises(ValueError, match=r"X.reshape\(1, -1\)"):
        model.loss_and_gradient(np.zeros(4), [0], "cross_entropy")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, object])
def test_the_place_of_a_nan_is_named(model, dtype):
    """In one traceback, with what to do about it."""
    X = np.zeros((5, 4), dtype)
    X[3, 2] = np.nan
    for call in (
        lambda: model.predict(X),
        lambda: model.predict(X[3]),
        lambda: model.loss_and_gradient(X, np.zeros(5, dtype=int), "cross_entropy"),
    ):
        with pytest.raises(ValueError, match="NaN at (row 3, column|row) 2 .*; fill in missing values") as caught:
            call()
        assert caught.value.__cause__ is None and (caught.value.__suppress_context__ or not caught.value.__context__)


def test_numbered_columns_have_no_name(model):
    frame = pytest.importorskip("pandas").DataFrame(np.full((2, 4), np.nan))
    with pytest.raises(ValueError, match=r"row 0, column 0 \(X has shape"):
        model.predict(frame)


@pytest.mark.parametrize("parts", [("data", "indices"), ("data",), ("indices",)], ids=repr)
def test_unused_room_behind_the_entries_of_a_csr(model, X, parts):
    """SciPy allows it; what lies there is nobody's."""
    sparse = pytest.importorskip("scipy.sparse").csr_array(X.astype(np.float32))
    expected = model.predict(sparse)
    unused = {"data": [np.nan, np.inf], "indices": [99, -7]}
    for part in parts:
        before = getattr(sparse, part)
        setattr(sparse, part, np.concatenate([before, np.array(unused[part], before.dtype)]))
    np.testing.assert_array_equal(model.predict(sparse), expected)
    y = np.zeros(6, dtype=int)
    assert model.loss_and_gradient(sparse, y, "cross_entropy")[0] == model.loss_and_gradient(X, y, "cross_entropy")[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", [0, 63, 64, 149])
def test_a_nan_among_many_rows_is_found(row, dtype):
    """Whether the network reads the rows where they lie (float32) or copies of them."""
    X = np.ones((150, 33), dtype)
    X[row, 32] = np.nan
    with pytest.raises(ValueError, match=f"NaN at row {row}, column 32"):
        mf.mlp([33, 40, 3], dtype="float32").predict(X)


def test_large_finite_values_are_not_taken_for_infinity():
    assert as_features(np.full((3, 4), 1e308), 4, F64) is not None
    assert as_features(np.full((3, 4), 3e38, dtype=np.float32), 4, F32) is not None


def test_values_beyond_float32_are_infinite_to_it(model):
    with pytest.raises(ValueError, match=r"1e\+39, too large for float32"):
        model.loss_and_gradient(np.full((3, 4), 1e39), [0, 1, 2], "cross_entropy")
    with pytest.raises(ValueError, match=r"too large|infinity"):
        model.predict(np.full((3, 4), 1e39))


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, float]
)
@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_class_indices_of_any_integer_dtype(dtype, shape):
    y = as_targets(np.array([0, 2, 1, 1, 0], dtype=dtype).reshape(shape), as_loss("cross_entropy"), 3, F32, 5)
    assert y.dtype == np.int32 and y.shape == (5,) and y.tolist() == [0, 2, 1, 1, 0]


def test_indices_one_hot_and_soft_targets_agree(model, X):
    y = np.array([0, 2, 1, 1, 0, 2])
    expected = model.loss_and_gradient(X, y, "cross_entropy")
    for same in (y.tolist(), y.astype(np.uint8), np.eye(3)[y], np.eye(3, dtype=bool)[y]):
        loss, gradient = model.loss_and_gradient(X, same, "cross_entropy")
        assert loss == pytest.approx(expected[0], rel=1e-6)
        np.testing.assert_allclose(gradient, expected[1], rtol=1e-4, atol=1e-5)


def test_one_output_takes_flat_targets():
    for loss in ("mse", "binary_cross_entropy", "poisson"):
        for y in ([1, 0, 1], [[1], [0], [1]], np.array([True, False, True])):
            targets = as_targets(y, as_loss(loss), 1, F64, 3)
            assert targets.dtype == F64 and targets.tolist() == [[1.0], [0.0], [1.0]]


BAD_Y = {
    "too short": ("cross_entropy", [0, 1], ValueError, r"as long as X, 3 rows, got 2 \(y has shape \(2,\)\)"),
    "too long": ("mse", np.zeros((4, 3)), ValueError, "3 rows, got 4"),
    "label too large": ("cross_entropy", [0, 1, 3], ValueError, "from 0 to 2, got 3 at row 2"),
    "negative label": ("cross_entropy", [0, -1, 2], ValueError, "from 0 to 2, got -1 at row 1"),
    "huge label": ("cross_entropy", np.array([0, 2**32, 0]), ValueError, "4294967296 at row 1"),
    "half label": ("cross_entropy", [0, 0.5, 1], ValueError, "whole numbers, got 0.5 at row 1"),
    "NaN label": ("cross_entropy", [0, np.nan, 1], ValueError, "NaN at row 1"),
    "one-hot width": ("cross_entropy", np.eye(3, 4), ValueError, r"\(n, 3\).*got \(3, 4\)"),
    "rows that sum to 2": ("cross_entropy", np.ones((3, 3)) * 2 / 3, ValueError, "sum to 1, got 2 in row 0"),
    "negative probability": ("cross_entropy", [[1, 0, 0], [2, -1, 0], [1, 0, 0]], ValueError, "between 0 and 1.*row 1"),
    "3-D": ("cross_entropy", np.zeros((3, 3, 1)), ValueError, "3-D"),
    "flat for three outputs": ("mse", [0, 1, 2], ValueError, r"\(n, 3\).*got \(3,\)"),
    "one column for three": ("mse", [[0], [1], [2]], ValueError, r"\(n, 3\).*got \(3, 1\)"),
    "infinite target": ("mse", np.full((3, 3), np.inf), ValueError, "infinity at row 0, column 0"),
    "beyond one": ("binary_cross_entropy", np.full((3, 3), 1.5), ValueError, "between 0 and 1, got 1.5"),
    "negative count": ("poisson", np.full((3, 3), -1), ValueError, ">= 0, got -1"),
    "strings": (
        "cross_entropy",
        ["cat", "dog", "cat"],
        TypeError,
        r"numeric.*np.unique\(y, return_inverse=True\).*MLPC",
    ),
    "strings in a series": (
        "cross_entropy",
        lambda: pandas_series(["cat", "dog", "cat"]),
        TypeError,
        r"'cat' \(str\) at row 0; .*np.unique\(y, return_inverse=True\), or use MLPClassifier",
    ),
    "strings for yes and no": ("binary_cross_entropy", ["yes", "no", "yes"], TypeError, "np.unique"),
    "strings for numbers": ("mse", ["one", "two", "one"], TypeError, r"dtype <U3 \(y has shape \(3,\)\)$"),
    "NA": ("cross_entropy", lambda: pandas_series([1, 2, None], "Int64"), ValueError, "at row 2.*; fill in"),
    "NA of labels": ("cross_entropy", np.array([0, 1, None], object), ValueError, "NaN at row 2 .*; fill in"),
    "nothing": ("cross_entropy", None, (TypeError, ValueError), "y"),
    "sparse": ("mse", bad_csr, TypeError, "dense"),
}


def test_labels_for_one_output():
    with pytest.raises(ValueError, match="from 0 to 0, got 1 at row 1; with one output, .* 'binary_cross_entropy'"):
        mf.mlp([4, 1]).loss_and_gradient(np.zeros((2, 4)), [0, 1], "cross_entropy")


def test_the_remedy_for_string_labels_works():
    classes, y = np.unique(["cat", "dog", "cat"], return_inverse=True)
    model = mf.mlp([4, 2], output_activation="softmax")
    mf.Trainer(model).fit(np.zeros((3, 4)), y, verbose=0)
    assert classes[model.predict(np.zeros((3, 4))).argmax(axis=1)].shape == (3,)


@pytest.mark.parametrize("name", BAD_Y)
def test_bad_targets(name):
    loss, y, error, message = BAD_Y[name]
    output = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}.get(loss, "identity")
    model = mf.mlp([4, 3], output_activation=output)
    with pytest.raises(error, match=message):
        model.loss_and_gradient(np.zeros((3, 4)), y() if callable(y) else y, loss)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([1, 1], ValueError, r"shape \(3,\).*got \(2,\)"),
        ([[1], [1], [1]], ValueError, r"got \(3, 1\)"),
        (2.0, ValueError, r"got \(\)"),
        ([1, -1, 1], ValueError, ">= 0, got -1 at row 1"),
        ([0, 0, 0], ValueError, "positive sum"),
        ([1, np.nan, 1], ValueError, "NaN at row 1"),
        ([1, np.inf, 1], ValueError, "infinity at row 1"),
        (["a", "b", "c"], TypeError, "numeric"),
    ],
)
def test_bad_sample_weights(weights, error, message):
    model = mf.mlp([4, 1])
    with pytest.raises(error, match=message) as info:
        model.loss_and_gradient(np.zeros((3, 4)), np.zeros(3), "mse", sample_weight=weights)
    assert "sample_weight" in str(info.value)


@given(
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int16, np.uint8, np.bool_]),
        hnp.array_shapes(max_dims=3, max_side=5),
    )
)
def test_any_array_is_right_or_a_clear_error(array):
    try:
        features = as_features(array, 3, F32)
    except ValueError as error:
        wrong_shape = array.ndim != 2 or array.shape[1] != 3
        assert wrong_shape or not (np.abs(array) <= np.finfo(F32).max).all()
        assert str(array.shape) in str(error)
    else:
        assert features.flags.c_contiguous and features.dtype in (np.float32, np.float64, np.uint8, np.int16)
        np.testing.assert_array_equal(features, array.astype(features.dtype))
