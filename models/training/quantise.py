"""Static int8 with SmoothQuant: fixed scales, so that a post's answer does not depend on its neighbours.

Weights use 7 of 8 bits (`overflow_fix`), since processors without VNNI saturate when products of 8 bits are added.
"""

from collections.abc import Sequence
from pathlib import Path

import nncf
import numpy as np
import onnx
from nncf.quantization.advanced_parameters import (
    AdvancedQuantizationParameters,
    AdvancedSmoothQuantParameters,
    OverflowFix,
)
from onnx import numpy_helper
from tokenizers import Tokenizer

from models.text import QUERY_PREFIX


def quantise(model: onnx.ModelProto, tokenizer: Path, texts: Sequence[str], alpha: float) -> onnx.ModelProto:
    """Return the model with int8 matrices and activations, calibrated on prepared `texts`.

    `alpha` is SmoothQuant's share of the range moved from activations to weights (Xiao et al., 2023).
    """
    encoder = Tokenizer.from_file(str(tokenizer))

    def inputs(text: str) -> dict[str, object]:
        ids = np.array([encoder.encode(QUERY_PREFIX + text).ids], np.int64)
        return {"ids": ids, "mask": np.ones_like(ids)}

    quantised = nncf.quantize(
        model,
        nncf.Dataset(list(texts), inputs),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.ENABLE,
            smooth_quant_alphas=AdvancedSmoothQuantParameters(matmul=alpha),
        ),
    )
    return fold_weights(quantised)


def fold_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store as int8 what is quantised from a constant at run time: a quarter of the size, the same numbers."""
    graph = model.graph
    constants = {each.name: each for each in graph.initializer}
    kept = []
    for node in graph.node:
        if node.op_type != "QuantizeLinear" or node.input[0] not in constants:
            kept.append(node)
            continue
        values, scale, zero = (numpy_helper.to_array(constants[name]) for name in node.input)
        axis = next((each.i for each in node.attribute if each.name == "axis"), 1)
        shape = [-1 if dimension == axis % values.ndim else 1 for dimension in range(values.ndim)]
        scale, zero = (each.reshape(shape) if each.ndim else each for each in (scale, zero))
        limits = np.iinfo(zero.dtype)
        integers = np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(zero.dtype)
        graph.initializer.append(numpy_helper.from_array(integers, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
    used = {name for node in graph.node for name in node.input}
    remaining = [each for each in graph.initializer if each.name in used]
    del graph.initializer[:]
    graph.initializer.extend(remaining)
    return model
