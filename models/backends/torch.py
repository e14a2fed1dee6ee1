"""PyTorch (`tagpulse[torch]`): the full-precision reference for the other back ends, and the back end for GPUs.

It runs the same file without the quantisation of activations, in f32 on the CPU and in f16 on a CUDA device. In f16, the
products with the large matrices are computed in half precision and summed in f32; softmax, layer norm, pooling and heads
stay in f32. The f16 arithmetic is tested on the CPU; CUDA devices are not tested.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.backends.base import Outputs, Padded, Precision, check_length
from models.backends.batching import MICRO_BATCH, filled
from models.backends.pool import BatchPool
from models.backends.torch_graph import Program


class TorchBackend:
    """The model as a sequence of torch operations, on `threads` threads or on a GPU.

    Sets the number of torch's own threads to 1 for the whole process; batches run in parallel instead.
    """

    def __init__(self, model: Path, *, precision: Precision = "f32", threads: int, device: str | None = None) -> None:
        """Load the model; `device` defaults to CUDA for f16 and to the CPU for f32."""
        self._device = torch.device(device or ("cuda" if precision == "f16" else "cpu"))
        self._on_gpu = self._device.type == "cuda"
        torch.set_num_threads(1)
        with torch.inference_mode():
            self._program = Program(model, self._device, half=precision == "f16")
        check_length(model, self._program.positions)
        self.outputs = self._program.outputs
        self._pool = BatchPool(self._compute, 1 if self._on_gpu else threads)

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Run the model on batches and return the outputs in order."""
        return self._pool.run(batches)

    def _compute(self, batch: Padded) -> Outputs:
        # A GPU may use another algorithm for another number of rows; a fixed number keeps answers reproducible.
        padded = filled(batch, MICRO_BATCH) if self._on_gpu else batch
        tensors = {"ids": torch.from_numpy(padded.ids), "mask": torch.from_numpy(padded.mask)}
        with torch.inference_mode():
            results = self._program.run({name: tensor.to(self._device) for name, tensor in tensors.items()})
            arrays = [result.float().cpu().numpy()[: len(batch.ids)] for result in results]
        return {name: np.ascontiguousarray(array) for name, array in zip(self.outputs, arrays, strict=True)}
