"""Callbacks: a small, stable protocol by which user code follows training and may stop it.

A callback has up to five hooks. Each is given the trainer and the logs of the last epoch, a plain dict such as
``{"loss": 0.31, "accuracy": 0.92, "val_loss": 0.35, "val_accuracy": 0.90}``; a hook that returns True stops training.
Callbacks run between epochs, or steps, with the model whole: they may read and write ``trainer.model.parameters`` and
``trainer.learning_rate``.
"""

from __future__ import annotations

from .checkpoint import Checkpoint
from .csv_logger import CSVLogger
from .doctor import Doctor
from .early_stopping import EarlyStopping
from .lambda_callback import LambdaCallback
from .protocol import Callback, Training
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

#: Those that a saved trainer brings back by itself.
CALLBACKS: dict[str, type[Callback]] = {cls.__name__: cls for cls in (Doctor, EarlyStopping, ReduceLROnPlateau)}
#: Those that it does not, as they would write to where a file says, which is not trusted.
WRITERS: tuple[type[Callback], ...] = (Checkpoint, CSVLogger, TensorBoard)
