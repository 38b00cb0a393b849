"""The libraries that are measured: one short module each, one subprocess each."""

from typing import NamedTuple


class Entry(NamedTuple):
    module: str
    class_name: str
    name: str  # in pictures and tables
    training: str = ""  # how it trains, where that needs saying


# The order is that of the tables.
PEERS = {
    "mlpfast": Entry("mlpfast_peer", "MlpfastPeer", "mlpfast"),
    "jax": Entry("jax_peer", "JaxPeer", "JAX", "one jitted lax.scan an epoch; NumPy shuffles"),
    "jax-shuffle": Entry("jax_peer", "JaxShufflePeer", "JAX, shuffle inside", "the whole epoch jitted"),
    "torch": Entry("torch_peer", "TorchPeer", "PyTorch eager", "fused Adam"),
    "torch-compile": Entry("torch_peer", "TorchCompilePeer", "torch.compile", "of the whole step"),
    "torchscript": Entry("torch_peer", "TorchScriptPeer", "TorchScript"),
    "sklearn": Entry("sklearn_peer", "SklearnPeer", "scikit-learn"),
    "numpy": Entry("numpy_peer", "NumpyPeer", "NumPy by hand"),
    "onnxruntime": Entry("onnx_peer", "OnnxPeer", "ONNX Runtime"),
    "estimators-mlpfast": Entry("estimator_peer", "MlpfastEstimators", "mlpfast's estimators"),
    "estimators-sklearn": Entry("estimator_peer", "SklearnEstimators", "scikit-learn's estimators"),
    "roof": Entry("roof_peer", "RoofPeer", "the machine's roof"),
    "distance": Entry("distance_peer", "DistancePeer", "a cache line from thread to thread"),
}

MACHINE = ("roof", "distance")  # no libraries

TRAINING_PEERS = ("mlpfast", "jax", "jax-shuffle", "torch", "torch-compile", "sklearn", "numpy")
INFERENCE_PEERS = ("mlpfast", "onnxruntime", "numpy", "torchscript", "torch", "jax", "sklearn")
LAYER_PEERS = ("mlpfast", "jax", "torch")
RECIPE_PEERS = ("mlpfast", "torch")
