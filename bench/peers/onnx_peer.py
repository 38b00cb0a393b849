"""ONNX Runtime: Gemm, Relu, ..., Softmax; the CPU provider with every graph optimisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from bench.peers.base import Layers, Peer


def graph(layers: Layers) -> bytes:
    """A network as an ONNX file: input "x" (any rows, inputs), output "p" (any rows, outputs)."""
    dtype = helper.np_dtype_to_tensor_dtype(layers[0][0].dtype)
    nodes, weights, name = [], [], "x"
    for i, (W, b) in enumerate(layers):
        weights += [numpy_helper.from_array(W, f"W{i}"), numpy_helper.from_array(b, f"b{i}")]
        nodes.append(helper.make_node("Gemm", [name, f"W{i}", f"b{i}"], [f"z{i}"]))
        last = i == len(layers) - 1
        name = "p" if last else f"h{i}"
        if last:
            nodes.append(helper.make_node("Softmax", [f"z{i}"], [name], axis=1))
        else:
            nodes.append(helper.make_node("Relu", [f"z{i}"], [name]))
    x = helper.make_tensor_value_info("x", dtype, [None, layers[0][0].shape[0]])
    p = helper.make_tensor_value_info("p", dtype, [None, layers[-1][0].shape[1]])
    assert dtype in (TensorProto.FLOAT, TensorProto.DOUBLE)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(helper.make_graph(nodes, "mlp", [x], [p], weights), opset_imports=opset, ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


class OnnxPeer(Peer):
    distribution = "onnxruntime"
    supports = ("predict",)

    def prepare(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.task.threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(graph(self.task.layers), options, ["CPUExecutionProvider"])

    def predictor(self) -> Callable[[NDArray], Any]:
        run = self.session.run
        return lambda x: run(["p"], {"x": x})[0]
