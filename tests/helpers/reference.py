"""What a sink must contain, computed in the simplest way: with a dictionary in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from streams.contracts import Deletion, EnrichedMessage, EnrichedPost

Key = tuple[str, str]


def fold(messages: Iterable[EnrichedMessage]) -> dict[Key, EnrichedPost]:
    """Return the version of each post to keep: the newest edit, then the newest enrichment, then the last to arrive.

    A deletion removes every version except those that were edited after it. Deletions and edits may come in any order.
    """
    versions: defaultdict[Key, list[EnrichedPost]] = defaultdict(list)
    deletions: defaultdict[Key, list[Deletion]] = defaultdict(list)
    for message in messages:
        if isinstance(message, Deletion):
            deletions[message.source, message.id].append(message)
        else:
            versions[message.post.source, message.post.id].insert(0, message)
    kept = {
        key: [one for one in posts if not any(_removes(deletion, one) for deletion in deletions[key])]
        for key, posts in versions.items()
    }
    return {
        key: max(
            posts,
            key=lambda one: (
                one.post.edited_at is not None,
                one.post.edited_at or one.post.created_at,
                one.enriched_at,
            ),
        )
        for key, posts in kept.items()
        if posts
    }


def _removes(deletion: Deletion, enriched: EnrichedPost) -> bool:
    edited_at = enriched.post.edited_at
    return edited_at is None or edited_at <= deletion.deleted_at
