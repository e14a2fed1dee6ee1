"""OpenVINO on CPU: the fastest runtime for the quantised file, on Intel and AMD alike."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13 as ops
from openvino.passes import ConstantFolding, Manager

from models.backends.base import Outputs, Padded, Precision, Scores
from models.backends.processor import has_bf16_tiles, int8_instructions
from models.errors import ArtefactError

_GROUP = 128
"""Numbers of a row that are rounded together: as exact as smaller groups to a per mille, and the fastest."""


def settings(threads: int, precision: Precision) -> dict[str, object]:
    """Return what makes answers the same whatever the batch and, as far as it can be, the machine."""
    return {
        # A batch for each thread: threads that share a batch wait for each other at every layer, and most of all where
        # other processes take a core away.
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        # What is not int8 stays in full precision: in bf16 one answer in a hundred would be another.
        "INFERENCE_PRECISION_HINT": "f32",
        # Products whose input the file does not round do it for each row by itself: nothing depends on a post's neighbours.
        # Where the processor has no instructions for int8 sums, OpenVINO may have no such products and then fails.
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": _GROUP if precision == "int8" and int8_instructions() else 0,
    }


class OpenVinoBackend:
    """The model compiled for this processor, on `threads` threads, in `int8` as its file has it or in `f32`."""

    def __init__(self, model: Path, *, precision: Precision = "int8", threads: int) -> None:
        self._requests = ov.AsyncInferQueue(_compiled(model, precision, threads), threads)
        self._requests.set_callback(_keep)

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Compute batches, as many at once as there are threads; the largest first, so that all end together."""
        results: dict[int, Outputs] = {}
        for place in sorted(range(len(batches)), key=lambda place: -batches[place].ids.size):
            ids, mask = batches[place]
            self._requests.start_async({"ids": ids, "mask": mask}, (results, place), share_inputs=True)
        self._requests.wait_all()
        return [results[place] for place in range(len(batches))]


def _compiled(model: Path, precision: Precision, threads: int) -> ov.CompiledModel:
    core = ov.Core()
    try:
        graph = core.read_model(model)
    except RuntimeError as error:
        raise ArtefactError(f"{model} is not a model that OpenVINO can read: {error}") from error
    if precision == "f32":
        take_quantisers_out(graph)
    elif has_bf16_tiles():
        multiply_in_bf16(graph)
    return core.compile_model(graph, "CPU", settings(threads, precision))


def multiply_in_bf16(graph: ov.Model) -> None:
    """Let products with int8 weights whose input the file does not round compute in bf16, in place.

    Rounding each row to int8 takes longer there than the product saves, and loses more.
    """
    for node in graph.get_ops():
        inputs = [node.input_value(place) for place in range(node.get_input_size())]
        if node.get_type_name() == "MatMul" and [_is_integral(each) for each in inputs] == [False, True]:
            # a weight that is converted while the model runs gives wrong answers on several threads
            weight = ops.constant(_folded(inputs[1]), ov.Type.bf16)
            product = ops.matmul(ops.convert(inputs[0], "bf16"), weight, transpose_a=False, transpose_b=False)
            node.output(0).replace(ops.convert(product, "f32").output(0))


def _folded(value: ov.Output) -> Scores:
    """The numbers of a tensor that is made of constants alone."""
    model = ov.Model([value.get_node()], [])
    _fold(model)
    numbers: Scores = model.output(0).get_node().input_value(0).get_node().data.copy()
    return numbers


def _fold(graph: ov.Model) -> None:
    """Compute what is made of constants alone, in place."""
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(graph)


def _is_integral(value: ov.Output) -> bool:
    """Whether a tensor is whole numbers times a scale: `Convert`, perhaps `Subtract` (a zero point), `Multiply`."""
    for kind in ("Multiply", "Subtract", "Convert"):
        node = value.get_node()
        if node.get_type_name() == kind:
            value = node.input_value(0)
        elif kind != "Subtract":
            return False
    return bool(value.get_element_type().is_integral())


def take_quantisers_out(graph: ov.Model) -> None:
    """Let activations pass unrounded and turn the int8 weights into the f32 numbers they stand for, in place."""
    for quantiser in [node for node in graph.get_ops() if node.get_type_name() == "FakeQuantize"]:
        value = quantiser.input_value(0)
        for rounded in _dequantised(quantiser):
            rounded.output(0).replace(value)
    # Weights left in int8 would let the runtime round activations again ("dynamic quantisation"), by the batch.
    _fold(graph)


def _dequantised(quantiser: ov.Node) -> Iterator[ov.Node]:
    """The nodes that hold a quantiser's result in the units of its input.

    From ONNX, a quantiser gives whole numbers: `Convert` (to int8), then for each DequantizeLinear `Convert`, perhaps
    `Subtract` (its zero point) and `Multiply` (its scale). In OpenVINO's own files it gives such a result by itself.
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


def _keep(request: ov.InferRequest, kept: tuple[dict[int, Outputs], int]) -> None:
    results, place = kept
    # The request reuses its output memory.
    results[place] = Outputs(*(np.array(request.get_tensor(name).data, np.float32) for name in Outputs._fields))
