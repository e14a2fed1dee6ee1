"""Tests of docker-compose.yml: it is valid and hardened, and its commands, settings and files exist."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.settings import SECRETS_DIR_VARIABLE, load_settings, variables
from tests.helpers.brokers import ROOT
from tests.helpers.command_tree import fault
from tests.helpers.compose import ENV_EXAMPLE, OURS, compose, secret_files

FILE = ROOT / "docker-compose.yml"
PROJECT = compose()
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
TAGPULSE = {name: service for name, service in SERVICES.items() if service["image"].startswith(OURS)}
ONE_SHOTS = {"topics", "tools"}

every_service = pytest.mark.parametrize("name", SERVICES)
every_tagpulse = pytest.mark.parametrize("name", TAGPULSE)


@pytest.mark.parametrize("profiles", [["core"], ["core", "monitoring"], ["core", "postgres"], ["core", "tools"]])
def test_each_profile_works_alone(profiles: list[str]) -> None:
    assert compose(profiles=profiles)["services"].keys() <= SERVICES.keys()


def test_the_profiles_have_the_right_services() -> None:
    assert compose(profiles=["core"])["services"].keys() == {"kafka", "topics", "produce", "enrich", "watch", "store"}
    assert compose(profiles=["monitoring"])["services"].keys() == {"prometheus", "alertmanager", "grafana"}
    postgres = compose(profiles=["core", "postgres"])["services"].keys() - compose(profiles=["core"])["services"].keys()
    assert postgres == {"postgres", "store-postgres"}


def test_with_a_gpu_only_the_model_differs() -> None:
    services = compose("deploy/docker/cuda.yml")["services"]
    assert {name for name in services if services[name] != SERVICES[name]} == {"enrich"}
    assert services["enrich"]["environment"]["TAGPULSE_MODEL__BACKEND"] == "torch"


@every_service
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.keys() & {"privileged", "cap_add", "pid", "network_mode", "devices"}
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


@every_service
def test_a_service_has_limits_and_a_health_check(name: str) -> None:
    service = SERVICES[name]
    assert service["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory", "pids"}
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    if name in ONE_SHOTS:
        assert service["healthcheck"]["disable"]
    else:
        assert service["restart"] == "unless-stopped"
        assert name in TAGPULSE or service["healthcheck"]["test"], "tagpulse's own check is in the Dockerfile"


@every_service
def test_images_are_pinned(name: str) -> None:
    assert re.search(r":v?\d+\.\d+(\.\d+)?$", SERVICES[name]["image"])


@every_service
def test_ports_are_open_only_on_this_machine(name: str) -> None:
    assert all(port["host_ip"] == "127.0.0.1" for port in SERVICES[name].get("ports", ()))


@every_service
def test_secrets_are_files(name: str) -> None:
    environment = SERVICES[name].get("environment") or {}
    secret = {key for key in environment if re.search("PASSWORD|SECRET|TOKEN|DSN|KEY$", key)}
    assert all(re.search("_FILE$|_DIR$", key) for key in secret)
    assert all(environment[key].startswith("/run/secrets") for key in secret)


@every_service
def test_mounted_files_exist(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        if volume["type"] == "bind":
            assert Path(volume["source"]).exists(), volume
            assert volume["read_only"] is True
        else:
            assert volume["source"] in PROJECT["volumes"]


def test_only_services_that_need_it_reach_the_internet() -> None:
    assert PROJECT["networks"]["pipeline"]["internal"] is True
    outside = {name for name, service in SERVICES.items() if "outside" in service["networks"]}
    assert outside == {"produce", "watch", "tools", "prometheus", "alertmanager", "grafana"}


@every_tagpulse
def test_a_command_exists(name: str) -> None:
    assert fault(SERVICES[name]["command"]) is None


@every_tagpulse
def test_a_service_can_read_its_settings(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    service = SERVICES[name]
    environment = {key: value for key, value in service["environment"].items() if key.startswith("TAGPULSE_")}
    assert environment.keys() <= variables().keys() | {SECRETS_DIR_VARIABLE}
    secret_files(tmp_path / "made")
    (tmp_path / "mounted").mkdir()
    for secret in service.get("secrets", ()):
        (tmp_path / "mounted" / secret["source"]).write_bytes((tmp_path / "made" / secret["source"]).read_bytes())
    for key, value in environment.items():
        monkeypatch.setenv(key, value.replace("/run/secrets", str(tmp_path / "mounted")))

    settings = load_settings()

    assert settings.run == "live"
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert (settings.privacy.author_key is not None) == (name in ("produce", "tools"))
    assert (settings.postgres.dsn is not None) == (name in ("store-postgres", "tools"))


def test_the_script_creates_the_secret_files_that_are_mounted(tmp_path: Path) -> None:
    secrets = PROJECT["secrets"]
    assert len(secret_files(tmp_path / "s")) == len(secrets)
    made = {path.name: path.read_text() for path in (tmp_path / "s").iterdir()}
    assert made.keys() == secrets.keys()
    assert all(Path(secret["file"]).name == name for name, secret in secrets.items())
    assert len(set(made.values())) == len(made)
    assert made["postgres_writer_password"] in made["TAGPULSE_POSTGRES__DSN"]
    assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o700
    assert secret_files(tmp_path / "s") == [], "existing files are kept"
    assert {path.name: path.read_text() for path in (tmp_path / "s").iterdir()} == made


def test_the_example_has_every_variable_and_no_other() -> None:
    files = FILE.read_text() + (ROOT / "deploy" / "docker" / "cuda.yml").read_text()
    used = set(re.findall(r"\$\{(\w+)", files))
    named = set(re.findall(r"^(\w+)=", ENV_EXAMPLE.read_text(), re.MULTILINE))
    assert named == used | {"COMPOSE_PROFILES"}


def test_alerts_link_to_a_dashboard_that_exists() -> None:
    url = SERVICES["watch"]["environment"]["TAGPULSE_ALERTS__DASHBOARD_URL"]
    path = next(
        volume["source"] for volume in SERVICES["grafana"]["volumes"] if volume["target"] == "/etc/grafana/dashboards"
    )
    uids = {json.loads(file.read_text(encoding="utf-8"))["uid"] for file in Path(path).glob("*.json")}
    assert url.rpartition("/d/")[2] in uids


def test_prometheus_scrapes_every_process() -> None:
    folder = ROOT / "deploy" / "docker" / "targets"
    targets = {
        path.stem: [target for group in yaml.safe_load(path.read_text()) for target in group["targets"]]
        for path in folder.glob("*.yml")
    }
    assert set(targets["tagpulse"]) == {f"{name}:9808" for name in TAGPULSE.keys() - ONE_SHOTS}
    others = [*targets["alertmanager"], *targets["monitoring"]]
    published = {f"{name}:{port['target']}" for name in SERVICES for port in SERVICES[name].get("ports", ())}
    assert set(others) == published
