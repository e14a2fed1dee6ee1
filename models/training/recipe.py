"""What the weights are made with: every number that was chosen."""

from models.training.fit import Phase

NAME = "tagpulse-e5-small"
VERSION = "2.2.0"
PIECES = 150_000
"""Of the encoder's 250,002: with 96,000 the moods of UMSAB lose 0.9 points in an average of trainings and 2.5 in one, with 150,000 0.2."""

DEPTH = 9
"""Layers of the shipped model."""

EXITS = (DEPTH,)
RATE = 1.5e-4
EPOCH = 15_000
"""Texts between two scores and checkpoints."""

SEED = 0
"""Of what is drawn once for all members: the split of the data, the first weights of the heads."""

MEMBERS = (0, 1)
"""Seeds of trainings that differ in the order of the texts; their weights are averaged."""

_OTHERS = {
    "x_topic": 0.08,
    "lingua": 0.03,
    "fragment": 0.03,
    "sib200": 0.015,
    "crisis": 0.01,
    "undetermined": 0.01,
    "emosent": 0.005,
}


def _phase(name: str, texts: int, umsab: float, semeval: float, afrisenti: float) -> Phase:
    left = 1 - sum(_OTHERS.values())
    moods = {"umsab-train": umsab, "semeval": semeval, "afrisenti-train": afrisenti}
    return Phase(name, texts, _OTHERS | {source: share * left for source, share in moods.items()})


FIT = (
    _phase("broad", 44_928, 0.54, 0.31, 0.15),
    _phase("posts", 24_000, 0.74, 0.20, 0.06),
    _phase("last", 15_008, 0.92, 0.04, 0.04),
)
"""Ever more of the balanced posts of many languages; all tasks all the way."""
