"""Callbacks: a small, stable protocol by which user code follows training and may stop it.

A callback has up to five hooks. Each is given the trainer and the logs of the last epoch, a plain dict such as
``{"loss": 0.31, "accuracy": 0.92, "val_loss": 0.35, "val_accuracy": 0.90}``; a hook that returns True stops training.
Callbacks run between epochs, or steps, with the model whole: they may read and write ``trainer.model.parameters`` and
``trainer.learning_rate``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .protocol import Callback, Training

if TYPE_CHECKING:
    from .checkpoint import Checkpoint
    from .csv_logger import CSVLogger
    from .doctor import Doctor
    from .early_stopping import EarlyStopping
    from .lambda_callback import LambdaCallback
    from .reduce_lr_on_plateau import ReduceLROnPlateau
    from .snapshots import Snapshots
    from .tensorboard import TensorBoard

__all__ = [
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "Doctor",
    "EarlyStopping",
    "LambdaCallback",
    "ReduceLROnPlateau",
    "Snapshots",
    "TensorBoard",
    "Training",
]

# Each is imported when it is first asked for: most programs take one of them or none.
_FILES = {
    "CSVLogger": "csv_logger",
    "Checkpoint": "checkpoint",
    "Doctor": "doctor",
    "EarlyStopping": "early_stopping",
    "LambdaCallback": "lambda_callback",
    "ReduceLROnPlateau": "reduce_lr_on_plateau",
    "Snapshots": "snapshots",
    "TensorBoard": "tensorboard",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_FILES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
