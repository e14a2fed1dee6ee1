import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.backends import Runtime
from models.backends.base import Padded
from models.backends.choice import PACKAGES, open_backend
from models.backends.openvino import CORE
from models.errors import ArtefactError
from models.text import MAX_TOKENS
from models.training import export, graph
from models.training.graph import GraphHead
from models.training.heads import logits, side_by_side
from models.training.network import MultiHeadNetwork
from tests.models.training.conftest import COLUMNS, CONFIG, PLACEHOLDER

IDS = np.array([[0, 7, 9, 11, 2], [0, 5, 2, 1, 1]])
MASK = (IDS != 1).astype(np.int64)
_RNG = np.random.default_rng(0)
SECOND_HEAD = GraphHead(_RNG.normal(size=(3, 3 * 64)).astype(np.float32), _RNG.normal(size=3).astype(np.float32))
LOW = GraphHead(_RNG.normal(size=(3, 2 * 64)).astype(np.float32), _RNG.normal(size=3).astype(np.float32))
VECTOR = GraphHead(_RNG.normal(size=(16, 3 * 64)).astype(np.float32), _RNG.normal(size=16).astype(np.float32))


def heads_of(network: MultiHeadNetwork, depth: int) -> dict[str, GraphHead]:
    exits = network.heads[str(depth)]
    linears = {
        "language": network.heads["words"]["language"],
        "sentiment": exits["sentiment"].linear,
        **{name: exits[name].linear for name in ("topics", "emotions", "acts")},
    }
    heads = {
        name: GraphHead(each.weight.detach().numpy(), each.bias.detach().numpy()) for name, each in linears.items()
    }
    return heads | {
        "sentiment": side_by_side(heads["sentiment"], LOW, 0.25),
        "topics": side_by_side(heads["topics"], SECOND_HEAD, 0.25),
        "vector": VECTOR,
    }


def rounded(network: MultiHeadNetwork) -> MultiHeadNetwork:
    """Return the network with the matrices of its layers rounded to int8."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.startswith("layers.") and parameter.ndim == 2:
                integers, scales = graph.pack_int8(parameter.numpy())
                parameter.copy_(torch.from_numpy(integers * scales[:, None]))
    return network


def run(model: Any, ids: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    settings = {"INFERENCE_PRECISION_HINT": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
    compiled = CORE.compile_model(CORE.read_model(model.SerializeToString(), b""), "CPU", settings)
    results = compiled({"ids": ids, "mask": mask})
    return {output.any_name: results[output] for output in compiled.outputs}


def test_the_graph_computes_what_the_network_computes(network: MultiHeadNetwork) -> None:
    network = rounded(network)
    found = run(export.build(network, CONFIG, heads_of(network, 6), {}), IDS, MASK)
    with torch.no_grad():
        expected = network(torch.from_numpy(IDS), torch.from_numpy(MASK))
    deepest = expected.deepest
    np.testing.assert_allclose(found["language"], deepest.heads["language"], atol=1e-4)
    sentiment = 0.75 * deepest.heads["sentiment"].numpy() + 0.25 * logits(LOW, expected.low.numpy())
    np.testing.assert_allclose(found["sentiment"], sentiment, atol=1e-4)
    means = np.concatenate([expected.low, deepest.mean], axis=1)
    topics = 0.75 * deepest.heads["topics"].numpy() + 0.25 * logits(SECOND_HEAD, means)
    np.testing.assert_allclose(found["topics"], topics, atol=1e-4)
    for name in ("emotions", "acts"):
        np.testing.assert_allclose(
            found[name], deepest.heads[name], atol=1e-4, err_msg="no head is fitted after training"
        )
    vector = logits(VECTOR, means)
    np.testing.assert_allclose(found["vector"], vector / np.linalg.norm(vector, axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_graph_of_another_length_is_refused(
    name: str, network: MultiHeadNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(PACKAGES[name][0])
    path = tmp_path / "model.onnx"
    path.write_bytes(export.build(network, CONFIG, heads_of(network, 6), {}).SerializeToString())
    assert set(open_backend(path, Runtime(name, "f32", ""), threads=1).outputs) == set(COLUMNS)
    monkeypatch.setattr(export, "MAX_TOKENS", 64)
    path.write_bytes(export.build(network, CONFIG, heads_of(network, 6), {}).SerializeToString())
    with pytest.raises(
        ArtefactError, match=rf"{re.escape(str(path))} reads 64 tokens of a text, but texts are cut to {MAX_TOKENS}"
    ):
        open_backend(path, Runtime(name, "f32", ""), threads=1)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_back_end_leaves_placeholders_out_of_the_language(
    name: str, network: MultiHeadNetwork, tmp_path: Path
) -> None:
    pytest.importorskip(PACKAGES[name][0])
    network = rounded(network)
    path = tmp_path / "model.onnx"
    path.write_bytes(export.build(network, CONFIG, heads_of(network, 6), {}).SerializeToString())
    (found,) = open_backend(path, Runtime(name, "f32", ""), threads=1).run([Padded(IDS, MASK)])
    assert PLACEHOLDER in IDS[0]
    with torch.no_grad():
        expected = network(torch.from_numpy(IDS), torch.from_numpy(MASK))
    head = heads_of(network, 6)["language"]
    np.testing.assert_allclose(found["language"], logits(head, expected.words.numpy()), atol=1e-4)
    assert np.abs(found["language"] - logits(head, expected.low.numpy()))[0].max() > 0.01


def test_padding_changes_nothing(network: MultiHeadNetwork) -> None:
    model = export.build(network, CONFIG, heads_of(network, 6), {})
    together, alone = run(model, IDS, MASK), run(model, IDS[1:, :3], MASK[1:, :3])
    for name, values in alone.items():
        np.testing.assert_allclose(values[0], together[name][1], atol=1e-5)


def unpack(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    pairs = packed.reshape(len(packed), -1, 16)
    nibbles = np.concatenate([pairs & 15, pairs >> 4], axis=-1).astype(np.float32) - 8
    return (nibbles * scales[..., None].astype(np.float32)).reshape(len(packed), -1)


def test_four_bits_lose_nothing_that_was_in_four_bits() -> None:
    rng = np.random.default_rng(0)
    once = unpack(*graph.pack_q4(rng.normal(size=(20, 64)).astype(np.float32)))
    np.testing.assert_array_equal(unpack(*graph.pack_q4(once)), once)
    assert not graph.pack_q4(np.zeros((1, 32), np.float32))[1].any()


def test_int8_is_within_half_a_step() -> None:
    matrix = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    integers, scales = graph.pack_int8(matrix)
    assert np.abs(integers * scales[:, None] - matrix).max() <= scales.max() / 2 * 1.001
    assert np.abs(integers).max() == 127
