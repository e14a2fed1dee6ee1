"""Connections: every client can use a secured Kafka, and a failing one says why."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaTimeoutError

from streams.errors import Refused, SettingsError, Unavailable
from streams.kafka import connection
from streams.processes.broker import HOST, Broker, EmbeddedBroker, free_port
from streams.settings import ROLES, KafkaSettings, Settings, TopicsSettings
from tests.helpers.brokers import ROOT
from tests.helpers.certificates import Authority
from tests.helpers.processes import environment, run_tagpulse
from tests.helpers.records import produce, read_all
from tests.helpers.secured import FORBIDDEN, TOPIC, Secured, secured_broker

KINDS = {
    "SSL with our certificate": ("MUTUAL", {}),
    "SASL_SSL SCRAM-SHA-512": ("LOGIN", {"sasl_mechanism": "SCRAM-SHA-512"}),
    "SASL_SSL SCRAM-SHA-256": ("LOGIN", {"sasl_mechanism": "SCRAM-SHA-256"}),
    "SASL_SSL PLAIN": ("LOGIN", {"sasl_mechanism": "PLAIN"}),
    "SASL_PLAINTEXT SCRAM-SHA-512": ("OPENLOGIN", {"sasl_mechanism": "SCRAM-SHA-512"}),
}


@pytest.fixture(scope="module")
def secured(apache_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_broker(tmp_path_factory.mktemp("secured"), apache_home) as running:
        yield running


@pytest.mark.parametrize("kind", [KafkaAdminClient, KafkaConsumer, KafkaProducer])
def test_a_client_that_cannot_connect_leaves_no_thread(kind: type) -> None:
    kafka = KafkaSettings(bootstrap_servers=f"{HOST}:{free_port()}")
    before = set(threading.enumerate())
    with pytest.raises(KafkaTimeoutError):
        connection.open_client(kind, kafka, bootstrap_timeout_ms=200)
    assert set(threading.enumerate()) == before


async def test_a_broker_that_lists_no_brokers_is_unavailable(
    embedded_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Brokers answer like this just after a freeze: aiokafka would accept it as a cluster, and its coordination would die."""

    send = AIOKafkaConnection.send

    async def no_brokers() -> Any:
        return SimpleNamespace(brokers=[], topics=[])

    def answer(self: AIOKafkaConnection, request: Any) -> Any:
        return no_brokers() if isinstance(request, MetadataRequest) else send(self, request)

    monkeypatch.setattr(AIOKafkaConnection, "send", answer)
    with pytest.raises(Unavailable, match="lists no brokers yet"):
        await connection.probe(KafkaSettings(bootstrap_servers=embedded_broker.bootstrap_servers))


