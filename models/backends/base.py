"""What a runtime must do."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class Outputs(NamedTuple):
    """The four outputs of the model for a batch; logits are calibrated, vectors have length 1."""

    language: Scores
    sentiment: Scores
    topics: Scores
    vector: Scores


class Backend(Protocol):
    """Runs the model on padded batches.

    A row's outputs must not depend on the other rows of its batch.
    """

    def run(self, ids: Tokens, mask: Tokens) -> Outputs:
        """Compute one batch (posts x tokens; `mask` is 1 where a token counts). Not called from two threads at once."""
        ...
