"""Settings: every fault is reported by the name of its variable, all at once, and no text contains a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from streams.errors import SettingsError
from streams.settings import SECRETS_DIR_VARIABLE, Settings, for_run, load_settings, variables
from tests.helpers.wrong_settings import CHECKED_LATER, INCONSISTENT, WRONG


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_names_its_variable(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (fault,) = caught.value.faults
    assert fault.startswith(name)


def test_all_faults_are_reported_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {name: values[0] for name, values in WRONG.items() if name not in CHECKED_LATER}
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TAGPULSE_KAFAK__PASSWORD", "hush")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert {fault.partition(":")[0] for fault in caught.value.faults} == {*wrong, "TAGPULSE_KAFAK__PASSWORD"}
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TAGPULSE_KAFKA__PASWORD", "TAGPULSE_KAFKA__PASSWORD"),
        ("TAGPULSE_METRIC__PORT", "TAGPULSE_METRICS__PORT"),
        ("TAGPULSE_CAMPAIN", "TAGPULSE_CAMPAIGN"),
    ],
)
def test_an_unknown_variable_is_reported_with_a_suggestion(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.faults == (f"{name}: no such setting, did you mean {meant}?",)


@pytest.mark.parametrize(
    ("given", "named"), INCONSISTENT, ids=lambda value: value[0] if isinstance(value, list) else ""
)
def test_inconsistent_settings_are_named(
    given: dict[str, str], named: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (fault,) = caught.value.faults
    assert all(name in fault for name in named)


_PAIRED = {name for given, _ in INCONSISTENT for name in given}
# none of these is a valid number, choice, address or name
_HOSTILE = ("-1", "0", "inf", "perhaps", "two words", "a/b:c {")


@pytest.mark.parametrize("name", sorted(variables().keys() - WRONG.keys() - _PAIRED))
def test_no_setting_is_missing_from_the_list_of_wrong_values(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in _HOSTILE:
        monkeypatch.setenv(name, value)
        load_settings()


def test_the_environment_changes_single_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGPULSE_KAFKA__BOOTSTRAP_SERVERS", "a:1,[::1]:2")
    monkeypatch.setenv("TAGPULSE_TOPICS__RETENTION_HOURS", "-1")
    monkeypatch.setenv("TAGPULSE_LAKE__PATH", "~/lake")
    monkeypatch.setenv("TAGPULSE_LOG__LEVEL", "")
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "a:1,[::1]:2"
    assert settings.kafka.compression == Settings().kafka.compression
    assert settings.lake.path == Path.home() / "lake"
    assert settings.log.level == "INFO"


def test_an_override_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGPULSE_METRICS__PORT", "1234")
    monkeypatch.setenv("TAGPULSE_METRICS__HOST", "0.0.0.0")
    settings = load_settings(metrics={"port": 4321})
    assert (settings.metrics.host, settings.metrics.port) == ("0.0.0.0", 4321)


def test_secrets_come_from_files_unless_the_environment_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the layout of a mounted Kubernetes secret: links into a hidden folder that is swapped as a whole
    (tmp_path / "..2024_06_03").mkdir()
    (tmp_path / "..data").symlink_to("..2024_06_03")
    for name, value in (("USERNAME", "from-file"), ("PASSWORD", "s3cret\n")):
        (tmp_path / "..2024_06_03" / f"TAGPULSE_KAFKA__{name}").write_text(value)
        (tmp_path / f"TAGPULSE_KAFKA__{name}").symlink_to(f"..data/TAGPULSE_KAFKA__{name}")
    monkeypatch.setenv(SECRETS_DIR_VARIABLE, str(tmp_path))
    monkeypatch.setenv("TAGPULSE_KAFKA__USERNAME", "from-environment")

    settings = load_settings()

    assert settings.kafka.password is not None
    assert settings.kafka.password.get_secret_value() == "s3cret"
    assert settings.kafka.username == "from-environment"
    origins = {name: variable.origin for name, variable in variables().items() if variable.origin != "default"}
    assert origins == {"TAGPULSE_KAFKA__USERNAME": "environment", "TAGPULSE_KAFKA__PASSWORD": "secret file"}


def test_an_unknown_secret_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "TAGPULSE_KAFKA__PASSWRD").write_text("s3cret")
    monkeypatch.setenv(SECRETS_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.faults == ("TAGPULSE_KAFKA__PASSWRD: no such setting, did you mean TAGPULSE_KAFKA__PASSWORD?",)


def test_a_missing_secrets_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_DIR_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=rf"{SECRETS_DIR_VARIABLE}: .*nowhere"):
        load_settings()


def test_no_text_contains_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGPULSE_KAFKA__PASSWORD", "s3cret")
    monkeypatch.setenv("TAGPULSE_KAFKA__SSL_KEY_PASSWORD", "s3cret")
    settings = load_settings()
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()
    monkeypatch.setenv("TAGPULSE_KAFKA__HEARTBEAT_SECONDS", "never")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("BLUESKY__URL", "wss"),
        ("BLUESKY__URLS", "wss"),
        ("MASTODON__INSTANCES", "https"),
        ("X__URL", "https"),
        ("ALERTS__ALERTMANAGER_URL", "http"),
        ("ALERTS__DASHBOARD_URL", "https"),
    ],
)
def test_an_address_with_a_password_is_refused_without_repeating_it(
    name: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"TAGPULSE_{name}", f"{scheme}://user:canary@example.org")
    with pytest.raises(SettingsError, match=f"TAGPULSE_{name}") as raised:
        load_settings()
    assert "canary" not in str(raised.value)


def test_the_tree_is_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.compression = "zstd"  # type: ignore[misc]


def test_every_setting_can_be_set_by_its_variable_and_says_what_it_is_for() -> None:
    for name, variable in variables().items():
        assert name == "TAGPULSE_" + "__".join(variable.location).upper()
        assert variable.value(load_settings()) == variable.field.get_default(call_default_factory=True)
        assert variable.field.description


def test_a_replay_has_topics_and_groups_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    live = load_settings()
    monkeypatch.setenv("TAGPULSE_RUN", "day-2")
    replay = load_settings()
    assert (replay.run, replay.topics.raw, replay.topics.dead) == ("day-2", "posts.raw.day-2", "posts.dead.day-2")
    assert (replay.topics.minutes, replay.topics.alerts) == ("pulse.minutes.day-2", "alerts.spikes.day-2")
    assert replay.kafka.group_prefix == "tagpulse.day-2"
    assert for_run(live, "day-2") == replay
    assert for_run(live, "live") == live
