"""Compares two runs of the same posts: which labels flipped, how far the runs agree, and what moved the numbers."""

from streams.compare.assembly import compare
from streams.compare.comparison import ComparedPosts, Comparison

__all__ = ["ComparedPosts", "Comparison", "compare"]
