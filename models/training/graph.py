"""The encoder as an ONNX graph written node by node, so that the exported file holds nothing by accident.

Inputs `ids` and `mask` (int64, posts x tokens); outputs `hidden_0` (embeddings) to `hidden_N` (float32, posts x tokens x
width). The word embeddings stay in 4 bits (Q4_0: blocks of 32 weights with one half-precision scale) and are decoded
with arithmetic that every runtime has; the rest is float32 and is quantised afterwards.
"""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.training.encoder import EncoderConfig, Matrix, Weights

OPSET = 17
_IR_VERSION = 8
_BLOCK = 32
_MASKED = np.float32(-10_000)  # exp of it is exactly 0, so padding never leaks


def pack_q4(matrix: Matrix) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]:
    """Quantise rows to Q4_0: bytes (rows x width/2) and scales (rows x width/32); exact for matrices of that form."""
    blocks = matrix.reshape(len(matrix), -1, _BLOCK)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), -1)
    scales = (extreme / -8).astype(np.float16)
    divisors = np.where(scales == 0, 1, scales).astype(np.float32)
    nibbles = np.clip(np.rint(blocks / divisors) + 8, 0, 15).astype(np.uint8)
    packed = nibbles[..., : _BLOCK // 2] | (nibbles[..., _BLOCK // 2 :] << 4)
    return packed.reshape(len(matrix), -1), scales[..., 0]


class GraphBuilder:
    """Collects nodes and constants; every method returns the name of a tensor."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, kind: str, name: str, *inputs: str, **attributes: object) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def dense(self, name: str, value: str, weight: Matrix, bias: Matrix) -> str:
        """`value` times the transpose of `weight` (outputs x inputs), plus `bias`."""
        product = self.node("MatMul", f"{name}/matmul", value, self.constant(f"{name}/weight", weight.T))
        return self.node("Add", name, product, self.constant(f"{name}/bias", bias))

    def layer_norm(self, name: str, value: str, weight: Matrix, bias: Matrix, epsilon: float) -> str:
        scale, shift = self.constant(f"{name}/weight", weight), self.constant(f"{name}/bias", bias)
        return self.node("LayerNormalization", name, value, scale, shift, axis=-1, epsilon=epsilon)


def build_encoder(
    config: EncoderConfig, weights: Weights, keep: npt.NDArray[np.int64], positions: int
) -> onnx.ModelProto:
    """Build the graph with the word embeddings of the pieces `keep` and the first `positions` positions."""
    graph = GraphBuilder()
    hidden = _embed(graph, config, weights, keep, positions)
    penalty = _mask_penalty(graph)
    for layer in range(config.num_hidden_layers):
        hidden = _layer(graph, config, weights, layer, hidden, penalty)
    outputs = [(f"hidden_{layer}", config.hidden_size) for layer in range(config.num_hidden_layers + 1)]
    return _model(graph, "encoder", outputs)


def _embed(
    graph: GraphBuilder, config: EncoderConfig, weights: Weights, keep: npt.NDArray[np.int64], positions: int
) -> str:
    packed, scales = pack_q4(weights["embeddings.word_embeddings.weight"][keep])
    blocks, half = config.hidden_size // _BLOCK, _BLOCK // 2
    grouped = graph.constant("embed/grouped", np.array([0, 0, blocks, half]))
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
    words = graph.node("Mul", "embed/scaled", centred, scale)
    words = graph.node(
        "Reshape", "embed/words", words, graph.constant("embed/width", np.array([0, 0, config.hidden_size]))
    )
    places = weights["embeddings.position_embeddings.weight"][:positions]
    places = places + weights["embeddings.token_type_embeddings.weight"][0]
    length = graph.node("Slice", "embed/length", graph.node("Shape", "embed/shape", "ids"),
                        graph.constant("embed/one", np.array([1])), graph.constant("embed/two", np.array([2])))  # fmt: skip
    here = graph.node("Slice", "embed/positions", graph.constant("embed/position_table", places),
                      graph.constant("embed/zero", np.array([0])), length)  # fmt: skip
    return graph.layer_norm(
        "hidden_0",
        graph.node("Add", "embed/sum", words, here),
        weights["embeddings.LayerNorm.weight"],
        weights["embeddings.LayerNorm.bias"],
        config.layer_norm_eps,
    )


def _mask_penalty(graph: GraphBuilder) -> str:
    """Zero where a token counts, a large negative number where it is padding (posts x 1 x 1 x tokens)."""
    mask = graph.node("Cast", "mask/float", "mask", to=TensorProto.FLOAT)
    spread = graph.node("Unsqueeze", "mask/spread", mask, graph.constant("mask/axes", np.array([1, 2])))
    absent = graph.node("Sub", "mask/absent", graph.constant("mask/one", np.float32(1).reshape(1)), spread)
    return graph.node("Mul", "mask/penalty", absent, graph.constant("mask/masked", _MASKED.reshape(1)))


def _layer(graph: GraphBuilder, config: EncoderConfig, weights: Weights, layer: int, hidden: str, penalty: str) -> str:
    source, here = f"encoder.layer.{layer}.", f"layer_{layer}"
    head = config.hidden_size // config.num_attention_heads
    split = graph.constant(f"{here}/split", np.array([0, 0, config.num_attention_heads, head]))

    def dense(name: str, value: str, module: str) -> str:
        return graph.dense(
            f"{here}/{name}", value, weights[f"{source}{module}.weight"], weights[f"{source}{module}.bias"]
        )

    def heads(name: str, order: list[int]) -> str:
        projected = dense(name, hidden, f"attention.self.{name}")
        shaped = graph.node("Reshape", f"{here}/{name}/heads", projected, split)
        return graph.node("Transpose", f"{here}/{name}/transposed", shaped, perm=order)

    query, key, value = heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
    scores = graph.node("MatMul", f"{here}/scores", query, key)
    root = graph.constant(f"{here}/root", np.float32(math.sqrt(head)).reshape(1))
    scores = graph.node("Div", f"{here}/scaled_scores", scores, root)
    scores = graph.node("Add", f"{here}/masked_scores", scores, penalty)
    attention = graph.node("Softmax", f"{here}/attention", scores, axis=-1)
    context = graph.node("MatMul", f"{here}/context", attention, value)
    context = graph.node("Transpose", f"{here}/context/tokens", context, perm=[0, 2, 1, 3])
    joined = graph.constant(f"{here}/joined", np.array([0, 0, config.hidden_size]))
    context = graph.node("Reshape", f"{here}/context/joined", context, joined)
    attended = dense("attention_output", context, "attention.output.dense")

    def norm(name: str, value: str, module: str) -> str:
        scale, shift = weights[f"{source}{module}.weight"], weights[f"{source}{module}.bias"]
        return graph.layer_norm(name, value, scale, shift, config.layer_norm_eps)

    residual = graph.node("Add", f"{here}/attention_residual", attended, hidden)
    middle = norm(f"{here}/attention_norm", residual, "attention.output.LayerNorm")
    wide = _gelu(graph, f"{here}/gelu", dense("intermediate", middle, "intermediate.dense"))
    narrow = dense("output", wide, "output.dense")
    residual = graph.node("Add", f"{here}/output_residual", narrow, middle)
    return norm(f"hidden_{layer + 1}", residual, "output.LayerNorm")


def _gelu(graph: GraphBuilder, name: str, value: str) -> str:
    """The exact form, with Erf, which the runtimes recognise and fuse."""
    root = graph.constant(f"{name}/root", np.float32(math.sqrt(2)).reshape(1))
    error = graph.node("Erf", f"{name}/erf", graph.node("Div", f"{name}/scaled", value, root))
    weight = graph.node("Add", f"{name}/weight", error, graph.constant(f"{name}/one", np.float32(1).reshape(1)))
    product = graph.node("Mul", f"{name}/product", value, weight)
    return graph.node("Mul", name, product, graph.constant(f"{name}/half", np.float32(0.5).reshape(1)))


def _model(graph: GraphBuilder, name: str, outputs: list[tuple[str, int]]) -> onnx.ModelProto:
    shape = ["posts", "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            name,
            [helper.make_tensor_value_info(each, TensorProto.INT64, shape) for each in ("ids", "mask")],
            [helper.make_tensor_value_info(each, TensorProto.FLOAT, [*shape, width]) for each, width in outputs],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write the model as one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
