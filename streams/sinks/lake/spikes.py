"""Spikes in the lake, one file per message.

A file is named after a hash of its message, so a message that arrives again changes nothing. The view `spikes` shows
the latest message about each spike. Spikes are too few to need compaction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from streams.contracts import Spike
from streams.sinks.base import Erasure, PostKey
from streams.sinks.explanations import EXCERPTS, without_posts
from streams.sinks.lake.columns import SPIKE_SCHEMA
from streams.sinks.lake.files import files_of, read_table, write_table
from streams.sinks.lake.folders import SPIKES, folder_of_spike
from streams.sinks.lake.notes import read_erasures
from streams.sinks.lake.storage import Storage

_DIGEST_BYTES = 16


def keep_spikes(storage: Storage, run: str, spikes: Sequence[Spike]) -> int:
    """Write the messages that are not stored yet, without forgotten posts, and return how many there were."""
    named = {_file_name(run, spike): spike for spike in spikes}
    existing = {name for folder in {name.rpartition("/")[0] for name in named} for name in storage.files(folder)}
    fresh = {name: spike for name, spike in named.items() if name not in existing}
    gone = frozenset[PostKey]().union(*read_erasures(storage)) if fresh else frozenset[PostKey]()
    for name, spike in fresh.items():
        explanation = msgspec.to_builtins(spike.explanation, builtin_types=(datetime,))
        fields = {field: getattr(spike, field, None) for field in SPIKE_SCHEMA.names} | {"updated_at": spike.at}
        _write(storage, name, fields, without_posts(explanation, gone) or explanation)
    return len(fresh)


def forget_in_spikes(storage: Storage, wanted: Erasure, posts: Sequence[PostKey]) -> None:
    """Remove posts and authors from every explanation."""
    gone = wanted.posts | set(posts)
    for name in (file.name for file in files_of(storage, SPIKES)):
        (fields,) = read_table(storage, name).to_pylist()
        explanation = json.loads(fields["explanation"]) | {part: fields[part] for part in ("summary", *EXCERPTS)}
        remaining = without_posts(explanation, gone, wanted.authors)
        if remaining is not None:
            _write(storage, name, fields, remaining)


def _file_name(run: str, spike: Spike) -> str:
    message = f"{spike.id}\n{spike.at.isoformat()}\n{spike.state}"
    digest = hashlib.blake2b(message.encode(errors="replace"), digest_size=_DIGEST_BYTES).hexdigest()
    return f"{folder_of_spike(spike, run)}/spike-{digest}.parquet"


def _write(storage: Storage, name: str, fields: Mapping[str, Any], explanation: Mapping[str, Any]) -> None:
    shown = {part: explanation.get(part) for part in ("summary", *EXCERPTS)}
    rest = {part: value for part, value in explanation.items() if part not in shown}
    row = {**fields, **shown, "explanation": json.dumps(rest, ensure_ascii=False)}
    write_table(storage, name, pa.Table.from_pylist([row], schema=SPIKE_SCHEMA))
