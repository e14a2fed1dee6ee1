"""The states of replays survive, and a run is replayed by one process at a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import BadInput, SettingsError
from streams.replay.manifest import Manifest, RunCounts
from streams.replay.reader import Bounds
from streams.replay.state import ReplaySpec, State, StateFolder, selection_of

_TEXTS = st.lists(st.text(), max_size=3).map(tuple)
_SPECS = st.builds(
    ReplaySpec,
    origin=st.text(),
    since=st.none() | st.text(),
    until=st.none() | st.text(),
    hashtags=_TEXTS,
    sources=_TEXTS,
    offsets=_TEXTS,
    sinks=_TEXTS,
    unwatched=st.booleans(),
)
MANIFEST = Manifest(
    run="again",
    read=2,
    enriched=1,
    dead=1,
    deletions=0,
    partitions={"posts.raw[0]": RunCounts(read=2, enriched=1, dead=1)},
    hashtags={"": RunCounts(read=2, enriched=1, dead=1)},
    model_version="1",
    models=["constant 1"],
    checksum="0" * 64,
    reconciled=True,
    sinks={"parquet": 1},
)


def state(origin: str = "raw", manifest: Manifest | None = None) -> State:
    bounds = [Bounds("posts.raw", 0, 3, 9), Bounds("file:day.jsonl", 0, 0, None)]
    return State(order=ReplaySpec(origin=origin), bounds=bounds, started_at="2026-06-20T09:30:00", manifest=manifest)


@pytest.fixture
def states(tmp_path: Path) -> StateFolder:
    """A folder that was used before."""
    folder = StateFolder(tmp_path)
    with folder.only_one("again"):
        pass
    return folder


def test_a_run_that_was_never_started_has_no_state(tmp_path: Path) -> None:
    states = StateFolder(tmp_path / "nowhere")
    assert (states.load("again"), states.names()) == (None, [])
    states.drop("again")


def test_a_state_is_kept_until_it_is_dropped(states: StateFolder, tmp_path: Path) -> None:
    states.save("second", state())
    states.save("first", state("lake", MANIFEST))
    later = StateFolder(tmp_path)
    assert later.names() == ["first", "second"]
    assert later.load("second") == state()
    assert later.load("first") == state("lake", MANIFEST)
    later.save("second", state(manifest=MANIFEST))
    assert states.load("second") == state(manifest=MANIFEST)
    states.drop("second")
    assert (states.load("second"), states.names()) == (None, ["first"])


@given(_SPECS)
def test_every_order_is_read_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, order: ReplaySpec) -> None:
    states = StateFolder(tmp_path_factory.getbasetemp() / "orders")
    with states.only_one("again"):
        states.save("again", State(order=order, bounds=[], started_at=""))
    loaded = states.load("again")
    assert loaded is not None
    assert loaded.order == order


@given(_SPECS)
def test_a_selection_names_what_is_set(order: ReplaySpec) -> None:
    chosen = selection_of(order)
    assert "origin" not in chosen
    assert all(chosen.values())
    unset = ReplaySpec(origin=order.origin)
    changed = {name for name in ReplaySpec.__struct_fields__ if getattr(order, name) != getattr(unset, name)}
    assert set(chosen) - {"since", "until"} == changed - {"since", "until"}


def test_an_empty_order_selects_nothing_in_particular() -> None:
    assert selection_of(ReplaySpec(origin="raw")) == {}
    order = ReplaySpec(origin="raw", since="2026", hashtags=("a", "b"), unwatched=True)
    assert selection_of(order) == {"since": "2026", "hashtags": ("a", "b"), "unwatched": True}


@pytest.mark.parametrize("content", [b"", b"{", b'{"order": 1}'])
def test_a_broken_state_is_reported_with_its_path(states: StateFolder, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runs" / "again.json").write_bytes(content)
    with pytest.raises(SettingsError, match=r"runs/again\.json: not a valid replay state: .* drop the run"):
        states.load("again")


def test_a_run_is_replayed_by_one_process_at_a_time(states: StateFolder, tmp_path: Path) -> None:
    with states.only_one("again"):
        error = pytest.raises(BadInput, match="the run again is being replayed by another process")
        with error, StateFolder(tmp_path).only_one("again"):
            pytest.fail("two at once")
        with StateFolder(tmp_path).only_one("other"):
            pass
    with pytest.raises(ZeroDivisionError), states.only_one("again"):
        raise ZeroDivisionError
    with states.only_one("again"):
        pass


def test_a_folder_that_cannot_be_written_is_an_error_of_its_setting(states: StateFolder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    blocked = StateFolder(tmp_path / "file")
    error = pytest.raises(SettingsError, match=r"TAGPULSE_PRODUCE__STATE_PATH: .*/file/runs cannot be written")
    with error, blocked.only_one("again"):
        pytest.fail("there is no folder")
    with pytest.raises(SettingsError, match=r"TAGPULSE_PRODUCE__STATE_PATH: .*/again\.json cannot be written"):
        blocked.save("again", state())


def test_logs_and_states_do_not_collide(states: StateFolder) -> None:
    states.save("again", state())
    logs = states.logs("again")
    logs.mkdir()
    (logs / "enrich.log").touch()
    assert states.names() == ["again"]
    assert logs != states.logs("other")
