"""OpenVINO on CPU: the fastest runtime for the quantised file, on Intel and AMD alike."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov

from models.backends.base import Outputs, Padded


def settings(threads: int) -> dict[str, object]:
    """Return what makes answers the same whatever the batch and, as far as it can be, the machine."""
    return {
        # A batch for each thread: threads that share a batch wait for each other at every layer, and most of all where
        # other processes take a core away.
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        # What is not int8 stays in full precision: bf16 would differ from machine to machine.
        "INFERENCE_PRECISION_HINT": "f32",
    }


class OpenVinoBackend:
    """The model compiled for this processor, on `threads` threads."""

    def __init__(self, model: Path, *, threads: int) -> None:
        compiled = ov.Core().compile_model(model, "CPU", settings(threads))
        self._requests = ov.AsyncInferQueue(compiled, threads)
        self._requests.set_callback(_keep)

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Compute batches, as many at once as there are threads; the largest first, so that all end together."""
        results: dict[int, Outputs] = {}
        for place in sorted(range(len(batches)), key=lambda place: -batches[place].ids.size):
            ids, mask = batches[place]
            self._requests.start_async({"ids": ids, "mask": mask}, (results, place), share_inputs=True)
        self._requests.wait_all()
        return [results[place] for place in range(len(batches))]


def _keep(request: ov.InferRequest, kept: tuple[dict[int, Outputs], int]) -> None:
    results, place = kept
    # The request reuses its output memory.
    results[place] = Outputs(*(np.array(request.get_tensor(name).data, np.float32) for name in Outputs._fields))
