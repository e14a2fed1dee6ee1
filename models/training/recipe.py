"""What the shipped weights were made with: every number that was chosen."""

from models.training.fit import Phase

NAME = "tagpulse-e5-small"
VERSION = "2.0.0"
SEED = 0
PIECES = 96_000
DEPTH = 9
"""Layers of the shipped model."""

EXITS = (6, 9)
RATE = 1.4e-4
EPOCH = 30_000
"""Texts between two scores and checkpoints."""

GENERAL = Phase(
    "general",
    122_000,
    {
        "umsab-train": 0.24,
        "semeval": 0.24,
        "afrisenti-train": 0.22,
        "lingua": 0.10,
        "fragment": 0.09,
        "sib200": 0.04,
        "crisis": 0.02,
        "x_topic": 0.02,
        "undetermined": 0.02,
        "emosent": 0.01,
    },
    topics=False,
)
"""Every task but topics: what the folds start from."""

POSTS = Phase(
    "posts",
    70_000,
    {
        "umsab-train": 0.42,
        "afrisenti-train": 0.16,
        "semeval": 0.14,
        "x_topic": 0.115,
        "lingua": 0.06,
        "fragment": 0.05,
        "sib200": 0.02,
        "crisis": 0.01,
        "undetermined": 0.01,
        "emosent": 0.005,
    },
)
"""Mostly posts, and topics."""

LAST = Phase(
    "last",
    50_000,
    {
        "umsab-train": 0.64,
        "x_topic": 0.11,
        "afrisenti-train": 0.08,
        "semeval": 0.05,
        "lingua": 0.05,
        "fragment": 0.04,
        "sib200": 0.01,
        "crisis": 0.01,
        "undetermined": 0.007,
        "emosent": 0.003,
    },
)
"""Above all the balanced posts of many languages."""

FIT = (GENERAL, POSTS, LAST)

FOLD = Phase("fold", 10_000, {"x_topic": 0.75, "umsab-train": 0.2, "undetermined": 0.05})
"""About as many passes over X-Topic as the other phases make, for the five-fold check."""
