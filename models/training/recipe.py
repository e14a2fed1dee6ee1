"""The recipe of the shipped weights: all hyperparameters that were chosen."""

from models.training.fit import Phase

NAME = "tagpulse-e5-small"
VERSION = "3.0.0"
PIECES = 180_000
"""Number of vocabulary pieces kept of the encoder's 250,002.

With 96,000, the sentiment F1 on UMSAB is 0.9 points lower for an average of trainings and 2.5 for a single one; with
150,000, it is 0.2 lower.
"""

DEPTH = 9
"""Number of layers in the shipped model."""

EXITS = (DEPTH,)
RATE = 1.5e-4
EPOCH = 20_000
"""Number of texts between checkpoints, at which the network is scored."""

SEED = 0
"""Seed of what all members share: the split of the data and the initial weights of the heads."""

MEMBERS = {0: "broad", 1: "posts", 2: "broad"}
"""Seeds of the members, with the first of their phases: training runs in a row, each from the end of the one before it, whose
weights are averaged."""

FIT = (
    Phase(
        "broad",
        80_000,
        {
            "umsab": 0.19, "english": 0.12, "african": 0.06, "sentiment": 0.22, "emotion": 0.14, "act": 0.03,
            "topics": 0.07, "language": 0.08, "template": 0.08, "other": 0.01,
        },
    ),
    Phase(
        "posts",
        40_000,
        {
            "umsab": 0.31, "english": 0.12, "african": 0.05, "sentiment": 0.16, "emotion": 0.11, "act": 0.03,
            "topics": 0.07, "language": 0.06, "template": 0.08, "other": 0.01,
        },
    ),
    Phase(
        "last",
        20_000,
        {
            "umsab": 0.44, "english": 0.08, "african": 0.04, "sentiment": 0.13, "emotion": 0.09, "act": 0.03,
            "topics": 0.06, "language": 0.04, "template": 0.08, "other": 0.01,
        },
    ),
)  # fmt: skip
"""Phases with the share of each family of data sets.

That of UMSAB and the corpora it was made from grows, because its posts are balanced and in many languages.
"""
