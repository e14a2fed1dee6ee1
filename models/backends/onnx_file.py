"""The model's file as an ONNX graph, and the same without its rounding of activations."""

from pathlib import Path

import onnx

from models.errors import ArtefactError


def read_onnx(path: Path) -> onnx.ModelProto:
    """Read an ONNX file that holds its own weights; what lies in other files is not looked for.

    Raises:
        ArtefactError: it is no such file.
    """
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # that of protobuf is none of its own package
        raise ArtefactError(f"{path} is not an ONNX file: {error}") from error


def take_quantisers_out(model: onnx.ModelProto) -> None:
    """Let activations pass unrounded, in place: each pair of QuantizeLinear and DequantizeLinear gives its input.

    Weights are left as they are: their integers stand for the numbers that the model was checked with.
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
