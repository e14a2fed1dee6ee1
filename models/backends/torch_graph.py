"""Runs an ONNX graph as a sequence of torch operations in full precision."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from models.backends.onnx_file import positions_of, read_onnx, take_quantisers_out
from models.backends.torch_ops import OPERATIONS, STEERING
from models.errors import ArtefactError

_OPSETS = range(13, 24)  # before 13, some operations used different axes
_DOMAINS = ("", "ai.onnx")

Argument: TypeAlias = Tensor | list[int] | None


class _Step(NamedTuple):
    operation: Callable[..., Any]
    inputs: list[str]
    steering: frozenset[int]
    outputs: list[str]
    last_read: list[str]
    """Tensors that no later step reads; their memory is released."""


class Program:
    """An ONNX graph as a torch program.

    Constant subgraphs are computed once, int8 weights are converted to their real values, and activations are not
    quantised.
    """

    def __init__(self, model: Path, device: torch.device, *, half: bool) -> None:
        """Compile a model file.

        Args:
            model: The ONNX file.
            device: Device to run on.
            half: Compute products with weights that the file stores in int8 in f16.

        Raises:
            ArtefactError: If the file is not a model, or has an unsupported operation.
        """
        graph = read_onnx(model)
        take_quantisers_out(graph)
        if unknown := _unknown(graph):
            raise ArtefactError(f"{model}: the torch back end does not support {unknown}: choose openvino or onnx")
        self._device = device
        self.positions = positions_of(graph)
        self.outputs = [each.name for each in graph.graph.output]
        self._half = half
        self._int8_weights: set[str] = set()
        self._values = {each.name: torch.tensor(numpy_helper.to_array(each)) for each in graph.graph.initializer}
        steps = [step for node in graph.graph.node if (step := self._compile(node))]
        self._steps = self._with_last_reads(steps)
        read = {name for step in steps for name in step.inputs} | set(self.outputs)
        self._lists = {
            name: value.tolist()
            for name, value in self._values.items()
            if name in read and not value.is_floating_point() and value.dim() == 1
        }
        self._values = {name: value.to(device) for name, value in self._values.items() if name in read}

    def run(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        """Return the outputs in order."""
        values = self._values | inputs
        for step in self._steps:
            results = step.operation(*self._arguments(step, values))
            results = results if isinstance(results, tuple) else (results,)
            values.update(zip(step.outputs, results, strict=False))
            for name in step.last_read:
                values.pop(name, None)
        return [values[name] for name in self.outputs]

    def _arguments(self, step: _Step, values: dict[str, Tensor]) -> list[Argument]:
        arguments: list[Argument] = []
        for index, name in enumerate(step.inputs):
            if not name:
                arguments.append(None)
            elif index in step.steering:
                arguments.append(self._lists[name] if name in self._lists else values[name].reshape(-1).tolist())
            else:
                value = values[name]
                # Shapes stay on the CPU, where they are read; values computed from them may be combined with the posts.
                arguments.append(value if value.device == self._device else value.to(self._device))
        return arguments

    def _compile(self, node: onnx.NodeProto) -> _Step | None:
        """Return the step of a node, or None if it is constant and was computed at once."""
        inputs = list(node.input)
        if node.op_type == "MatMul" and self._half and inputs[1] in self._int8_weights:
            self._values[inputs[1]] = self._values[inputs[1]].half()
        operation = OPERATIONS[node.op_type](_attributes(node))
        step = _Step(operation, inputs, STEERING.get(node.op_type, frozenset()), list(node.output), [])
        if not all(name in self._values for name in inputs if name):
            return step
        results = operation(*(self._constant(step, index) for index in range(len(inputs))))
        results = results if isinstance(results, tuple) else (results,)
        self._values.update(zip(step.outputs, results, strict=False))
        if node.op_type == "DequantizeLinear" or self._int8_weights.intersection(inputs):
            self._int8_weights.update(step.outputs)
        return None

    def _constant(self, step: _Step, index: int) -> Argument:
        name = step.inputs[index]
        if not name:
            return None
        value = self._values[name]
        if index not in step.steering:
            return value
        numbers: list[int] = value.reshape(-1).tolist()
        return numbers

    def _with_last_reads(self, steps: list[_Step]) -> list[_Step]:
        later = set(self.outputs) | set(self._values)
        for step in reversed(steps):
            done = {*step.inputs, *step.outputs} - later - {""}
            step.last_read.extend(sorted(done))
            later |= done
        return steps


def _unknown(model: onnx.ModelProto) -> str:
    opset = next((each.version for each in model.opset_import if each.domain in _DOMAINS), 0)
    if opset not in _OPSETS:
        return f"operations of version {opset}"
    kinds = {node.op_type for node in model.graph.node if node.op_type not in OPERATIONS or node.domain not in _DOMAINS}
    return ", ".join(sorted(kinds))


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    values = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    return {
        name: torch.tensor(numpy_helper.to_array(value)) if isinstance(value, onnx.TensorProto) else value
        for name, value in values.items()
    }
