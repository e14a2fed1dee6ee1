"""ONNX Runtime on the CPU (`tagpulse[onnx]`): runs the same file on platforms without an OpenVINO wheel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime

from models.backends.base import Outputs, Padded, Precision, check_length
from models.backends.onnx_file import positions_of, read_onnx, take_quantisers_out
from models.backends.pool import BatchPool
from models.errors import ArtefactError

_ERRORS_ONLY = 3


class OnnxBackend:
    """The model on ONNX Runtime, on `threads` threads, in `int8` as stored in the file or in `f32`."""

    def __init__(self, model: Path, *, precision: Precision = "int8", threads: int) -> None:
        options = onnxruntime.SessionOptions()
        # As with OpenVINO, each thread computes its own batch. Threads never wait for each other, so spinning is useless.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.use_deterministic_compute = True
        options.log_severity_level = _ERRORS_ONLY
        source: Path | bytes = model
        graph = read_onnx(model)
        check_length(model, positions_of(graph))
        if precision == "f32":
            # Converts the int8 weights to f32 once, when the model is loaded.
            options.add_session_config_entry("session.disable_quant_qdq", "1")
            take_quantisers_out(graph)
            source = graph.SerializeToString()
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common base class
            raise ArtefactError(f"{model} is not a model that ONNX Runtime can read: {error}") from error
        self.outputs = [each.name for each in self._session.get_outputs()]
        self._pool = BatchPool(self._compute, threads)

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Run the model on batches and return the outputs in order."""
        return self._pool.run(batches)

    def _compute(self, batch: Padded) -> Outputs:
        results = self._session.run(self.outputs, {"ids": batch.ids, "mask": batch.mask})
        return {name: np.asarray(result, np.float32) for name, result in zip(self.outputs, results, strict=True)}