@pytest.mark.parametrize("kind", KINDS)
async def test_every_client_reaches_a_secured_kafka(secured: Secured, kind: str, tmp_path: Path) -> None:
    listener, changes = KINDS[kind]
    kafka = secured.settings(listener, **changes, group_prefix=f"test-{uuid.uuid4().hex[:8]}")
    value = f"through {kind}"

    await connection.probe(kafka, topics=[TOPIC])
    await asyncio.to_thread(produce, kafka, TOPIC, [(b"key", value.encode())])
    records = await asyncio.to_thread(read_all, kafka, TOPIC)

    consumer = AIOKafkaConsumer(TOPIC, **connection.aiokafka(kafka), auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            seen = [(await consumer.getone()).value for _ in records]
    finally:
        await consumer.stop()

    reader = [sys.executable, "-m", "tests.helpers.faust_reader", TOPIC, str(len(records)), str(tmp_path / "seen")]
    done = await asyncio.to_thread(
        subprocess.run,
        reader,
        env=environment(Settings(kafka=kafka)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert value.encode() in seen
    assert seen == [record.value for record in records]
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "seen").read_bytes().splitlines() == seen


def test_commands_reach_a_secured_kafka_with_settings_from_the_environment(secured: Secured, tmp_path: Path) -> None:
    topics = {name: f"{name}-{uuid.uuid4().hex[:8]}" for name in ROLES}
    for listener in ("MUTUAL", "LOGIN"):
        settings = Settings(kafka=secured.settings(listener), topics=TopicsSettings(**topics))
        created = run_tagpulse("topics", "create", settings=settings)
        assert created.returncode == 0, created.stderr
    assert created.stdout.count("exists already") == len(ROLES)
    wrong = run_tagpulse("topics", "create", settings=Settings(kafka=secured.settings("LOGIN", password="mistaken")))
    assert wrong.returncode == 77
    assert "the login as pulse failed" in wrong.stderr
    assert "mistaken" not in wrong.stderr


REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "wrong password": (
        "LOGIN",
        {"password": "wrong"},
        "the login as pulse failed: check TAGPULSE_KAFKA__USERNAME, TAGPULSE_KAFKA__PASSWORD",
    ),
    "wrong password, PLAIN": ("LOGIN", {"password": "wrong", "sasl_mechanism": "PLAIN"}, "the login as pulse failed"),
    "unknown user": ("LOGIN", {"username": "nobody"}, "the login as nobody failed"),
    "untrusted": (
        "LOGIN",
        {"ssl_ca_file": None},
        "not trusted by the CAs of the system: set TAGPULSE_KAFKA__SSL_CA_FILE",
    ),
    "another name": ("WRONGNAME", {}, "the certificate of the broker is for a different name"),
    "no certificate": (
        "MUTUAL",
        {"ssl_cert_file": None, "ssl_key_file": None},
        "TAGPULSE_KAFKA__SSL_CERT_FILE and TAGPULSE_KAFKA__SSL_KEY_FILE",
    ),
    "no TLS": (
        "MUTUAL",
        {"security_protocol": "PLAINTEXT"},
        "set TAGPULSE_KAFKA__SECURITY_PROTOCOL=SSL instead of PLAINTEXT",
    ),
    "no TLS, login": (
        "LOGIN",
        {"security_protocol": "SASL_PLAINTEXT"},
        "set TAGPULSE_KAFKA__SECURITY_PROTOCOL=SASL_SSL instead of SASL_PLAINTEXT",
    ),
    "TLS on a plain port": ("PLAINTEXT", {"security_protocol": "SSL"}, "this port does not speak TLS"),
    "no login": (
        "OPENLOGIN",
        {"security_protocol": "PLAINTEXT"},
        "closes connections without a login: set TAGPULSE_KAFKA__SECURITY_PROTOCOL=SASL_PLAINTEXT",
    ),
    "no login, TLS": (
        "LOGIN",
        {"security_protocol": "SSL"},
        "closes connections without a login: set TAGPULSE_KAFKA__SECURITY_PROTOCOL=SASL_SSL",
    ),
    "login where none is expected": (
        "PLAINTEXT",
        {"security_protocol": "SASL_PLAINTEXT", "username": "u", "password": "p"},
        "this port does not expect a login",
    ),
}


@pytest.mark.parametrize("fault", REFUSALS)
async def test_probe_says_why_a_broker_refuses(secured: Secured, fault: str) -> None:
    listener, changes, reason = REFUSALS[fault]
    kafka = secured.settings(listener, **changes)
    with pytest.raises(Refused) as raised:
        await connection.probe(kafka, timeout=5)
    assert str(raised.value).startswith(kafka.bootstrap_servers + ": ")
    assert reason in str(raised.value)
    assert "wrong" not in str(raised.value)


async def test_a_certificate_of_another_authority_is_refused(secured: Secured) -> None:
    ours = secured.other.sign("ours")
    changes = {"ssl_cert_file": ours.cert, "ssl_key_file": ours.key, "ssl_key_password": None}
    with pytest.raises(Refused, match="requires a client certificate that it trusts"):
        await connection.probe(secured.settings("MUTUAL", **changes), timeout=5)


async def test_a_different_name_is_accepted_only_on_request(secured: Secured) -> None:
    await connection.probe(secured.settings("WRONGNAME", ssl_check_hostname=False))


async def test_topics_without_rights_are_named(secured: Secured) -> None:
    kafka = secured.settings("LOGIN")
    with pytest.raises(Refused, match=f"pulse may not use the topics {FORBIDDEN}:"):
        await connection.probe(kafka, topics=[TOPIC, FORBIDDEN, "not-there-yet"])
    await connection.probe(kafka, topics=[TOPIC, "not-there-yet"])


async def test_a_mechanism_that_the_broker_lacks_is_named(embedded_broker: Broker) -> None:
    kafka = KafkaSettings(
        bootstrap_servers=embedded_broker.bootstrap_servers,
        security_protocol="SASL_PLAINTEXT",
        username="pulse",
        password="secret",
    )
    with pytest.raises(Refused, match=r"does not support SCRAM-SHA-512: change TAGPULSE_KAFKA__SASL_MECHANISM"):
        await connection.probe(kafka)


async def test_a_closed_port_is_named() -> None:
    kafka = KafkaSettings(bootstrap_servers=f"{HOST}:{free_port()}")
    with pytest.raises(Unavailable, match=rf"^{kafka.bootstrap_servers}: nothing listens there .*tagpulse broker"):
        await connection.probe(kafka)


async def test_a_name_without_an_address_is_named() -> None:
    with pytest.raises(Unavailable, match=r"the name no-such-broker\.invalid has no address"):
        await connection.probe(KafkaSettings(bootstrap_servers="no-such-broker.invalid:9092"))


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_silence_is_named(protocol: Literal["PLAINTEXT", "SSL"]) -> None:
    with socket.create_server((HOST, 0)) as silent:
        kafka = KafkaSettings(bootstrap_servers=f"{HOST}:{silent.getsockname()[1]}", security_protocol=protocol)
        with pytest.raises(Unavailable, match="the port is open, but nothing answers in time"):
            await connection.probe(kafka, timeout=0.3)


async def test_one_server_that_answers_is_enough(embedded_broker: Broker) -> None:
    closed = f"{HOST}:{free_port()}"
    await connection.probe(KafkaSettings(bootstrap_servers=f"{closed}, {embedded_broker.bootstrap_servers}"))
    with pytest.raises(Unavailable) as raised:
        await connection.probe(KafkaSettings(bootstrap_servers=f"{closed},localhost:{free_port()}"))
    assert str(raised.value).count("nothing listens there") == 2


async def test_an_address_that_clients_cannot_follow_is_named(tmp_path: Path) -> None:
    class Elsewhere(EmbeddedBroker):
        def command_line(self) -> list[str]:
            command = super().command_line()
            command[command.index("--advertised-listener-url") + 1] = f"tcp://{HOST}:{closed}"
            return command

    closed = free_port()
    with Elsewhere(tmp_path) as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers)
        with pytest.raises(
            Unavailable, match=rf"correct advertised\.listeners.*{HOST}:{closed}: nothing listens there"
        ):
            await connection.probe(kafka)


