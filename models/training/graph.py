"""Builds the network as an ONNX graph, node by node, so that the exported file contains nothing unintended.

The inputs are `ids` and `mask` (int64, posts x tokens); the outputs are named like the heads. Word
embeddings stay in 4 bits (Q4_0: blocks of 32 weights with one half-precision scale) and are decoded with arithmetic that
every runtime supports. The encoder's matrices are int8 with one scale per output. Activations are quantised with fixed
scales (`models.training.rounding`); those after the GELU are float in the file, and a runtime may quantise each row
separately. An answer therefore never depends on the other posts of a batch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.backends.base import POSITION_TABLE
from models.heads import HEADS
from models.training.rounding import Rounding

Matrix = npt.NDArray[np.float32]
Weights = Mapping[str, Matrix]

OPSET = 17
_IR_VERSION = 8
_BLOCK = 32
_LEVELS = 127
_MASKED = np.float32(-10_000)  # its exp is exactly 0, so padding never affects an answer


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the graph: attention heads, depth of the exit, and the layers of the features `low` and `words`."""

    heads: int
    depth: int
    low_layers: tuple[int, ...]
    epsilon: float


@dataclass(frozen=True, slots=True)
class GraphHead:
    """A linear head with logits `features @ weight.T + bias`; `weight` is labels x width."""

    weight: Matrix
    bias: Matrix


