"""Settings: every fault by the name of its variable, all at once, and no secret in any text."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from streams.errors import SettingsError
from streams.settings import SECRETS_DIR_VARIABLE, Settings, for_run, load_settings, variables

WRONG = {
    "TAGPULSE_KAFKA__BOOTSTRAP_SERVERS": [
        "localhost",
        "localhost:0",
        "localhost:99999",
        ":9092",
        "a:9092,b",
        "a:9092,",
    ],
    "TAGPULSE_KAFKA__SECURITY_PROTOCOL": ["TLS", "ssl"],
    "TAGPULSE_KAFKA__SASL_MECHANISM": ["GSSAPI"],
    "TAGPULSE_KAFKA__SSL_CA_FILE": ["/nowhere/ca.pem", "/"],
    "TAGPULSE_KAFKA__SSL_CERT_FILE": ["/nowhere/cert.pem"],
    "TAGPULSE_KAFKA__SSL_KEY_FILE": ["/nowhere/key.pem"],
    "TAGPULSE_KAFKA__SSL_CHECK_HOSTNAME": ["perhaps"],
    "TAGPULSE_KAFKA__COMPRESSION": ["rar"],
    "TAGPULSE_KAFKA__SESSION_TIMEOUT_SECONDS": ["0", "-1", "soon", "inf", "nan"],
    "TAGPULSE_KAFKA__HEARTBEAT_SECONDS": ["0"],
    "TAGPULSE_KAFKA__REBALANCE_TIMEOUT_SECONDS": ["0"],
    "TAGPULSE_KAFKA__REQUEST_TIMEOUT_SECONDS": ["0"],
    "TAGPULSE_TOPICS__RAW": ["posts raw", "x" * 250],
    "TAGPULSE_TOPICS__ENRICHED": ["posts/enriched"],
    "TAGPULSE_TOPICS__DEAD": ["tote Post"],
    "TAGPULSE_TOPICS__PARTITIONS": ["0", "many", "1.5"],
    "TAGPULSE_TOPICS__REPLICATION": ["0"],
    "TAGPULSE_TOPICS__RETENTION_HOURS": ["0", "-2", "inf", "nan"],
    "TAGPULSE_TOPICS__RETENTION_BYTES": ["0", "-5"],
    "TAGPULSE_TOPICS__DEAD_RETENTION_BYTES": ["0"],
    "TAGPULSE_TOPICS__MAX_MESSAGE_BYTES": ["0"],
    "TAGPULSE_TOPICS__MIN_INSYNC_REPLICAS": ["0"],
    "TAGPULSE_PRODUCE__MAX_IN_FLIGHT": ["0"],
    "TAGPULSE_PRODUCE__LINGER_MS": ["-1"],
    "TAGPULSE_PRODUCE__CURSOR_SECONDS": ["0"],
    "TAGPULSE_BLUESKY__URL": ["https://example.org"],
    "TAGPULSE_BLUESKY__REWIND_SECONDS": ["0"],
    "TAGPULSE_BLUESKY__SILENCE_SECONDS": ["0"],
    "TAGPULSE_BLUESKY__MAX_BACKOFF_SECONDS": ["inf"],
    "TAGPULSE_ENRICH__BATCH_SIZE": ["0"],
    "TAGPULSE_ENRICH__WITHIN_SECONDS": ["0", "2.1"],
    "TAGPULSE_ENRICH__BATCHES_IN_FLIGHT": ["0"],
    "TAGPULSE_ENRICH__MAX_POST_BYTES": ["0"],
    "TAGPULSE_ENRICH__DEAD_WINDOW": ["0"],
    "TAGPULSE_ENRICH__DEAD_SHARE": ["0", "1.1"],
    "TAGPULSE_ENRICH__STALL_SECONDS": ["0"],
    "TAGPULSE_MODEL__BACKEND": ["tensorflow"],
    "TAGPULSE_MODEL__PRECISION": ["bf16"],
    "TAGPULSE_MODEL__HUB_TOPIC_THRESHOLD": ["0", "1.1"],
    "TAGPULSE_MODEL__THREADS": ["-1"],
    "TAGPULSE_MODEL__CACHE_SIZE": ["-1"],
    "TAGPULSE_LAKE__FLUSH_ROWS": ["0"],
    "TAGPULSE_LAKE__FLUSH_SECONDS": ["0"],
    "TAGPULSE_LAKE__BATCH_SIZE": ["0"],
    "TAGPULSE_ALERTS__ALERTMANAGER_URL": ["localhost:9093", "http://a, http://", "http://a:x"],
    "TAGPULSE_ALERTS__WEBHOOK_URL": ["hooks.example", "ftp://hooks.example", "https://", "http://a b", "http://[::1"],
    "TAGPULSE_ALERTS__WEBHOOK_FORMAT": ["pigeon"],
    "TAGPULSE_ALERTS__WEBHOOK_SECRET": ["short"],
    "TAGPULSE_ALERTS__WEBHOOKS": [
        "shift",
        "{}",
        '[{"name": "shift"}]',
        '[{"name": "The shift", "url": "https://a"}]',
        '[{"name": "shift", "url": "a"}]',
        '[{"name": "shift", "url": "https://a", "colour": "red"}]',
    ],
    "TAGPULSE_ALERTS__DASHBOARD_URL": ["/d/mood"],
    "TAGPULSE_ALERTS__RUNBOOKS_URL": ["docs/runbooks"],
    "TAGPULSE_ALERTS__RESEND_SECONDS": ["0"],
    "TAGPULSE_ALERTS__TIMEOUT_SECONDS": ["0"],
    "TAGPULSE_ALERTS__MAX_BACKOFF_SECONDS": ["0"],
    "TAGPULSE_ALERTS__REPLAYS": ["perhaps"],
    "TAGPULSE_METRICS__PORT": ["-1", "65536", "http"],
    "TAGPULSE_METRICS__MAX_HASHTAGS": ["0"],
    "TAGPULSE_LOG__LEVEL": ["LOUD"],
    "TAGPULSE_LOG__FORMAT": ["xml"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_names_its_variable(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    (fault,) = caught.value.faults
    assert fault.startswith(f"{name}: ")


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, values in WRONG.items():
        monkeypatch.setenv(name, values[0])
    monkeypatch.setenv("TAGPULSE_KAFAK__PASSWORD", "hush")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert {fault.partition(":")[0] for fault in caught.value.faults} == {*WRONG, "TAGPULSE_KAFAK__PASSWORD"}
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TAGPULSE_KAFKA__PASWORD", "TAGPULSE_KAFKA__PASSWORD"),
        ("TAGPULSE_METRIC__PORT", "TAGPULSE_METRICS__PORT"),
        ("TAGPULSE_CAMPAIN", "TAGPULSE_CAMPAIGN"),
    ],
)
def test_an_unknown_variable_is_told_with_the_one_that_was_meant(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.faults == (f"{name}: no such setting, did you mean {meant}?",)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"kafka": {"security_protocol": "SASL_SSL", "username": "me"}}, ["KAFKA__USERNAME", "KAFKA__PASSWORD"]),
        ({"kafka": {"ssl_cert_file": __file__}}, ["KAFKA__SSL_CERT_FILE", "KAFKA__SSL_KEY_FILE"]),
        ({"kafka": {"heartbeat_seconds": 5}}, ["KAFKA__HEARTBEAT_SECONDS", "KAFKA__SESSION_TIMEOUT_SECONDS"]),
        ({"topics": {"min_insync_replicas": 2}}, ["TOPICS__MIN_INSYNC_REPLICAS", "TOPICS__REPLICATION"]),
        ({"alerts": {"webhooks": [{"name": "a", "url": "http://a"}] * 2}}, ["ALERTS__WEBHOOKS"]),
        ({"alerts": {"webhooks": [{"name": "alertmanager", "url": "http://a"}]}}, ["ALERTS__WEBHOOKS"]),
        ({"topics": {"raw": "x", "dead": "x"}}, ["TOPICS__RAW", "TOPICS__ENRICHED", "TOPICS__DEAD"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_what_does_not_fit_together_is_named(given: dict[str, object], named: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    (fault,) = caught.value.faults
    assert all(f"TAGPULSE_{name}" in fault for name in named)


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
    # The layout in which Kubernetes mounts a secret: links to a hidden folder that is swapped as a whole.
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


def test_an_unknown_secret_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "TAGPULSE_KAFKA__PASSWRD").write_text("s3cret")
    monkeypatch.setenv(SECRETS_DIR_VARIABLE, str(tmp_path))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert caught.value.faults == ("TAGPULSE_KAFKA__PASSWRD: no such setting, did you mean TAGPULSE_KAFKA__PASSWORD?",)


def test_a_missing_secrets_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRETS_DIR_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match=rf"{SECRETS_DIR_VARIABLE}: .*nowhere"):
        load_settings()


def test_secrets_are_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGPULSE_KAFKA__PASSWORD", "s3cret")
    monkeypatch.setenv("TAGPULSE_KAFKA__SSL_KEY_PASSWORD", "s3cret")
    settings = load_settings()
    assert "s3cret" not in repr(settings) + str(settings) + settings.model_dump_json()
    monkeypatch.setenv("TAGPULSE_KAFKA__HEARTBEAT_SECONDS", "never")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert "s3cret" not in str(caught.value)


def test_the_tree_is_frozen() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.kafka.compression = "zstd"  # type: ignore[misc]


def test_every_setting_can_be_set_by_its_variable_and_says_what_it_is_for() -> None:
    for name, variable in variables().items():
        assert name == "TAGPULSE_" + "__".join(variable.location).upper()
        assert variable.value(load_settings()) == variable.field.get_default(call_default_factory=True)
        assert variable.field.description


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"BACKEND": "hub"}, "TAGPULSE_MODEL__HUB_SENTIMENT"),
        ({"HUB_TOPIC": "some/model"}, "TAGPULSE_MODEL__HUB_TOPIC needs TAGPULSE_MODEL__BACKEND=hub"),
        ({"BACKEND": "onnx", "HUB_LANGUAGE": "some/model"}, "TAGPULSE_MODEL__HUB_LANGUAGE needs"),
        ({"PRECISION": "f16"}, "TAGPULSE_MODEL__PRECISION=f16 needs"),
        ({"BACKEND": "torch", "PRECISION": "int8"}, "TAGPULSE_MODEL__PRECISION=int8 needs"),
    ],
)
def test_settings_of_the_model_that_do_not_fit_together(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"TAGPULSE_MODEL__{name}", value)
    with pytest.raises(SettingsError, match=named):
        load_settings()


def test_a_replay_has_topics_and_groups_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    live = load_settings()
    monkeypatch.setenv("TAGPULSE_RUN", "day-2")
    replay = load_settings()
    assert (replay.run, replay.topics.raw, replay.topics.dead) == ("day-2", "posts.raw.day-2", "posts.dead.day-2")
    assert (replay.topics.minutes, replay.topics.alerts) == ("pulse.minutes.day-2", "alerts.spikes.day-2")
    assert replay.kafka.group_prefix == "tagpulse.day-2"
    assert for_run(live, "day-2") == replay
    assert for_run(live, "live") == live


@pytest.mark.parametrize("name", ["Day", "../up", "a b", "x" * 41])
def test_a_name_that_no_topic_or_folder_can_have_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="TAGPULSE_RUN"):
        load_settings(run=name)
