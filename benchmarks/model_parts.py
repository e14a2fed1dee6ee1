"""The parts of `benchmarks/model.py`: each runs in its own process and prints one JSON object.

`python benchmarks/model_parts.py serve|torch|usual|limit …`. Imports are inside the functions, so that a part loads only what it
measures.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov

    from models.backends.choice import WantedBackend, WantedPrecision

BATCH = 256
"""Posts that the worker passes to the model at once."""

XLM_R_TOKENS = 512
XLM_R_VOCABULARY = 250_002
LABELS = {"language": 20, "sentiment": 3, "topics": 19}

SIDE, PRODUCTS, ROUNDS = 2_048, 8, 7
"""The size and the number of int8 matrix products in a chain, large enough that the products are nearly all of the work."""


def serve(
    texts: list[str],
    started: float,
    weights: Path,
    backend: WantedBackend = "auto",
    precision: WantedPrecision = "auto",
) -> dict[str, object]:
    """Measure a model as the worker uses it.

    Args:
        started: When the process was started, on the monotonic clock.
    """
    from models.enricher import Enricher

    enricher = Enricher.load(weights, backend=backend, precision=precision)
    enricher.enrich(["the first answer is not timed"])
    first_answer = time.monotonic() - started
    begun = time.perf_counter()
    for start in range(0, len(texts), BATCH):
        enricher.enrich(texts[start : start + BATCH])
    seconds = time.perf_counter() - begun
    return {
        "posts_per_second": len(texts) / seconds,
        "seconds_to_first_answer": first_answer,
        **memory(),
        "runtime": f"{enricher.runtime.name} {enricher.runtime.precision}",
        "model": f"{enricher.name} {enricher.version}",
    }


def usual(texts: list[str], weights: Path) -> dict[str, object]:
    """Measure three XLM-R base classifiers in PyTorch, one post at a time; random weights are as fast as trained ones."""
    import torch
    from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    from models.artefact import open_artefact
    from models.tokenizer import Tokenizer

    tokenizer = Tokenizer(open_artefact(weights).tokenizer)
    torch.set_num_threads(os.cpu_count() or 1)
    models = [
        XLMRobertaForSequenceClassification(
            XLMRobertaConfig(
                vocab_size=XLM_R_VOCABULARY,
                hidden_size=768,
                num_hidden_layers=12,
                num_attention_heads=12,
                intermediate_size=3_072,
                max_position_embeddings=XLM_R_TOKENS + 2,
                type_vocab_size=1,
                num_labels=labels,
            )
        ).eval()
        for labels in LABELS.values()
    ]

    def classify(text: str) -> None:
        ids = torch.tensor(tokenizer.encode([text], XLM_R_TOKENS)).clamp(max=XLM_R_VOCABULARY - 1)
        for model in models:
            model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.softmax(dim=-1)

    with torch.inference_mode():
        for text in texts[:3]:
            classify(text)
        begun = time.perf_counter()
        for text in texts:
            classify(text)
        seconds = time.perf_counter() - begun
    return {"posts_per_second": len(texts) / seconds, **memory()}


def limit(texts: list[str], weights: Path) -> dict[str, object]:
    """Measure the int8 operations a second that this machine reaches, and count those that the model needs per post."""
    import numpy as np
    import openvino as ov

    from models.artefact import open_artefact
    from models.backends.openvino import CORE, settings
    from models.text import prepare
    from models.tokenizer import Tokenizer

    artefact = open_artefact(weights)
    encoded = Tokenizer(artefact.tokenizer).encode([artefact.labels.prefix + prepare(text) for text in texts])
    tokens = sum(len(ids) for ids in encoded)

    threads = os.cpu_count() or 1
    compiled = CORE.compile_model(int8_products(), "CPU", settings(threads, "int8"))
    requests = ov.AsyncInferQueue(compiled, threads)
    data = np.random.default_rng(0).uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(threads):
            requests.start_async([data])
        requests.wait_all()
        best = min(best, time.perf_counter() - begun)
    return {
        "peak_operations_per_second": threads * PRODUCTS * 2 * SIDE**3 / best,
        "peak_precision": product_precision(compiled),
        "operations_per_post": 2 * encoder_weights(artefact.model) * tokens / len(texts),
        "tokens_per_post": tokens / len(texts),
    }


def int8_products() -> ov.Model:
    """Return a chain of products of quantised matrices, in the form that OpenVINO recognises."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    rng = np.random.default_rng(0)

    first = ops.parameter([SIDE, SIDE], np.float32)
    node = first
    zero, one, least = np.float32(0), np.float32(1), np.float32(1 / SIDE)
    for _ in range(PRODUCTS):
        weights = ops.constant(rng.uniform(-least, least, (SIDE, SIDE)).astype(np.float32))
        node = ops.matmul(
            ops.fake_quantize(node, zero, one, zero, one, 256),  # to unsigned bytes, which processors multiply fastest
            ops.fake_quantize(weights, -least, least, -least, least, 255),
            transpose_a=False,
            transpose_b=False,
        )
    return ov.Model([node], [first], "products")


def product_precision(compiled: ov.CompiledModel) -> str:
    """Return the precision in which the products were actually computed."""
    kinds = {
        str(op.get_rt_info()["runtimePrecision"].astype(str))
        for op in compiled.get_runtime_model().get_ops()
        if op.get_rt_info()["layerType"].astype(str) in {"MatMul", "FullyConnected"}
    }
    return ", ".join(sorted(kinds))


def encoder_weights(model: Path) -> int:
    """Return the number of weights in the matrices that every token of a post is multiplied with."""
    from models.backends.openvino import CORE

    total = 0
    for op in CORE.read_model(model).get_ops():
        if op.get_type_name() == "MatMul":
            by_token, matrix = op.input(0).get_partial_shape(), op.input(1).get_partial_shape()
            if by_token.rank.get_length() == 3 and matrix.is_static and matrix.rank.get_length() == 2:
                total += matrix.get_dimension(0).get_length() * matrix.get_dimension(1).get_length()
    return total


def memory() -> dict[str, int]:
    """Return the current and the peak resident bytes of this process."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    names = {"resident_bytes": "VmRSS", "peak_resident_bytes": "VmHWM"}
    return {name: int(lines[field].split()[0]) * 1_024 for name, field in names.items()}


if __name__ == "__main__":
    part, path, posts, started, folder = sys.argv[1:]
    weights = Path(folder)
    chosen = json.loads(Path(path).read_text("utf-8"))[: int(posts)]
    match part:
        case "serve":
            found = serve(chosen, float(started), weights)
        case "torch":
            found = serve(chosen, float(started), weights, "torch", "f32")
        case "usual":
            found = usual(chosen, weights)
        case "limit":
            found = limit(chosen, weights)
        case _:
            sys.exit(__doc__)
    print(json.dumps(found))
