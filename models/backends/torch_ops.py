"""The ONNX operations of encoders with heads, implemented in torch.

`OPERATIONS` maps the name of an operation to a function that takes a node's attributes and returns a function that
computes its outputs. Inputs that are shapes or axes (their indices are in `STEERING`) are passed as lists of integers,
absent inputs as None.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor
from torch.nn import functional

Attributes = dict[str, Any]
Operation = Callable[..., Any]

STEERING: dict[str, frozenset[int]] = {
    "ConstantOfShape": frozenset({0}),
    "CumSum": frozenset({1}),
    "Expand": frozenset({1}),
    "Range": frozenset({0, 1, 2}),
    "Reshape": frozenset({1}),
    "Slice": frozenset({1, 2, 3, 4}),
    "Split": frozenset({1}),
    "Squeeze": frozenset({1}),
    "Unsqueeze": frozenset({1}),
    **dict.fromkeys(("ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), frozenset({1})),
}


def _plain(function: Operation) -> Callable[[Attributes], Operation]:
    return lambda _: function


def _divide(dividend: Tensor, divisor: Tensor) -> Tensor:
    whole = not dividend.is_floating_point()
    return torch.div(dividend, divisor, rounding_mode="trunc" if whole else None)


def _multiply_matrices(left: Tensor, right: Tensor) -> Tensor:
    if right.dtype == torch.float16:
        return torch.matmul(left.half(), right).float()
    return torch.matmul(left, right)


def _gemm(attributes: Attributes) -> Operation:
    def compute(left: Tensor, right: Tensor, added: Tensor | None = None) -> Tensor:
        left = left.T if attributes.get("transA") else left
        right = right.T if attributes.get("transB") else right
        product = attributes.get("alpha", 1.0) * torch.matmul(left, right)
        return product if added is None else product + attributes.get("beta", 1.0) * added

    return compute


def _softmax(attributes: Attributes) -> Operation:
    return lambda value: torch.softmax(value, attributes.get("axis", -1))


def _layer_norm(attributes: Attributes) -> Operation:
    axis, epsilon = attributes.get("axis", -1), attributes.get("epsilon", 1e-5)

    def compute(value: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
        shape = value.shape[axis:]
        offset = None if shift is None else shift.expand(shape)
        return functional.layer_norm(value, shape, scale.expand(shape), offset, epsilon)

    return compute


def _gelu(attributes: Attributes) -> Operation:
    kind = attributes.get("approximate", b"none").decode()
    return lambda value: functional.gelu(value, approximate=kind)


def _cast(attributes: Attributes) -> Operation:
    kind = torch.from_numpy(np.zeros(0, onnx.helper.tensor_dtype_to_np_dtype(attributes["to"]))).dtype
    return lambda value: value.to(kind)


def _constant(attributes: Attributes) -> Operation:
    value = attributes.get("value", next(iter(attributes.values())))
    constant = value if isinstance(value, Tensor) else torch.tensor(value)
    return lambda: constant


def _constant_of_shape(attributes: Attributes) -> Operation:
    value = attributes.get("value", torch.zeros(1))
    return lambda shape: value.expand(shape)


def _cumulative_sum(attributes: Attributes) -> Operation:
    def compute(value: Tensor, axis: list[int]) -> Tensor:
        ordered = value.flip(axis) if attributes.get("reverse") else value
        total = ordered.cumsum(axis[0]) - (ordered if attributes.get("exclusive") else 0)
        return total.flip(axis) if attributes.get("reverse") else total

    return compute


def _dequantise(attributes: Attributes) -> Operation:
    axis = attributes.get("axis", 1)

    def compute(integers: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        centred = integers.float() - (0 if zero is None else _along(zero.float(), integers, axis))
        return centred * _along(scale.float(), integers, axis)

    return compute


def _quantise(attributes: Attributes) -> Operation:
    axis = attributes.get("axis", 1)

    def compute(value: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
        kind = torch.uint8 if zero is None else zero.dtype
        limits = torch.iinfo(kind)
        rounded = torch.round(value / _along(scale, value, axis))
        shifted = rounded + (0 if zero is None else _along(zero.float(), value, axis))
        return shifted.clamp(limits.min, limits.max).to(kind)

    return compute


def _along(numbers: Tensor, value: Tensor, axis: int) -> Tensor:
    """Reshape the values for one axis so that they broadcast over the others."""
    if numbers.numel() == 1:
        return numbers.reshape(())
    shape = [1] * value.dim()
    shape[axis] = -1
    return numbers.reshape(shape)


def _reshape(attributes: Attributes) -> Operation:
    keep_zeros = attributes.get("allowzero", 0)

    def compute(value: Tensor, shape: list[int]) -> Tensor:
        if keep_zeros:
            return value.reshape(shape)
        return value.reshape([size or value.shape[index] for index, size in enumerate(shape)])

    return compute


def _flatten(attributes: Attributes) -> Operation:
    axis = attributes.get("axis", 1)
    return lambda value: value.reshape(math.prod(value.shape[:axis]), -1)


def _transpose(attributes: Attributes) -> Operation:
    return lambda value: value.permute(attributes.get("perm") or tuple(reversed(range(value.dim()))))


def _unsqueeze(value: Tensor, axes: list[int]) -> Tensor:
    rank = value.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        value = value.unsqueeze(axis)
    return value


def _squeeze(value: Tensor, axes: list[int] | None = None) -> Tensor:
    return value.squeeze() if axes is None else value.squeeze(tuple(axes))


def _concat(attributes: Attributes) -> Operation:
    return lambda *values: torch.cat(values, attributes["axis"])


def _split(attributes: Attributes) -> Operation:
    axis = attributes.get("axis", 0)

    def compute(value: Tensor, sizes: list[int] | None = None) -> tuple[Tensor, ...]:
        parts = attributes.get("num_outputs", 2)
        return tuple(value.split(sizes or -(-value.shape[axis] // parts), axis))

    return compute


def _slice(
    value: Tensor, starts: list[int], ends: list[int], axes: list[int] | None = None, steps: list[int] | None = None
) -> Tensor:
    picked = [slice(None)] * value.dim()
    for index, axis in enumerate(axes or range(len(starts))):
        picked[axis] = slice(starts[index], ends[index], steps[index] if steps else 1)
    return value[tuple(picked)]


def _gather(attributes: Attributes) -> Operation:
    axis = attributes.get("axis", 0)

    def compute(value: Tensor, indices: Tensor) -> Tensor:
        indices = torch.where(indices < 0, indices + value.shape[axis], indices)
        shape = (*value.shape[:axis], *indices.shape, *value.shape[axis % value.dim() + 1 :])
        return value.index_select(axis, indices.reshape(-1)).reshape(shape)

    return compute


def _shape(attributes: Attributes) -> Operation:
    def compute(value: Tensor) -> Tensor:
        return torch.tensor(list(value.shape)[attributes.get("start", 0) : attributes.get("end")], dtype=torch.int64)

    return compute


def _reduction(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Callable[[Attributes], Operation]:
    def reduction(attributes: Attributes) -> Operation:
        keep = bool(attributes.get("keepdims", 1))

        def compute(value: Tensor, axes: list[int] | None = None) -> Tensor:
            axes = axes or list(attributes.get("axes", ()))
            if not axes and attributes.get("noop_with_empty_axes"):
                return value
            return function(value, tuple(axes or range(value.dim())), keep)

        return compute

    return reduction


def _clip(value: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    return value if low is None and high is None else torch.clamp(value, low, high)


OPERATIONS: dict[str, Callable[[Attributes], Operation]] = {
    "Abs": _plain(torch.abs),
    "Add": _plain(torch.add),
    "And": _plain(torch.logical_and),
    "Cast": _cast,
    "Clip": _plain(_clip),
    "Concat": _concat,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Cos": _plain(torch.cos),
    "CumSum": _cumulative_sum,
    "DequantizeLinear": _dequantise,
    "Div": _plain(_divide),
    "Equal": _plain(torch.eq),
    "Erf": _plain(torch.erf),
    "Exp": _plain(torch.exp),
    "Expand": _plain(lambda value, shape: value.expand(torch.broadcast_shapes(value.shape, shape))),
    "Flatten": _flatten,
    "Floor": _plain(torch.floor),
    "Gather": _gather,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "Greater": _plain(torch.gt),
    "Identity": _plain(lambda value: value),
    "LayerNormalization": _layer_norm,
    "Less": _plain(torch.lt),
    "Log": _plain(torch.log),
    "MatMul": _plain(_multiply_matrices),
    "Max": _plain(lambda first, *rest: _folded(torch.maximum, first, rest)),
    "Min": _plain(lambda first, *rest: _folded(torch.minimum, first, rest)),
    "Mul": _plain(torch.mul),
    "Neg": _plain(torch.neg),
    "Not": _plain(torch.logical_not),
    "Or": _plain(torch.logical_or),
    "Pow": _plain(torch.pow),
    "QuantizeLinear": _quantise,
    "Range": _plain(lambda start, limit, step: torch.arange(start[0], limit[0], step[0])),
    "Reciprocal": _plain(torch.reciprocal),
    "ReduceL2": _reduction(lambda value, axes, keep: torch.linalg.vector_norm(value, 2, axes, keep)),
    "ReduceMax": _reduction(torch.amax),
    "ReduceMean": _reduction(torch.mean),
    "ReduceMin": _reduction(torch.amin),
    "ReduceSum": _reduction(torch.sum),
    "Relu": _plain(torch.relu),
    "Reshape": _reshape,
    "Shape": _shape,
    "Sigmoid": _plain(torch.sigmoid),
    "Sin": _plain(torch.sin),
    "Slice": _plain(_slice),
    "Softmax": _softmax,
    "Split": _split,
    "Sqrt": _plain(torch.sqrt),
    "Squeeze": _plain(_squeeze),
    "Sub": _plain(torch.sub),
    "Tanh": _plain(torch.tanh),
    "Transpose": _transpose,
    "Unsqueeze": _plain(_unsqueeze),
    "Where": _plain(torch.where),
}


def _folded(function: Operation, first: Tensor, rest: tuple[Tensor, ...]) -> Tensor:
    for each in rest:
        first = function(first, each)
    return first
