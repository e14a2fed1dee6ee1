"""OpenVINO on the CPU: the fastest runtime for the quantised file, on both Intel and AMD."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from openvino.passes import ConstantFolding, Manager

from models.backends.base import POSITION_TABLE, Outputs, Padded, Precision, Scores, check_length
from models.backends.processor import has_bf16_tiles, int8_instructions
from models.errors import ArtefactError

CORE = ov.Core()
"""The one OpenVINO runtime of this process.

A runtime gives the thread that first compiles a model another stack for signals. When several runtimes are closed, or one is
closed by another thread, that stack is freed while it is in use, and the next signal kills the process.
"""

_GROUP = 128
"""Size of the groups in which a row is quantised; the fastest, and within 0.1 % as accurate as smaller groups."""


def settings(threads: int, precision: Precision) -> dict[str, object]:
    """Return OpenVINO settings that keep answers independent of the batch and, as far as possible, of the machine."""
    return {
        # One batch per thread: threads that share a batch wait for each other at every layer, especially when other
        # processes occupy a core.
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        # Everything that is not int8 stays in full precision; bf16 would change one answer in a hundred.
        "INFERENCE_PRECISION_HINT": "f32",
        # Inputs that the file does not quantise are quantised row by row, so no post depends on its neighbours. Without
        # int8 instructions on the processor, OpenVINO may lack such products and then fails.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if precision == "int8" and int8_instructions() else 0,
    }


class OpenVinoBackend:
    """The model compiled for this processor, on `threads` threads, in `int8` as stored in the file or in `f32`."""

    def __init__(self, model: Path, *, precision: Precision = "int8", threads: int) -> None:
        compiled = _compiled(model, precision, threads)
        self.outputs = [output.any_name for output in compiled.outputs]
        self._requests = ov.AsyncInferQueue(compiled, threads)
        self._requests.set_callback(partial(_store_outputs, self.outputs))

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Run the model on batches and return the outputs in order.

        There is one batch per thread at a time; the largest start first, so that all threads finish together.
        """
        results: dict[int, Outputs] = {}
        for index in sorted(range(len(batches)), key=lambda index: -batches[index].ids.size):
            ids, mask = batches[index]
            self._requests.start_async({"ids": ids, "mask": mask}, (results, index), share_inputs=True)
        self._requests.wait_all()
        return [results[index] for index in range(len(batches))]


def _compiled(model: Path, precision: Precision, threads: int) -> ov.CompiledModel:
    try:
        graph = CORE.read_model(model)
    except RuntimeError as error:
        raise ArtefactError(f"{model} is not a model that OpenVINO can read: {error}") from error
    tables = [node for node in graph.get_ops() if node.get_friendly_name() == POSITION_TABLE]
    check_length(model, tables[0].get_output_shape(0)[0] if tables else None)
    if precision == "f32":
        take_quantisers_out(graph)
    elif has_bf16_tiles():
        multiply_in_bf16(graph)
    return CORE.compile_model(graph, "CPU", settings(threads, precision))


def multiply_in_bf16(graph: ov.Model) -> None:
    """Compute products of int8 weights with unquantised inputs in bf16, in place.

    On processors with AMX, quantising each row to int8 takes longer than the product saves, and loses more accuracy.
    """
    for node in graph.get_ops():
        inputs = [node.input_value(index) for index in range(node.get_input_size())]
        if node.get_type_name() == "MatMul" and [_is_integral(each) for each in inputs] == [False, True]:
            # a weight that is converted at run time gives wrong answers with several threads
            weight = ops.constant(_folded(inputs[1]), ov.Type.bf16)
            product = ops.matmul(ops.convert(inputs[0], "bf16"), weight, transpose_a=False, transpose_b=False)
            node.output(0).replace(ops.convert(product, "f32").output(0))


def _folded(value: ov.Output) -> Scores:
    """Return the values of a tensor that is computed from constants only."""
    model = ov.Model([value.get_node()], [])
    _fold(model)
    numbers: Scores = model.output(0).get_node().input_value(0).get_node().data.copy()
    return numbers


def _fold(graph: ov.Model) -> None:
    """Fold constants, in place."""
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(graph)


def _is_integral(value: ov.Output) -> bool:
    """Return whether a tensor is integers times a scale: `Convert`, an optional `Subtract` (zero point), `Multiply`."""
    for kind in ("Multiply", "Subtract", "Convert"):
        node = value.get_node()
        if node.get_type_name() == kind:
            value = node.input_value(0)
        elif kind != "Subtract":
            return False
    return bool(value.get_element_type().is_integral())


def take_quantisers_out(graph: ov.Model) -> None:
    """Remove the quantisation of activations and convert int8 weights to their f32 values, in place."""
    for quantiser in [node for node in graph.get_ops() if node.get_type_name() == "FakeQuantize"]:
        value = quantiser.input_value(0)
        for rounded in _dequantised(quantiser):
            rounded.output(0).replace(value)
    # With weights left in int8, the runtime would again quantise activations, per batch ("dynamic quantisation").
    _fold(graph)


def _dequantised(quantiser: ov.Node) -> Iterator[ov.Node]:
    """Yield the nodes that hold the result of a quantiser in the units of its input.

    In graphs from ONNX, a quantiser yields integers: it is followed by `Convert` (to int8) and then, for each
    DequantizeLinear, by `Convert`, an optional `Subtract` (zero point) and `Multiply` (scale). In OpenVINO's own files the
    quantiser itself yields the result.
    """
    integers = [node for node in _readers(quantiser) if node.get_output_element_type(0).is_integral()]
    if not integers:
        yield quantiser
    for integer in integers:
        for node in _readers(integer):
            while node.get_type_name() != "Multiply":
                (node,) = _readers(node)
            yield node


def _readers(node: ov.Node) -> list[ov.Node]:
    return [reader.get_node() for reader in node.output(0).get_target_inputs()]


def _store_outputs(names: Sequence[str], request: ov.InferRequest, target: tuple[dict[int, Outputs], int]) -> None:
    results, index = target
    # Copies, because the request reuses its output memory.
    results[index] = {name: np.array(request.get_tensor(name).data, np.float32) for name in names}
