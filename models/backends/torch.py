"""PyTorch (`tagpulse[torch]`): the full-precision model that the others are compared with, and the one for a GPU.

Runs the same file without its rounding of activations: in f32 on the CPU, in f16 on a CUDA device. There, products with
the large matrices are halves summed in f32; softmax, layer norm, pooling and heads stay in f32. The f16 arithmetic is
tested on the CPU, the CUDA device itself is not.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.backends.base import Outputs, Padded, Precision
from models.backends.batching import MICRO_BATCH, filled
from models.backends.pool import BatchPool
from models.backends.torch_graph import Program


class TorchBackend:
    """The model as a sequence of torch operations, on `threads` threads or on a GPU.

    torch's own threads are set to 1 in the whole process: batches are computed side by side instead.
    """

    def __init__(self, model: Path, *, precision: Precision = "f32", threads: int, device: str | None = None) -> None:
        """`device` is CUDA for f16 and the CPU for f32, unless it is said."""
        self._device = torch.device(device or ("cuda" if precision == "f16" else "cpu"))
        self._on_gpu = self._device.type == "cuda"
        torch.set_num_threads(1)
        with torch.inference_mode():
            self._program = Program(model, Outputs._fields, self._device, half=precision == "f16")
        self._pool = BatchPool(self._compute, 1 if self._on_gpu else threads)

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Compute batches, in their order."""
        return self._pool.run(batches)

    def _compute(self, batch: Padded) -> Outputs:
        # A GPU takes another algorithm for another number of rows: with one number, a row's answer is always the same.
        padded = filled(batch, MICRO_BATCH) if self._on_gpu else batch
        tensors = {"ids": torch.from_numpy(padded.ids), "mask": torch.from_numpy(padded.mask)}
        with torch.inference_mode():
            results = self._program.run({name: tensor.to(self._device) for name, tensor in tensors.items()})
            arrays = [result.float().cpu().numpy()[: len(batch.ids)] for result in results]
        return Outputs(*(np.ascontiguousarray(array) for array in arrays))