def pack_q4(matrix: Matrix) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]:
    """Quantise rows to Q4_0; lossless if the matrix was decoded from Q4_0.

    Returns:
        Bytes (rows x width/2) and scales (rows x width/32).
    """
    blocks = matrix.reshape(len(matrix), -1, _BLOCK)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)
    scales = (extreme / -8).astype(np.float16)
    divisors = np.where(scales == 0, 1, scales).astype(np.float32)
    nibbles = np.clip(np.rint(blocks / divisors) + 8, 0, 15).astype(np.uint8)
    packed = nibbles[..., : _BLOCK // 2] | (nibbles[..., _BLOCK // 2 :] << 4)
    return packed.reshape(len(matrix), -1), scales[..., 0]


def pack_int8(matrix: Matrix) -> tuple[npt.NDArray[np.int8], Matrix]:
    """Quantise to int8 with one scale per output.

    Returns:
        Integers (outputs x inputs) and scales (outputs).
    """
    scales = np.maximum(np.abs(matrix).max(axis=1), 1e-12).astype(np.float32) / _LEVELS
    return np.clip(np.rint(matrix / scales[:, None]), -_LEVELS, _LEVELS).astype(np.int8), scales


class GraphBuilder:
    """Collects nodes and constants; methods that add a single tensor return its name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, name: str, *inputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def dense(self, name: str, value: str, weight: Matrix, bias: Matrix, rounding: Rounding | None) -> str:
        """Add `value` times the transpose of `weight` (outputs x inputs, stored as int8), plus `bias`."""
        if rounding is not None:
            value, weight = self._rounded(name, value, rounding), weight * rounding.smooth
        integers, scales = pack_int8(weight)
        packed = self.constant(f"{name}/int8", integers.T)
        zero = self.constant(f"{name}/zero", np.zeros(len(scales), np.int8))
        scale = self.constant(f"{name}/scale", scales)
        floats = self.node("DequantizeLinear", f"{name}/weight", packed, scale, zero, axis=1)
        product = self.node("MatMul", f"{name}/matmul", value, floats)
        return self.node("Add", name, product, self.constant(f"{name}/bias", bias))

    def _rounded(self, name: str, value: str, rounding: Rounding) -> str:
        factor = self.constant(f"{name}/smooth", 1 / rounding.smooth)
        smoothed = self.node("Mul", f"{name}/smoothed", value, factor)
        scale = self.constant(f"{name}/step", np.asarray(rounding.scale))
        zero = self.constant(f"{name}/middle", np.asarray(rounding.zero))
        integers = self.node("QuantizeLinear", f"{name}/rounded", smoothed, scale, zero)
        return self.node("DequantizeLinear", f"{name}/value", integers, scale, zero)

    def split(self, names: Sequence[str], value: str, width: int) -> None:
        """Split the last axis into parts of `width`."""
        sizes = self.constant(f"{names[0]}/sizes", np.full(len(names), width))
        self.nodes.append(helper.make_node("Split", [value, sizes], list(names), name=f"{names[0]}/split", axis=-1))

    def head(self, name: str, value: str, head: GraphHead) -> str:
        """Add `value` times the transpose of the head's weight, plus its bias, in full precision."""
        product = self.node("MatMul", f"{name}/matmul", value, self.constant(f"{name}/weight", head.weight.T))
        return self.node("Add", name, product, self.constant(f"{name}/bias", head.bias))

    def layer_norm(self, name: str, value: str, weight: Matrix, bias: Matrix, epsilon: float) -> str:
        scale, shift = self.constant(f"{name}/weight", weight), self.constant(f"{name}/bias", bias)
        return self.node("LayerNormalization", name, value, scale, shift, axis=-1, epsilon=epsilon)


def build(
    weights: Weights, shape: Shape, heads: Mapping[str, GraphHead], rounding: Mapping[str, Rounding], positions: int
) -> onnx.ModelProto:
    """Build the ONNX model of one depth.

    Args:
        weights: Weights named as in `Network`.
        shape: Sizes of the graph.
        heads: The heads by name. A head that reads tokens reads the features of the network's own head, followed by those
            of the head fitted after training (`models.heads:Fitted`), if there is one; all others read only the latter.
        rounding: Quantisation of the input of each product; inputs that are not listed are not quantised.
        positions: Maximum number of tokens in a text.
    """
    graph = GraphBuilder()
    penalty = _mask_penalty(graph)
    words = _words_mask(graph, weights)
    lower_penalty = _words_penalty(graph, words, penalty)
    hidden = [_embed(graph, weights, positions, shape.epsilon, words)]
    for layer in range(shape.depth):
        read = lower_penalty if layer < max(shape.low_layers) else penalty
        hidden.append(_layer(graph, weights, shape, rounding, layer, hidden[-1], read))
    for features, mask in (("low", "mask/float"), ("words", words)):
        count = _count(graph, f"{features}/count", mask)
        parts = [_mean(graph, f"{features}/mean_{each}", hidden[each], mask, count) for each in shape.low_layers]
        graph.node("Concat", features, *parts, axis=-1)
    graph.node("Concat", "means", "low", _mean(graph, "mean_last", hidden[-1], "mask/float", "low/count"), axis=-1)
    for name, weight in heads.items():
        head = HEADS[name]
        inputs: list[str] = [head.fitted.features] if head.fitted else []
        if head.reads == "tokens":
            queries = weights[f"heads.{shape.depth}.{name}.pooling.queries"]
            inputs = [_pooled(graph, f"{name}/pooled", hidden[-1], queries), *inputs]
        value = graph.node("Concat", f"{name}/means", *inputs, axis=-1) if len(inputs) > 1 else inputs[0]
        if head.kind == "vector":
            direction = graph.head(f"{name}/mapped", value, weight)
            length = graph.node("ReduceL2", f"{name}/length", direction, axes=[1], keepdims=1)
            graph.node("Div", name, direction, length)
        else:
            graph.head(name, value, weight)
    return _model(graph, {name: len(head.bias) for name, head in heads.items()})


def _embed(graph: GraphBuilder, weights: Weights, positions: int, epsilon: float, words: str) -> str:
    """Add the embeddings of the tokens; their positions count only the tokens in `words`."""
    embeddings = weights["words.weight"]
    width = embeddings.shape[1]
    packed, scales = pack_q4(embeddings)
    grouped = graph.constant("embed/grouped", np.array([0, 0, width // _BLOCK, _BLOCK // 2]))
    pairs = graph.node("Gather", "embed/bytes", graph.constant("embed/packed", packed), "ids")
    pairs = graph.node("Cast", "embed/pairs", pairs, to=TensorProto.FLOAT)
    pairs = graph.node("Reshape", "embed/blocks", pairs, grouped)
    sixteen = graph.constant("embed/sixteen", np.float32(16).reshape(1))
    high = graph.node("Floor", "embed/high", graph.node("Div", "embed/shifted", pairs, sixteen))
    low = graph.node("Sub", "embed/low", pairs, graph.node("Mul", "embed/high_part", high, sixteen))
    nibbles = graph.node("Concat", "embed/nibbles", low, high, axis=-1)
    centred = graph.node("Sub", "embed/centred", nibbles, graph.constant("embed/eight", np.float32(8).reshape(1)))
    scale = graph.node("Gather", "embed/half_scales", graph.constant("embed/scales", scales), "ids")
    scale = graph.node("Cast", "embed/flat_scales", scale, to=TensorProto.FLOAT)
    scale = graph.node("Unsqueeze", "embed/block_scales", scale, graph.constant("embed/last", np.array([-1])))
    scaled = graph.node("Mul", "embed/scaled", centred, scale)
    scaled = graph.node("Reshape", "embed/words", scaled, graph.constant("embed/width", np.array([0, 0, width])))
    count = graph.node("CumSum", "embed/count", words, graph.constant("embed/axis", np.array(1)))
    last = graph.node("Sub", "embed/last_word", count, graph.constant("embed/one", np.float32(1).reshape(1)))
    table = graph.constant(POSITION_TABLE, weights["positions"][:positions])
    here = graph.node("Gather", "embed/positions", table, graph.node("Cast", "embed/place", last, to=TensorProto.INT64))
    total = graph.node("Add", "embed/sum", scaled, here)
    return graph.layer_norm(
        "hidden_0", total, weights["embedding_norm.weight"], weights["embedding_norm.bias"], epsilon
    )


def _mask_penalty(graph: GraphBuilder) -> str:
    """Add a tensor with 0 for tokens and a large negative number for padding (posts x 1 x 1 x tokens)."""
    mask = graph.node("Cast", "mask/float", "mask", to=TensorProto.FLOAT)
    spread = graph.node("Unsqueeze", "mask/spread", mask, graph.constant("mask/axes", np.array([1, 2])))
    absent = graph.node("Sub", "mask/absent", graph.constant("mask/one", np.float32(1).reshape(1)), spread)
    return graph.node("Mul", "mask/penalty", absent, graph.constant("mask/masked", _MASKED.reshape(1)))


def _words_mask(graph: GraphBuilder, weights: Weights) -> str:
    """Add 1 for tokens other than those of placeholders, and 0 for these and padding (posts x tokens)."""
    table = graph.constant("words/pieces", weights["in_words"].astype(np.uint8))
    integers = graph.node("Gather", "words/integers", table, "ids")
    floats = graph.node("Cast", "words/float", integers, to=TensorProto.FLOAT)
    return graph.node("Mul", "words/mask", "mask/float", floats)


def _words_penalty(graph: GraphBuilder, words: str, penalty: str) -> str:
    """Add a penalty that also keeps words from reading placeholders (posts x 1 x tokens x tokens)."""
    readers = graph.node("Unsqueeze", "words/readers", words, graph.constant("words/rows", np.array([1, 3])))
    placeholders = graph.node("Sub", "words/placeholders", "mask/float", words)
    unread = graph.node("Unsqueeze", "words/unread", placeholders, graph.constant("words/columns", np.array([1, 2])))
    pairs = graph.node("Mul", "words/pairs", readers, unread)
    masked = graph.node("Mul", "words/masked", pairs, "mask/masked")
    return graph.node("Add", "words/penalty", masked, penalty)


def _layer(
    graph: GraphBuilder,
    weights: Weights,
    shape: Shape,
    rounding: Mapping[str, Rounding],
    layer: int,
    hidden: str,
    penalty: str,
) -> str:
    source, here = f"layers.{layer}.", f"layer_{layer}"
    width = len(weights[f"{source}query.bias"])
    size = width // shape.heads
    split = graph.constant(f"{here}/split", np.array([0, 0, shape.heads, size]))
    factors = {"query": np.float32(1 / math.sqrt(size)), "key": np.float32(1), "value": np.float32(1)}

    def parameter(kind: str) -> Matrix:
        return np.concatenate([weights[f"{source}{name}.{kind}"] * factor for name, factor in factors.items()])

    # One product for all three, so that each row is quantised only once.
    together = graph.dense(
        f"{here}/projected", hidden, parameter("weight"), parameter("bias"), rounding.get(f"{layer}.projected")
    )
    parts = [f"{here}/{name}" for name in factors]
    graph.split(parts, together, width)

    def heads(part: str, order: list[int]) -> str:
        shaped = graph.node("Reshape", f"{part}/heads", part, split)
        return graph.node("Transpose", f"{part}/transposed", shaped, perm=order)

    query, key, value = (heads(*each) for each in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True))
    scores = graph.node("Add", f"{here}/masked", graph.node("MatMul", f"{here}/scores", query, key), penalty)
    attention = graph.node("Softmax", f"{here}/attention", scores, axis=-1)
    context = graph.node("MatMul", f"{here}/context", attention, value)
    context = graph.node("Transpose", f"{here}/context/tokens", context, perm=[0, 2, 1, 3])
    joined = graph.constant(f"{here}/joined", np.array([0, 0, width]))
    context = graph.node("Reshape", f"{here}/context/joined", context, joined)

    def dense(name: str, value: str) -> str:
        weight, bias = weights[f"{source}{name}.weight"], weights[f"{source}{name}.bias"]
        return graph.dense(f"{here}/{name}", value, weight, bias, rounding.get(f"{layer}.{name}"))

    def norm(name: str, value: str, module: str) -> str:
        scale, shift = weights[f"{source}{module}.weight"], weights[f"{source}{module}.bias"]
        return graph.layer_norm(name, value, scale, shift, shape.epsilon)

    residual = graph.node("Add", f"{here}/attention_residual", dense("attended", context), hidden)
    middle = norm(f"{here}/attention_norm", residual, "attention_norm")
    wide = _gelu(graph, f"{here}/gelu", dense("intermediate", middle))
    residual = graph.node("Add", f"{here}/output_residual", dense("output", wide), middle)
    return norm(f"hidden_{layer + 1}", residual, "output_norm")


def _gelu(graph: GraphBuilder, name: str, value: str) -> str:
    """Add the exact GELU, with Erf, in the form that runtimes recognise and fuse."""
    root = graph.constant(f"{name}/root", np.float32(math.sqrt(2)).reshape(1))
    error = graph.node("Erf", f"{name}/erf", graph.node("Div", f"{name}/scaled", value, root))
    weight = graph.node("Add", f"{name}/weight", error, graph.constant(f"{name}/one", np.float32(1).reshape(1)))
    product = graph.node("Mul", f"{name}/product", value, weight)
    return graph.node("Mul", name, product, graph.constant(f"{name}/half", np.float32(0.5).reshape(1)))


def _count(graph: GraphBuilder, name: str, mask: str) -> str:
    """Add the number of tokens in a mask (posts x 1)."""
    return graph.node("ReduceSum", name, mask, graph.constant(f"{name}/axis", np.array([1])), keepdims=1)


def _mean(graph: GraphBuilder, name: str, hidden: str, mask: str, count: str) -> str:
    """Add the mean over the tokens in a mask (posts x width)."""
    column = graph.node("Unsqueeze", f"{name}/column", mask, graph.constant(f"{name}/last", np.array([-1])))
    kept = graph.node("Mul", f"{name}/kept", hidden, column)
    total = graph.node("ReduceSum", f"{name}/sum", kept, graph.constant(f"{name}/axis", np.array([1])), keepdims=0)
    return graph.node("Div", name, total, count)


def _pooled(graph: GraphBuilder, name: str, hidden: str, queries: Matrix) -> str:
    """Add the weighted means of the tokens, concatenated (posts x queries*width)."""
    scores = graph.node("MatMul", f"{name}/scores", hidden, graph.constant(f"{name}/queries", queries.T))
    scores = graph.node("Transpose", f"{name}/by_query", scores, perm=[0, 2, 1])
    flat = graph.constant(f"{name}/flat", np.array([1]))
    penalty = graph.node("Squeeze", f"{name}/penalty", "mask/penalty", flat)
    weights = graph.node("Softmax", f"{name}/weights", graph.node("Add", f"{name}/masked", scores, penalty), axis=-1)
    means = graph.node("MatMul", f"{name}/means", weights, hidden)
    side_by_side = graph.constant(f"{name}/shape", np.array([0, queries.size]))
    return graph.node("Reshape", name, means, side_by_side)


def _model(graph: GraphBuilder, outputs: Mapping[str, int]) -> onnx.ModelProto:
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "tagpulse",
            [helper.make_tensor_value_info(each, TensorProto.INT64, ["posts", "tokens"]) for each in ("ids", "mask")],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["posts", size]) for name, size in outputs.items()],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model
