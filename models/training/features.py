"""Encode every training text once with the very graph that is shipped, so that the heads match its roundings."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import openvino as ov
from tokenizers import Tokenizer

from models.backends.openvino import settings
from models.batching import micro_batches
from models.text import QUERY_PREFIX


def encode(model: onnx.ModelProto, tokenizer: Path, texts: Sequence[str], threads: int) -> npt.NDArray[np.float16]:
    """Return the model's output `pooled` for prepared texts (texts x width)."""
    core = ov.Core()
    compiled = core.compile_model(core.read_model(model.SerializeToString(), b""), "CPU", settings(threads))
    request = compiled.create_infer_request()
    encodings = Tokenizer.from_file(str(tokenizer)).encode_batch([QUERY_PREFIX + text for text in texts])
    pooled = np.empty((len(texts), model.graph.output[0].type.tensor_type.shape.dim[1].dim_value), np.float16)
    for batch in micro_batches([encoding.ids for encoding in encodings]):
        pooled[batch.rows] = request.infer({"ids": batch.ids, "mask": batch.mask})["pooled"][: len(batch.rows)]
    return pooled
