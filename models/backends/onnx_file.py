"""Reads the model file as an ONNX graph and removes the quantisation of its activations."""

from pathlib import Path

import onnx

from models.backends.base import POSITION_TABLE
from models.errors import ArtefactError


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file that contains its weights; external data files are not loaded.

    Raises:
        ArtefactError: If the file is missing or not an ONNX file.
    """
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # damaged files raise exceptions of protobuf, not of onnx
        raise ArtefactError(f"{path} is not an ONNX file: {error}") from error


def positions_of(model: onnx.ModelProto) -> int | None:
    """Return the number of tokens that a model can read, or None if it has no position table."""
    return next((each.dims[0] for each in model.graph.initializer if each.name == POSITION_TABLE), None)


def take_quantisers_out(model: onnx.ModelProto) -> None:
    """Remove the quantisation of activations, in place: each QuantizeLinear and DequantizeLinear pair becomes Identity.

    The weights stay quantised, because the model was evaluated with their int8 values.
    """
    constant = {each.name for each in model.graph.initializer}
    sources: dict[str, str] = {}
    for node in model.graph.node:
        if all(name in constant for name in node.input if name):
            constant.update(node.output)
        elif node.op_type == "QuantizeLinear":
            sources[node.output[0]] = node.input[0]
        elif node.op_type == "DequantizeLinear" and node.input[0] in sources:
            passed = onnx.helper.make_node("Identity", [sources[node.input[0]]], list(node.output), node.name)
            node.CopyFrom(passed)
    read = {name for node in model.graph.node for name in node.input}
    kept = [node for node in model.graph.node if node.output[0] not in sources or node.output[0] in read]
    del model.graph.node[:]
    model.graph.node.extend(kept)
