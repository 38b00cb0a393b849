"""ONNX Runtime: Gemm, Relu, ..., Softmax; the CPU provider with every graph optimisation."""

from __future__ import annotations

import timeit
from collections.abc import Callable
from typing import Any

import numpy as np
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
        """The fastest of three ways to call it: plainly, by bound buffers, by bound buffers for pieces of the rows."""
        inputs = self.task.layers[0][0].shape[0]
        x = np.random.default_rng(0).random((self.task.workload.batch, inputs)).astype(self.task.layers[0][0].dtype)
        candidates = [self.plain, self.bound(len(x)), *([self.bound(512)] if len(x) > 512 else [])]
        return min(candidates, key=lambda predict: min(timeit.repeat(lambda: predict(x), number=5, repeat=5)))

    def plain(self, x: NDArray) -> Any:
        return self.session.run(["p"], {"x": x})[0]

    def bound(self, rows: int) -> Callable[[NDArray], Any]:
        W, outputs = self.task.layers[0][0], self.task.layers[-1][0].shape[1]
        session = self.session

        def binding(n: int) -> tuple[Any, NDArray, NDArray]:
            x, p = np.empty((n, W.shape[0]), W.dtype), np.empty((n, outputs), W.dtype)
            bound = session.io_binding()
            bound.bind_input("x", "cpu", 0, W.dtype, x.shape, x.ctypes.data)
            bound.bind_output("p", "cpu", 0, W.dtype, p.shape, p.ctypes.data)
            return bound, x, p

        total = self.task.workload.batch
        sizes = [min(rows, total - start) for start in range(0, total, rows)]
        bindings = {n: binding(n) for n in set(sizes)}
        if len(sizes) == 1:
            whole, buffer, result = bindings[total]

            def predict(x: NDArray) -> NDArray:
                np.copyto(buffer, x)
                session.run_with_iobinding(whole)
                return result

            return predict
        results = np.empty((total, outputs), W.dtype)

        def predict_pieces(x: NDArray) -> NDArray:
            start = 0
            for n in sizes:
                bound, buffer, result = bindings[n]
                np.copyto(buffer, x[start : start + n])
                session.run_with_iobinding(bound)
                results[start : start + n] = result
                start += n
            return results

        return predict_pieces
