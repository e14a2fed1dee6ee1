"""The interface of back ends."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


Precision = Literal["int8", "f32", "f16"]


class Runtime(NamedTuple):
    """A back end and its precision, with the reason for the choice for logs and `tagpulse doctor`."""

    name: str
    precision: Precision
    why: str

    def __str__(self) -> str:
        return f"{self.name} {self.precision} ({self.why})"


class Outputs(NamedTuple):
    """The four outputs of the model for a batch. Logits are calibrated; vectors have length 1."""

    language: Scores
    sentiment: Scores
    topics: Scores
    vector: Scores


class Padded(NamedTuple):
    """Token ids of a batch (posts x tokens), and a mask that is 1 for tokens and 0 for padding."""

    ids: Tokens
    mask: Tokens


class Backend(Protocol):
    """Runs the model on padded batches.

    A row's outputs must not depend on the other rows of its batch.
    """

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Run the model on batches and return the outputs in order. Not called from two threads at once."""
        ...
