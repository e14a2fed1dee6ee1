"""Shows what the topics of a campaign would catch among given posts."""

from streams.catch.catch import CampaignTrial, ScoredPost, TopicCatch, TopicOverlap, TriedPost, try_topics
from streams.catch.posts import FoundPosts, read_files, read_lake

__all__ = [
    "CampaignTrial",
    "FoundPosts",
    "ScoredPost",
    "TopicCatch",
    "TopicOverlap",
    "TriedPost",
    "read_files",
    "read_lake",
    "try_topics",
]
