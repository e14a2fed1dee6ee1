"""The interface of back ends."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from models.errors import ArtefactError
from models.text import MAX_TOKENS

POSITION_TABLE = "embed/position_table"
"""Name of the graph's constant with one row for each token that it can read."""

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


Outputs = Mapping[str, Scores]
"""The outputs of the model for a batch (posts x columns), by head. Logits are calibrated; vectors have length 1."""


class Padded(NamedTuple):
    """Token ids of a batch (posts x tokens), and a mask that is 1 for tokens and 0 for padding."""

    ids: Tokens
    mask: Tokens


class Backend(Protocol):
    """Runs the model on padded batches.

    A row's outputs must not depend on the other rows of its batch.
    """

    @property
    def outputs(self) -> Sequence[str]:
        """Names of the heads that the model has."""
        ...

    def run(self, batches: Sequence[Padded]) -> list[Outputs]:
        """Run the model on batches and return the outputs in order. Not called from two threads at once."""
        ...


def check_length(model: Path, positions: int | None) -> None:
    """Check that a model reads as many tokens as texts are truncated to; longer texts would fail one by one.

    Args:
        model: The file, for the message.
        positions: Number of rows of its position table; None if it has none.

    Raises:
        ArtefactError: If the numbers differ.
    """
    if positions != MAX_TOKENS:
        raise ArtefactError(
            f"{model} reads {positions or 'an unknown number of'} tokens of a text, but texts are cut to {MAX_TOKENS}: "
            "use a model that was trained with this version of tagpulse"
        )
