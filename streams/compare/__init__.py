"""Two runs of the same posts against each other: which labels flipped, how far they agree, what moved the numbers."""

from streams.compare.assembly import compare
from streams.compare.comparison import ComparedPosts, Comparison

__all__ = ["ComparedPosts", "Comparison", "compare"]
