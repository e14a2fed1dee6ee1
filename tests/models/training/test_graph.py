from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the extra `train` is not installed")
pytest.importorskip("safetensors", reason="the extra `train` is not installed")

import openvino as ov

from models.training import graph, pooling
from models.training.encoder import EncoderConfig

CONFIG = EncoderConfig(64, 2, 2, 128, 50, 40, 2, 1e-12, 1)
IDS = np.array([[0, 7, 9, 11, 2], [0, 5, 2, 1, 1]])
MASK = (IDS != 1).astype(np.int64)


def run(model: object, ids: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    core = ov.Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString(), b""), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    results = compiled({"ids": ids, "mask": mask})
    return {output.any_name: results[output] for output in compiled.outputs}


@pytest.fixture
def bert(tmp_path: Path) -> object:
    """A tiny BERT with random weights; embeddings already of the 4-bit form, so that nothing is rounded."""
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    transformers = pytest.importorskip("transformers", reason="the extra `torch` is not installed")
    torch.manual_seed(0)
    fields = {name: getattr(CONFIG, name) for name in EncoderConfig.__slots__}
    model = transformers.BertModel(transformers.BertConfig(hidden_act="gelu", **fields), add_pooling_layer=False).eval()
    words = model.embeddings.word_embeddings.weight
    with torch.no_grad():
        words.copy_(torch.from_numpy(unpack(*graph.pack_q4(words.numpy()))))
    return model


def unpack(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    pairs = packed.reshape(len(packed), -1, 16)
    nibbles = np.concatenate([pairs & 15, pairs >> 4], axis=-1).astype(np.float32) - 8
    return (nibbles * scales[..., None].astype(np.float32)).reshape(len(packed), -1)


def test_the_graph_computes_what_transformers_computes(bert: object) -> None:
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    weights = {name: value.detach().numpy() for name, value in bert.state_dict().items()}
    model = graph.build_encoder(CONFIG, weights, np.arange(50), positions=40)
    with torch.no_grad():
        expected = bert(torch.from_numpy(IDS), torch.from_numpy(MASK), output_hidden_states=True).hidden_states
    results = run(model, IDS, MASK)
    for layer, hidden in enumerate(expected):
        difference = np.abs(results[f"hidden_{layer}"] - hidden.numpy())[MASK == 1]
        assert difference.max() < 1e-5
    pooled = run(pooling.with_pooled_layers(model, [1, 2]), IDS, MASK)["pooled"]
    counts = MASK.sum(1, keepdims=True)
    means = [(hidden.numpy() * MASK[..., None]).sum(1) / counts for hidden in expected[1:]]
    np.testing.assert_allclose(pooled, np.concatenate(means, axis=1), atol=1e-5)


def test_kept_pieces_are_renumbered(bert: object) -> None:
    weights = {name: value.detach().numpy() for name, value in bert.state_dict().items()}
    keep = np.array([0, 1, 2, 7, 9, 11])
    whole = run(graph.build_encoder(CONFIG, weights, np.arange(50), 40), IDS[:1], MASK[:1])
    pruned = run(graph.build_encoder(CONFIG, weights, keep, 40), np.searchsorted(keep, IDS[:1]), MASK[:1])
    np.testing.assert_allclose(pruned["hidden_2"], whole["hidden_2"], atol=1e-6)


def test_four_bits_lose_nothing_that_was_in_four_bits() -> None:
    rng = np.random.default_rng(0)
    once = unpack(*graph.pack_q4(rng.normal(size=(20, 64)).astype(np.float32)))
    np.testing.assert_array_equal(unpack(*graph.pack_q4(once)), once)
    assert not graph.pack_q4(np.zeros((1, 32), np.float32))[1].any()
