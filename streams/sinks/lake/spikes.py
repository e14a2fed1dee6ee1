"""Spikes in the lake: a file for each message about one, named after it, so that a message that comes again changes nothing.

The view `spikes` shows the last message about each. There are few of them: they need no compaction.
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
from streams.sinks.explanations import EXCERPTS, without
from streams.sinks.lake.columns import SPIKE_SCHEMA
from streams.sinks.lake.files import files_of, read_table, write_table
from streams.sinks.lake.folders import SPIKES, folder_of_spike
from streams.sinks.lake.notes import read_notes
from streams.sinks.lake.storage import Storage

_MARK_BYTES = 16


def keep_spikes(storage: Storage, run: str, spikes: Sequence[Spike]) -> int:
    """Writes those that are not there yet, without posts that were forgotten; answers how many."""
    named = {_file_name(run, spike): spike for spike in spikes}
    there = {name for folder in {name.rpartition("/")[0] for name in named} for name in storage.files(folder)}
    fresh = {name: spike for name, spike in named.items() if name not in there}
    gone = frozenset[PostKey]().union(*read_notes(storage)) if fresh else frozenset[PostKey]()
    for name, spike in fresh.items():
        explanation = msgspec.to_builtins(spike.explanation, builtin_types=(datetime,))
        fields = {field: getattr(spike, field, None) for field in SPIKE_SCHEMA.names} | {"told_at": spike.at}
        _write(storage, name, fields, without(explanation, gone) or explanation)
    return len(fresh)


def forget_in_spikes(storage: Storage, wanted: Erasure, posts: Sequence[PostKey]) -> None:
    """Takes posts and authors out of every explanation."""
    gone = wanted.posts | set(posts)
    for name in (file.name for file in files_of(storage, SPIKES)):
        (fields,) = read_table(storage, name).to_pylist()
        explanation = json.loads(fields["explanation"]) | {part: fields[part] for part in ("summary", *EXCERPTS)}
        rest = without(explanation, gone, wanted.authors)
        if rest is not None:
            _write(storage, name, fields, rest)


def _file_name(run: str, spike: Spike) -> str:
    message = f"{spike.id}\n{spike.at.isoformat()}\n{spike.state}"
    mark = hashlib.blake2b(message.encode(errors="replace"), digest_size=_MARK_BYTES).hexdigest()
    return f"{folder_of_spike(spike, run)}/spike-{mark}.parquet"


def _write(storage: Storage, name: str, fields: Mapping[str, Any], explanation: Mapping[str, Any]) -> None:
    shown = {part: explanation.get(part) for part in ("summary", *EXCERPTS)}
    rest = {part: value for part, value in explanation.items() if part not in shown}
    row = {**fields, **shown, "explanation": json.dumps(rest, ensure_ascii=False)}
    write_table(storage, name, pa.Table.from_pylist([row], schema=SPIKE_SCHEMA))
