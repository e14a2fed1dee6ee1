"""The processes of a trial, with their command lines and environments; none of them is started."""

from __future__ import annotations

import sys
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pytest

from streams.errors import TagpulseError, Unavailable
from streams.processes.process import TAGPULSE
from streams.settings import PREFIX
from streams.up.part import Part
from streams.up.stage import TrialOptions, Up


@pytest.fixture
def trial(tmp_path: Path) -> Callable[..., Up]:
    """Return a function that prepares a trial without monitoring."""

    def make(**options: Any) -> Up:
        return Up(tmp_path / "trial", TrialOptions(**{"monitoring": False, **options}))

    return make


def commands(up: Up) -> dict[str, list[str]]:
    """Return the arguments of tagpulse by the name of the process."""
    for part in up.parts:
        assert tuple(part.command[: len(TAGPULSE)]) == TAGPULSE
    return {part.name: list(part.command[len(TAGPULSE) :]) for part in up.parts}


def test_a_trial_has_a_producer_and_a_worker_of_each_kind(trial: Callable[..., Up]) -> None:
    up = trial()
    assert commands(up) == {
        "produce": ["produce", "file", str(up.day), "--speed", "60"],
        "enrich": ["worker", "enrich"],
        "watch": ["worker", "watch"],
        "store-parquet": ["worker", "store", "--sink", "parquet"],
    }
    assert up.states == ["waiting"] * 4
    assert up.part("watch").name == "watch"


def test_the_options_determine_the_processes(trial: Callable[..., Up]) -> None:
    assert list(commands(trial(watch=False, postgres=True))) == ["produce", "enrich", "store-parquet", "store-postgres"]


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({"source": "bluesky", "tags": ("a", "b")}, ["produce", "bluesky", "--tag", "a", "--tag", "b"]),
        ({"source": "/day.jsonl", "speed": 0.5}, ["produce", "file", "/day.jsonl", "--speed", "0.5"]),
        ({"source": "/day.jsonl", "speed": inf}, ["produce", "file", "/day.jsonl", "--speed", "max"]),
    ],
)
def test_the_producer_reads_the_source(trial: Callable[..., Up], options: dict[str, Any], command: list[str]) -> None:
    assert commands(trial(**options))["produce"] == command


def test_a_relative_file_is_found_whatever_the_folder_of_the_process(
    trial: Callable[..., Up], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(tmp_path.resolve() / "day.jsonl") in commands(trial(source="day.jsonl"))["produce"]


def ended_producer(up: Up) -> Part:
    """Return the producer after a process in its place has ended with exit code 0."""
    part = up.part("produce")
    part.command = (sys.executable, "-c", "")
    part.start().wait(20)
    return part


def test_a_producer_that_reads_a_file_ends(trial: Callable[..., Up]) -> None:
    part = ended_producer(trial(restart=False))
    part.look()
    assert part.state == "done"


def test_a_producer_that_reads_a_network_must_not_end(trial: Callable[..., Up]) -> None:
    part = ended_producer(trial(source="bluesky", restart=False))
    with pytest.raises(TagpulseError, match="ended with exit code 0"):
        part.look()


def test_the_processes_share_the_broker_and_the_folders_of_the_trial(trial: Callable[..., Up], tmp_path: Path) -> None:
    up = trial()
    for part in up.parts:
        assert part.environment[f"{PREFIX}KAFKA__BOOTSTRAP_SERVERS"] == up.broker.bootstrap_servers
        assert part.environment[f"{PREFIX}LAKE__PATH"] == str(tmp_path / "trial" / "lake")
        assert part.environment[f"{PREFIX}PRODUCE__STATE_PATH"] == str(tmp_path / "trial" / "state")
        assert part.environment[f"{PREFIX}METRICS__PORT"] == str(part.port)
        assert Path(part.environment["TMPDIR"]).parent == up.folder
        assert Path(part.environment["TMPDIR"]).is_dir()
        assert f"{PREFIX}CAMPAIGN" not in part.environment
    assert len({part.port for part in up.parts}) == 4
    assert up.settings.kafka.bootstrap_servers == up.broker.bootstrap_servers


def test_settings_of_the_user_apply_but_not_those_of_other_runs(
    trial: Callable[..., Up], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"KAFKA__GROUP_PREFIX": "x", "TOPICS__RAW": "x", "RUN": "x", "POSTGRES__DSN": "x", "LOG__FORMAT": "x"}
    kept = {"MODEL__BACKEND": "constant", "ENRICH__BATCH_SIZE": "7"}
    for name, value in (own | kept).items():
        monkeypatch.setenv(PREFIX + name, value)
    monkeypatch.setenv("HOME_OF_SOMETHING_ELSE", "kept")
    environment = trial().part("enrich").environment
    assert {name: environment.get(PREFIX + name) for name in own} == dict.fromkeys(own)
    assert {name: environment[PREFIX + name] for name in kept} == kept
    assert environment["HOME_OF_SOMETHING_ELSE"] == "kept"


def test_without_the_users_settings_only_those_of_the_model_apply(
    trial: Callable[..., Up], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{PREFIX}MODEL__BACKEND", "constant")
    monkeypatch.setenv(f"{PREFIX}ENRICH__BATCH_SIZE", "7")
    environment = trial(own_settings=False).part("enrich").environment
    assert environment[f"{PREFIX}MODEL__BACKEND"] == "constant"
    assert f"{PREFIX}ENRICH__BATCH_SIZE" not in environment


def test_the_settings_of_the_trial_come_last(trial: Callable[..., Up], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ENRICH__BATCH_SIZE", "7")
    settings = {"ENRICH__BATCH_SIZE": "64", "KAFKA__SESSION_TIMEOUT_SECONDS": "3"}
    environment = trial(settings=settings, campaign=Path("/campaign.toml")).part("enrich").environment
    assert environment[f"{PREFIX}ENRICH__BATCH_SIZE"] == "64"
    assert environment[f"{PREFIX}KAFKA__SESSION_TIMEOUT_SECONDS"] == "3"
    assert environment[f"{PREFIX}CAMPAIGN"] == "/campaign.toml"


def test_the_addresses_lead_to_the_servers_and_the_processes(trial: Callable[..., Up]) -> None:
    up = trial()
    assert up.urls() == {
        "kafka": up.broker.bootstrap_servers,
        "lake": str(up.lake),
        **{part.name: f"http://127.0.0.1:{part.port}/metrics" for part in up.parts},
    }


def test_a_broker_that_dies_ends_the_trial(trial: Callable[..., Up]) -> None:
    with trial() as up:
        up.broker.start()
        up.look()
        up.broker.kill()
        with pytest.raises(Unavailable, match="exited unexpectedly with code 137"):
            up.look()


def test_a_trial_that_was_not_started_can_be_closed(trial: Callable[..., Up]) -> None:
    with trial() as up:
        pass
    assert up.states == ["waiting"] * 4
    assert not up.broker.running
