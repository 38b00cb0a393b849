"""Pictures of data, models and training. They need matplotlib: ``pip install 'mlpfast[plot]'``.

Each takes ``ax``, to draw on axes of yours, and returns the axes that it drew on.

Examples
--------
>>> import mlpfast as mf
>>> X, y = mf.datasets.load_digits()
>>> trainer = mf.Trainer(mf.mlp([64, 32, 10], "relu", "softmax"))
>>> ax = mf.plot.learning_curves(trainer.fit(X / 16, y, epochs=3, verbose=0))
>>> ax.figure.savefig("learning_curves.png")  # doctest: +SKIP
"""

from .animation import animate
from .classes import calibration, confusion_matrix, decision_boundary
from .curves import learning_curves
from .flow import flow_graph, network, network_text
from .layers import first_layer, gradient_flow
from .surface import gradient_check, loss_surface

__all__ = [
    "animate",
    "calibration",
    "confusion_matrix",
    "decision_boundary",
    "first_layer",
    "flow_graph",
    "gradient_check",
    "gradient_flow",
    "learning_curves",
    "loss_surface",
    "network",
    "network_text",
]