def test_tls_is_verified_by_default(tmp_path: Path) -> None:
    context = connection.ssl_context(KafkaSettings(security_protocol="SSL"))
    assert context
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert connection.ssl_context(KafkaSettings()) is None


async def test_a_ca_that_python_rejects_is_distinguished_from_a_wrong_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path, extensions="")
    server = authority.sign("server", f"IP:{HOST}")
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(server.cert, server.key)
    kafka = {"security_protocol": "SSL", "ssl_ca_file": authority.path}
    strict = connection.ssl_context(KafkaSettings(**kafka))
    assert strict
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # as every context is from Python 3.13 on
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: strict)

    async with await asyncio.start_server(lambda *_: None, HOST, 0, ssl=serving) as listener:
        at = f"{HOST}:{listener.sockets[0].getsockname()[1]}"
        with pytest.raises(Refused, match=r"violates RFC 5280.*reissue it.*does not include key usage"):
            await connection.probe(KafkaSettings(bootstrap_servers=at, **kafka))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    first, second = (
        Authority(tmp_path).sign(name, password=password) for name, password in (("a", None), ("b", "secret"))
    )
    wrong: list[dict[str, Any]] = [
        {"ssl_ca_file": nonsense},
        {"ssl_cert_file": first.cert, "ssl_key_file": second.key, "ssl_key_password": "secret"},
        {"ssl_cert_file": second.cert, "ssl_key_file": second.key, "ssl_key_password": "wrong"},
        {"ssl_cert_file": second.cert, "ssl_key_file": second.key},
    ]
    for options in wrong:
        with pytest.raises(SettingsError, match=r"TAGPULSE_KAFKA__SSL_") as raised:
            connection.ssl_context(KafkaSettings(security_protocol="SSL", **options))
        assert "secret" not in str(raised.value)


def test_faust_gets_one_list_of_urls() -> None:
    kafka = KafkaSettings(bootstrap_servers="a:1, [::1]:2")
    assert connection.faust_broker(kafka) == {"broker": "kafka://a:1;kafka://[::1]:2"}
    assert connection.servers(kafka) == [("a", 1), ("::1", 2)]
    assert connection.kafka_python(kafka)["bootstrap_servers"] == ["a:1", "[::1]:2"]
