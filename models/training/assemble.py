"""Put encoder, pooling and heads into one ONNX file with the outputs that `models.backends.Outputs` names."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.artefact import LABELS_FILE, MODEL_FILE, TOKENIZER_FILE, Labels, write_checksums
from models.training.graph import save
from models.training.heads import Head
from models.training.pooling import with_pooled_layers
from models.training.vectors import VectorMap


def with_heads(
    encoder: onnx.ModelProto, layers: Sequence[int], heads: dict[str, Head], vectors: VectorMap
) -> onnx.ModelProto:
    """Return the whole model; `vectors` reads the last of the pooled layers, the heads read them all."""
    model = with_pooled_layers(encoder, layers)
    graph = model.graph
    width = len(vectors.mean)
    outputs = {name: len(head.bias) for name, head in heads.items()} | {"vector": width}

    def constant(name: str, values: object) -> str:
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    for name, head in heads.items():
        product = f"head/{name}/matmul"
        graph.node.extend([
            helper.make_node("MatMul", ["pooled", constant(f"head/{name}/weight", head.weight.T)], [product]),
            helper.make_node("Add", [product, constant(f"head/{name}/bias", head.bias)], [name]),
        ])  # fmt: skip
    last = f"pool/mean_{layers[-1]}"
    graph.node.extend([
        helper.make_node("Sub", [last, constant("vector/mean", vectors.mean)], ["vector/centred"]),
        helper.make_node("MatMul", ["vector/centred", constant("vector/map", vectors.matrix.T)], ["vector/mapped"]),
        helper.make_node("ReduceL2", ["vector/mapped"], ["vector/length"], axes=[1], keepdims=1),
        helper.make_node("Div", ["vector/mapped", "vector/length"], ["vector"]),
    ])  # fmt: skip
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["posts", size]) for name, size in outputs.items()
    )
    graph.name = "tagpulse"
    onnx.checker.check_model(model, full_check=True)
    return model


def write(model: onnx.ModelProto, tokenizer: Path, labels: Labels, scores: dict[str, float], folder: Path) -> None:
    """Write the artefact: model, tokenizer, labels, checksums, and the scores for the model card."""
    folder.mkdir(parents=True, exist_ok=True)
    save(model, folder / MODEL_FILE)
    shutil.copyfile(tokenizer, folder / TOKENIZER_FILE)
    (folder / LABELS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(labels), indent=1) + b"\n")
    (folder / "scores.json").write_text(json.dumps(scores, indent=1) + "\n", "utf-8")
    write_checksums(folder)
