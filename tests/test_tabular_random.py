"""Random tables through the tabular estimators: whatever the columns, rows are predicted one by one as together."""

import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpfast import TabularClassifier, TabularRegressor

CELLS = {
    "float": st.one_of(st.none(), st.floats(-1e9, 1e9)),
    "large": st.floats(-1e300, 1e300),
    "int": st.integers(-1000, 1000),
    "bool": st.booleans(),
    "string": st.one_of(st.none(), st.text(string.ascii_letters + " é", max_size=4)),
    "constant": st.just(3.0),
    "date": st.one_of(st.none(), st.datetimes().map(np.datetime64)),
}


def tables(kinds, rows):
    columns = {f"{kind}{i}": st.lists(CELLS[kind], min_size=rows, max_size=rows) for i, kind in enumerate(kinds)}
    return st.fixed_dictionaries(columns).map(pd.DataFrame)


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
@settings(max_examples=12)
@given(st.data())
def test_rows_by_themselves_are_as_together(kind, data):
    rows = data.draw(st.integers(12, 24))
    kinds = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=5))
    table, later = data.draw(tables(["int", *kinds], rows)), data.draw(tables(["int", *kinds], 5))
    numbers = np.arange(rows) * 1.5
    y = np.where(numbers % 2 > 0.5, "odd", "even") if kind is TabularClassifier else numbers
    model = kind(epochs=1, batch_size=8, random_state=0).fit(table, y)
    together = model.predict(later)
    assert together.shape == (5,)
    if kind is TabularRegressor:
        assert np.isfinite(together).all()
    one_by_one = [model.predict_one(row) for row in later.to_dict("records")]
    assert all(
        a == pytest.approx(b, rel=1e-5) if kind is TabularRegressor else a == b
        for a, b in zip(one_by_one, together, strict=True)
    )
