"""The transformer from tables to numbers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..callers import levels_to_the_user
from ..errors import boolean, integer, listed
from .columns import Table
from .plans import ColumnPlan, ColumnTable, plan_of
from .reading import read_table
from .rows import rows_of
from .storing import plans_from_json, plans_to_json

__all__ = ["TableEncoder"]


class TableEncoder(TransformerMixin, BaseEstimator):
    """Tables as they come to numbers as a network wants them: float32, none missing, most of them near zero.

    Of each column, in order:

    - numbers, dates and durations (as seconds): minus their median, divided by the distance of their quartiles (or half
      of the range, where that is zero), limited smoothly to (-3, 3), as in RealMLP (Holzmüller et al., 2024). What is
      missing becomes 0; where training rows had missing values, a further column ``<name>_missing`` is 1 there;
    - booleans, and categories of which there are two: as the numbers 0 and 1, and then the same;
    - other categories: a code from 1 on, in sorted order; 0 is what is missing, or was not there in training;
    - columns without any value: ignored. Constant numbers become 0.

    Missing are None, NaN, NA and NaT.

    Parameters
    ----------
    categorical_features : "auto", sequence of str or int, or boolean mask, default "auto"
        "auto": strings, and what its library calls categorical. Else the names, or numbers, of the columns, or a mask;
        columns of strings always are.
    views : bool, default False
        Numbers, dates and durations get further columns: ``<name>_rank``, their rank among the training values, from -2
        to 2; and, if more than one in a hundred of these is beyond 3 after scaling, ``<name>_tail``, the number minus
        its median in standard deviations, cut at 20 of them.
    min_frequency : int, default 1
        In columns of more than 8 categories, those with fewer training rows become code 0.

    Attributes
    ----------
    columns_ : ColumnTable
        What becomes of each column; it prints as a table.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        If the table had names.

    Raises
    ------
    TypeError, ValueError
        For what is no table, an empty one, columns of one name, values of several kinds in a column, or infinite ones:
        with the column and the row. By `transform`, for columns that are missing, new, or of another kind than in
        training; columns in another order are put right.

    Examples
    --------
    >>> from mlpfast.tabular import TableEncoder
    >>> encoder = TableEncoder().fit([[1.0, "a"], [2.0, "b"], [None, "c"]])
    >>> encoder.transform([[1.5, "b"], [None, "z"]])
    array([[0., 0., 2.],
           [0., 1., 0.]], dtype=float32)
    >>> list(encoder.get_feature_names_out())
    ['x0', 'x0_missing', 'x1']
    """

    columns_: ColumnTable
    n_features_in_: int
    feature_names_in_: NDArray[Any]

    def __init__(self, categorical_features: Any = "auto", *, views: bool = False, min_frequency: int = 1) -> None:
        self.categorical_features = categorical_features
        self.views = views
        self.min_frequency = min_frequency

    def fit(self, X: Any, y: Any = None) -> TableEncoder:
        """Learn what becomes of each column.

        Parameters
        ----------
        X : table (n, columns)
            A pandas, polars or Arrow table, a NumPy array, SciPy sparse rows (which are made dense), or a sequence of
            rows.
        y : ignored

        Returns
        -------
        TableEncoder
        """
        with np.errstate(all="ignore"):  # small values may round to zero, whatever the user has set
            self._learn(read_table(X, owner=type(self).__name__))
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.float32]:
        """`fit`, and then `transform`, of the same table."""
        with np.errstate(all="ignore"):
            table = read_table(X, owner=type(self).__name__)
            self._learn(table)
            return self._encode(table)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The numbers of a table.

        Parameters
        ----------
        X : table (n, columns)
            With the columns of training; by name, if these had names, in any order.

        Returns
        -------
        ndarray (n, len(get_feature_names_out())) of float32
        """
        check_is_fitted(self)
        with np.errstate(all="ignore"):
            return self._rows_of(X, type(self).__name__)

    def transform_one(self, row: Mapping[str, Any] | Sequence[Any]) -> NDArray[np.float32]:
        """The numbers of a single row, without a table.

        Parameters
        ----------
        row : mapping from names to values, pandas series, named tuple, or sequence of values in the order of training

        Returns
        -------
        ndarray (1, len(get_feature_names_out())) of float32
        """
        check_is_fitted(self)
        shape = getattr(row, "shape", (0,))
        if len(shape) != 1:
            raise TypeError(f"expected a row of one dimension, got {type(row).__name__} of shape {tuple(shape)}")
        names = [plan.name for plan in self.columns_]
        if hasattr(self, "feature_names_in_"):  # which these may have in another order
            if hasattr(row, "to_dict") and hasattr(row, "index"):  # a pandas series
                row = row.to_dict()
            elif hasattr(row, "_asdict") and set(row._asdict()) == set(names):
                row = row._asdict()
        if isinstance(row, Mapping):
            self._check_names(list(row), names, "row")
            values: Sequence[Any] = [row[name] for name in names]
        elif not (hasattr(row, "__getitem__") and hasattr(row, "__len__")) or isinstance(row, (str, bytes)):
            raise TypeError(f"expected a row, a mapping from names or a sequence of values, got {row!r:.60}")
        else:
            values = row
            if len(values) != len(self.columns_):
                raise ValueError(f"expected a row of {len(self.columns_)} values, got {len(values)}")
        encoded: list[float] = []
        for plan, value in zip(self.columns_, values, strict=True):
            encoded += plan.encode_one(value)
        with np.errstate(all="ignore"):
            return np.array([encoded], dtype=np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """The names of the columns that `transform` returns.

        Parameters
        ----------
        input_features : sequence of str, optional
            Names for the columns of training; those that they had, if any, and no others.

        Returns
        -------
        ndarray of str objects
        """
        check_is_fitted(self)
        names = [plan.name for plan in self.columns_]
        given = names if input_features is None else [str(name) for name in input_features]
        if hasattr(self, "feature_names_in_") and given != names:
            raise ValueError("input_features is not equal to feature_names_in_")
        if len(given) != len(names):
            raise ValueError(f"input_features should have length equal to number of features ({len(names)}), got "
                             f"{len(given)}")  # fmt: skip
        found: list[str] = []
        taken = set(given)
        for name, plan in zip(given, self.columns_, strict=True):
            for output in plan.outputs:
                made = name + output.removeprefix(plan.name)
                while made != name and made in taken:  # a column of the table may have that name, too
                    made += "_"
                taken.add(made)
                found.append(made)
        return np.array(found, dtype=object)

    def to_json(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """All that it has learnt, as plain JSON and arrays by name: what a file without pickle holds."""
        check_is_fitted(self)
        items, arrays = plans_to_json(self.columns_)
        return {"named": hasattr(self, "feature_names_in_"), "columns": items}, arrays

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> TableEncoder:
        """The encoder that `to_json` has written; its `categorical_features` are those that were found."""
        plans = plans_from_json(fields["columns"], arrays)
        encoder = cls([i for i, plan in enumerate(plans) if plan.levels], views=any(plan.views for plan in plans))
        encoder._set(plans, bool(fields["named"]))
        return encoder

    # --- behind them ---

    def _learn(self, table: Table) -> None:
        categorical = self._mask(table)
        rare, views = integer("min_frequency", self.min_frequency), boolean("views", self.views)
        plans = [
            plan_of(column, chosen, views, rare) for column, chosen in zip(table.columns, categorical, strict=True)
        ]
        self._set(plans, table.named)

    def _set(self, plans: Sequence[ColumnPlan], named: bool) -> None:
        self.__dict__.pop("feature_names_in_", None)
        self.columns_ = ColumnTable(plans)
        self.n_features_in_ = len(plans)
        if named:
            self.feature_names_in_ = np.array([plan.name for plan in plans], dtype=object)

    def _mask(self, table: Table) -> list[bool]:
        """Which columns are categorical."""
        columns, given = table.columns, self.categorical_features
        mask = [column.kind == "string" or column.categorical for column in columns]
        if isinstance(given, str) and given == "auto":
            return mask
        if isinstance(given, str) or np.ndim(given) != 1:
            raise ValueError(
                f"expected categorical_features to be 'auto', names or numbers of columns, or a mask, got {given!r}"
            )
        chosen = np.asarray(given)
        if chosen.dtype == bool:
            if len(chosen) != len(columns):
                raise ValueError(
                    f"expected a mask categorical_features of {len(columns)} columns, got one of {len(chosen)}"
                )
            marked = set(np.flatnonzero(chosen).tolist())
        else:
            marked = {self._place(item, columns) for item in given}
        return [column.kind == "string" or place in marked for place, column in enumerate(columns)]

    @staticmethod
    def _place(item: Any, columns: Sequence[Any]) -> int:
        names = [column.name for column in columns]
        if isinstance(item, str) and item in names:
            return names.index(item)
        if isinstance(item, (int, np.integer)) and 0 <= item < len(names):
            return int(item)
        raise ValueError(f"expected categorical_features to be columns of the table, got {item!r}")

    def _rows_of(self, X: Any, owner: str, n_threads: int | None = None, what: str = "X") -> NDArray[np.float32]:
        """A table's rows; when they are made, the memory of its columns is free."""
        return self._encode(self._arranged(read_table(X, what, owner), owner, what), n_threads)

    def _arranged(self, table: Table, owner: str, what: str = "X") -> Table:
        """The table with the columns of training, in their order; checked."""
        names = [plan.name for plan in self.columns_]
        known = hasattr(self, "feature_names_in_")
        if known and table.named:
            self._check_names([column.name for column in table.columns], names, what)
            by_name = {column.name: column for column in table.columns}
            table = Table(tuple(by_name[name] for name in names), True, table.rows)
        else:
            n = len(table.columns)
            if n != len(names):  # in scikit-learn's words, as the warnings are
                raise ValueError(f"{what} has {n} features, but {owner} is expecting {len(names)} features as input")
            message = ""
            if known:
                message = f"{what} does not have valid feature names, but {owner} was fitted with feature names"
            elif table.named:
                message = f"{what} has feature names, but {owner} was fitted without feature names"
            if message:
                warnings.warn(message, stacklevel=levels_to_the_user())
        for plan, column in zip(self.columns_, table.columns, strict=True):
            plan.check(column, what)
        return table

    @staticmethod
    def _check_names(given: list[str], names: list[str], what: str) -> None:
        known, found = set(names), set(given)
        new, gone = [n for n in given if n not in known], [n for n in names if n not in found]
        if new or gone:
            parts = [f"missing columns: {listed(gone)}"] if gone else []
            parts += [f"columns that were not there in training: {listed(new)}"] if new else []
            raise ValueError(
                f"The feature names should match those that were passed during fit.\n{what} has {'; '.join(parts)}"
            )

    def _encode(self, table: Table, n_threads: int | None = None) -> NDArray[np.float32]:
        return rows_of(table, self.columns_, n_threads)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = tags.input_tags.allow_nan = True
        tags.input_tags.string = tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
