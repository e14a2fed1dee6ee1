"""The networks that can be listened to."""

from streams.plugins import Registry
from streams.sources.network import Network

NETWORKS: Registry[Network] = Registry(
    "network",
    "tagpulse.sources",
    Network,  # type: ignore[type-abstract]
    {
        "bluesky": "streams.sources.bluesky.network:Bluesky",
        "mastodon": "streams.sources.mastodon.network:Mastodon",
        "x": "streams.sources.x.network:X",
    },
)
