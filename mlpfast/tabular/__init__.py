"""Tables as they come: classifier, regressor, and the encoder of their columns. Needs the `mlpfast[tabular]` extra.

Examples
--------
>>> from mlpfast.tabular import TableEncoder
>>> print(TableEncoder().fit([[1, "a"], [2, "b"], [3, "c"]]).columns_)
column  kind    encoding  missing  levels
x0      number  number    0                centre 2, scale 1, clipped at 3
x1      string  category  0        3
"""

from __future__ import annotations

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        'mlpfast.tabular needs scikit-learn; install it with: python -m pip install "mlpfast[tabular]"'
    ) from error

from .classifier import TabularClassifier
from .encoder import TableEncoder
from .plans import ColumnPlan, ColumnTable
from .regressor import TabularRegressor
from .report import Report

__all__ = ["ColumnPlan", "ColumnTable", "Report", "TableEncoder", "TabularClassifier", "TabularRegressor"]
