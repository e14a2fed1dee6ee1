"""Tests of the Dockerfile: it passes the linter, and everything that it copies, names and starts exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from streams.health import Health
from streams.settings import MetricsSettings, variables
from tests.helpers.brokers import ROOT
from tests.helpers.compose import script

DOCKERFILE = ROOT / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MINORS = range(11, 15)  # Python 3.11 to 3.14


def test_hadolint_accepts_the_dockerfile() -> None:
    done = subprocess.run([script("hadolint"), DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_yamllint_accepts_the_yaml_files() -> None:
    done = subprocess.run(
        [script("yamllint"), "--strict", "--config-file", "deploy/yamllint.yml", "deploy", "docker-compose.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_copied_files_exist_and_are_not_ignored() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.MULTILINE) for word in line.split()[:-1]]
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / name).exists() for name in copied)


def test_its_settings_extras_and_python_exist() -> None:
    assert set(re.findall(r"TAGPULSE_\w+", TEXT)) <= variables().keys()
    extras = re.search(r"^ARG EXTRAS=(.+)$", TEXT, re.MULTILINE)
    assert extras
    assert set(extras[1].split(",")) | {"torch"} <= PROJECT["optional-dependencies"].keys()
    python = re.search(r"^ARG PYTHON_IMAGE=python:(\d+)\.(\d+)\.(\d+)-slim$", TEXT, re.MULTILINE)
    assert python, "slim, and an exact version"
    assert python[1] == "3"
    assert int(python[2]) in MINORS


def test_the_same_python_versions_are_named_everywhere() -> None:
    oldest, newest = MINORS[0], MINORS[-1]
    assert PROJECT["requires-python"] == f">=3.{oldest},<3.{newest + 1}"
    named = re.findall(r"^Programming Language :: Python :: 3\.(\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert [int(minor) for minor in named] == list(MINORS)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"(3, {oldest}) <= sys.version_info < (3, {newest + 1})" in makefile
    assert " ".join(f"python3.{minor}" for minor in reversed(MINORS)) in makefile
    for name in ("Makefile", "README.md", "CONTRIBUTING.md"):
        spans = set(re.findall(r"3\.(\d+) to 3\.(\d+)", (ROOT / name).read_text(encoding="utf-8")))
        assert spans == {(str(oldest), str(newest))}, name


def test_the_container_does_not_run_as_root() -> None:
    user = re.findall(r"^USER (.+)$", TEXT, re.MULTILINE)
    assert user == ["10001:10001"]
    assert TEXT.index("USER 10001") < TEXT.index("ENTRYPOINT")
    assert 'ENTRYPOINT ["tagpulse"]' in TEXT
    assert PROJECT["scripts"].keys() == {"tagpulse"}


def test_the_health_check_distinguishes_a_live_process_from_a_dead_one() -> None:
    check = re.search(r'CMD \["python", "-c", "(.+)"\]', TEXT)
    assert check
    health = Health(MetricsSettings(port=0), "test", lambda: "waiting for Kafka")
    health.start()
    command = [sys.executable, "-c", check[1].replace("http://127.0.0.1:9808", health.address)]
    assert subprocess.run(command, check=False).returncode == 0
    health.stop()
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0
    assert shlex.split(TEXT.split("EXPOSE ")[1])[0] == "9808"


def test_the_installed_package_has_every_file(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.onnx")
    for name in re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE):
        path = ROOT / name
        shutil.copytree(path, source / name, ignore=ignored) if path.is_dir() else shutil.copy(path, source / name)
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])",
            tmp_path,
        ],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    packaged = set(zipfile.ZipFile(wheel).namelist())
    ours = {
        str(path.relative_to(source))
        for package in ("streams", "models")
        for path in (source / package).rglob("*")
        if path.is_file()
    }
    assert ours - packaged == set()
