"""Every back end in every precision, loaded once; texts to compare them on; and a model that is computed by hand."""

import importlib.util
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from models.backends import Backend, Padded
from models.backends.base import POSITION_TABLE
from models.backends.choice import PACKAGES, has_cuda
from models.enricher import Enricher
from models.text import MAX_TOKENS
from streams.contracts import Post
from streams.sample_day import sample_day

Opened = Callable[[str, str], Enricher]


@pytest.fixture(scope="session")
def opened() -> Opened:
    """Load a back end without a cache; skip the test if its packages or a GPU are missing."""

    @cache
    def load(backend: str, precision: str) -> Enricher:
        for package in PACKAGES[backend]:
            if importlib.util.find_spec(package) is None:
                pytest.skip(f"{package} is not installed: pip install 'tagpulse[{backend}]'")
        if precision == "f16" and not has_cuda():
            pytest.skip("f16 needs a CUDA device, and none is available")
        return Enricher.load(backend=backend, precision=precision, threads=2, cache_size=0)  # type: ignore[arg-type]

    return load


@pytest.fixture(scope="session")
def invented() -> list[str]:
    """200 texts from the sample day, in all its languages."""
    texts = sorted({message.text for message in sample_day() if isinstance(message, Post)})
    return random.Random(0).sample(texts, 200)


class SmallModel:
    """A model whose answers can be computed by hand: the means of a text's token vectors, and a quantised product of them.

    Attributes:
        PADDED: Two batches of different sizes.
    """

    WORDS = np.arange(24, dtype=np.float32).reshape(6, 4) / 8 - 1
    POSITIONS = np.linspace(-0.5, 0.5, MAX_TOKENS * 4, dtype=np.float32).reshape(MAX_TOKENS, 4)
    INTEGERS = np.array([[127, -3, 20], [-64, 90, 5], [8, 33, -100], [50, -127, 7]], np.int8)
    SCALES = np.array([0.01, 0.02, 0.015], np.float32)
    STEP, ZERO = np.float32(0.05), np.uint8(120)
    PADDED = (
        Padded(np.array([[0, 5, 2]]), np.array([[1, 1, 1]])),
        Padded(np.array([[0, 3, 2, 1], [0, 4, 4, 2]]), np.array([[1, 1, 1, 0], [1, 1, 1, 1]])),
    )

    @classmethod
    def write(cls, path: Path, positions: int = MAX_TOKENS) -> Path:
        """Write the model with a table of `positions` positions."""
        onnx = pytest.importorskip("onnx")
        helper = onnx.helper
        constants = {
            "words": cls.WORDS,
            POSITION_TABLE: cls.POSITIONS[:positions],
            "integers": cls.INTEGERS,
            "scales": cls.SCALES,
            "step": cls.STEP,
            "zero": cls.ZERO,
            "first": np.array([0]),
            "second": np.array([1]),
            "third": np.array([2]),
        }
        nodes = [
            helper.make_node("Gather", ["words", "ids"], ["embedded"]),
            helper.make_node("Shape", ["ids"], ["tokens"], start=1, end=2),
            helper.make_node("Slice", [POSITION_TABLE, "first", "tokens"], ["placed"]),
            helper.make_node("Add", ["embedded", "placed"], ["hidden"]),
            helper.make_node("Cast", ["mask"], ["counted"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["counted", "third"], ["weights"]),
            helper.make_node("Mul", ["hidden", "weights"], ["weighted"]),
            helper.make_node("ReduceSum", ["weighted", "second"], ["sums"], keepdims=0),
            helper.make_node("ReduceSum", ["weights", "second"], ["counts"], keepdims=0),
            helper.make_node("Div", ["sums", "counts"], ["vector"]),
            helper.make_node("QuantizeLinear", ["vector", "step", "zero"], ["rounded"]),
            helper.make_node("DequantizeLinear", ["rounded", "step", "zero"], ["near"]),
            helper.make_node("DequantizeLinear", ["integers", "scales"], ["matrix"], axis=1),
            helper.make_node("MatMul", ["near", "matrix"], ["sentiment"]),
        ]
        inputs = [
            helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["posts", "tokens"]) for name in ("ids", "mask")
        ]
        outputs = [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["posts", width])
            for name, width in (("sentiment", 3), ("vector", 4))
        ]
        arrays = [onnx.numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()]
        graph = helper.make_graph(nodes, "small", inputs, outputs, arrays)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path

    @classmethod
    def answers(cls, batch: Padded, *, rounded: bool) -> dict[str, npt.NDArray[np.float64]]:
        """Compute the outputs for a batch; with `rounded`, the input of the product is rounded as in int8."""
        texts = [ids[: mask.sum()] for ids, mask in zip(batch.ids, batch.mask, strict=True)]
        vector = np.array(
            [(cls.WORDS[ids] + cls.POSITIONS[: len(ids)]).mean(axis=0, dtype=np.float64) for ids in texts]
        )
        near = vector
        if rounded:
            near = (np.clip(np.rint(vector / cls.STEP) + cls.ZERO, 0, 255) - cls.ZERO) * cls.STEP
        return {"sentiment": near @ (cls.INTEGERS * cls.SCALES.astype(np.float64)), "vector": vector}

    @classmethod
    def check(cls, backend: Backend, *, rounded: bool, tolerance: float = 1e-5) -> None:
        """Check the outputs of a back end for all batches, together and one by one."""
        assert list(backend.outputs) == ["sentiment", "vector"]
        results = backend.run(cls.PADDED)
        for batch, outputs in zip(cls.PADDED, results, strict=True):
            assert outputs.keys() == {"sentiment", "vector"}
            (alone,) = backend.run([batch])
            for name, expected in cls.answers(batch, rounded=rounded).items():
                assert outputs[name].dtype == np.float32
                np.testing.assert_allclose(outputs[name], expected, atol=tolerance)
                np.testing.assert_array_equal(alone[name], outputs[name])
        assert backend.run([]) == []
