"""Multilayer perceptrons on a CPU, trained and run natively.

Examples
--------
>>> import mlpfast as mf
>>> X, y = mf.datasets.load_digits()
>>> model = mf.mlp([64, 64, 10], output_activation="softmax")
>>> trainer = mf.Trainer(model, loss="cross_entropy", metrics=["accuracy"])
>>> history = trainer.fit(X / 16, y, epochs=30, verbose=0)
>>> history["accuracy"][-1] > 0.9
True
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    from .core import engine as _engine  # noqa: F401 (imports what else is compiled)
except ImportError as error:
    if not (error.name or "").startswith("mlpfast.core"):
        raise
    _package = Path(__file__).parent
    raise ImportError(
        f"mlpfast is not built for Python {sys.version_info[0]}.{sys.version_info[1]}: {_package}/core lacks compiled "
        f"modules. To build them, run `pip install .` in {_package.parent}. To use an mlpfast that is installed "
        "elsewhere, start Python in another folder."
    ) from error
from . import _threadpoolctl, activations, callbacks, initializers, layers, losses, metrics, optimizers, schedules
from ._version import __version__
from .activations import Activation
from .errors import DivergenceError, ModelFileError
from .gradcheck import gradcheck
from .groups import Group
from .hints import PACKAGE_ATTRIBUTES, missing_attribute
from .layers import (
    Activate,
    Ascending,
    BatchNorm,
    Columns,
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    OneHot,
    Parametric,
    Periodic,
    PiecewiseLinear,
    PReLU,
    Residual,
    RMSNorm,
    Scale,
    Standardize,
)
from .lrfinder import lr_finder
from .model import Model, mlp
from .optimizers import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    LevenbergMarquardt,
    Lion,
    NAdam,
    NewtonCG,
    RMSprop,
    ScheduleFreeAdamW,
)
from .trainer import Trainer

if TYPE_CHECKING:
    from . import datasets, diagnosis, graph, kernels, plot
    from .diagnosing import diagnose
    from .estimators import MLPClassifier as MLPClassifier
    from .estimators import MLPRegressor as MLPRegressor
    from .io import load
    from .tabular import TabularClassifier as TabularClassifier
    from .tabular import TabularRegressor as TabularRegressor

# The estimators are public too, but not listed: `from mlpfast import *` must not need scikit-learn.
__all__ = [
    "LBFGS",
    "SGD",
    "Activate",
    "Activation",
    "Adagrad",
    "Adam",
    "AdamW",
    "Ascending",
    "BatchNorm",
    "Columns",
    "Dense",
    "DivergenceError",
    "Dropout",
    "Embedding",
    "Group",
    "LayerNorm",
    "LevenbergMarquardt",
    "Lion",
    "Model",
    "ModelFileError",
    "NAdam",
    "NewtonCG",
    "OneHot",
    "PReLU",
    "Parametric",
    "Periodic",
    "PiecewiseLinear",
    "RMSNorm",
    "RMSprop",
    "Residual",
    "Scale",
    "ScheduleFreeAdamW",
    "Standardize",
    "Trainer",
    "__version__",
    "activations",
    "callbacks",
    "datasets",
    "diagnose",
    "diagnosis",
    "gradcheck",
    "graph",
    "initializers",
    "kernels",
    "layers",
    "load",
    "losses",
    "lr_finder",
    "metrics",
    "mlp",
    "optimizers",
    "plot",
    "schedules",
]

_threadpoolctl.register()

# What most programs don't need, or what needs an optional dependency, is imported when it is first asked for.
_LAZY_NAMES = {
    "MLPClassifier": "estimators",
    "MLPRegressor": "estimators",
    "TabularClassifier": "tabular",
    "TabularRegressor": "tabular",
    "diagnose": "diagnosing",
    "load": "io",
}
_LAZY_MODULES = ("datasets", "diagnosis", "graph", "kernels", "plot")
_MODULES = (activations, callbacks, initializers, layers, losses, metrics, optimizers, schedules)


def __getattr__(name: str) -> Any:
    if name in _LAZY_MODULES:
        value: Any = importlib.import_module(f".{name}", __name__)
    elif name in _LAZY_NAMES:
        value = getattr(importlib.import_module(f".{_LAZY_NAMES[name]}", __name__), name)
    else:
        places = [f"it is {module.__name__}.{name}" for module in _MODULES if name in module.__all__]
        raise missing_attribute(f"module {__name__!r}", name, {name: places[0]} if places else PACKAGE_ATTRIBUTES)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_LAZY_NAMES})
