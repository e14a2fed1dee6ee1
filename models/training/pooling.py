"""Pooling and heads, appended to the quantised encoder in full precision."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def with_pooled_layers(model: onnx.ModelProto, layers: Sequence[int]) -> onnx.ModelProto:
    """Replace the outputs by `pooled` (posts x layers*width): the mean over tokens of each layer, side by side."""
    width = model.graph.output[0].type.tensor_type.shape.dim[2].dim_value
    axis = numpy_helper.from_array(np.array([1]), "pool/axis")
    last = numpy_helper.from_array(np.array([-1]), "pool/last")
    nodes = [
        helper.make_node("Unsqueeze", ["mask/float", "pool/last"], ["pool/mask"]),
        helper.make_node("ReduceSum", ["pool/mask", "pool/axis"], ["pool/count"], keepdims=0),
    ]
    for layer in layers:
        nodes += [
            helper.make_node("Mul", [f"hidden_{layer}", "pool/mask"], [f"pool/kept_{layer}"]),
            helper.make_node("ReduceSum", [f"pool/kept_{layer}", "pool/axis"], [f"pool/sum_{layer}"], keepdims=0),
            helper.make_node("Div", [f"pool/sum_{layer}", "pool/count"], [f"pool/mean_{layer}"]),
        ]
    nodes.append(helper.make_node("Concat", [f"pool/mean_{layer}" for layer in layers], ["pooled"], axis=-1))
    pooled = onnx.ModelProto()
    pooled.CopyFrom(model)
    pooled.graph.node.extend(nodes)
    pooled.graph.initializer.extend([axis, last])
    del pooled.graph.output[:]
    shape = ["posts", width * len(layers)]
    pooled.graph.output.append(helper.make_tensor_value_info("pooled", TensorProto.FLOAT, shape))
    return pooled
