"""An Apache Kafka that requires TLS, client certificates or passwords, each on a port of its own, and checks rights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from streams.processes.broker import HOST, ApacheBroker, free_port
from streams.settings import KafkaSettings
from tests.helpers.certificates import Authority

USER = "pulse"
PASSWORD = 'a "long; pass\\word'  # as a password manager may generate it: quotes, backslashes, separators
KEY_PASSWORD = "key password"
TOPIC = "secured"
FORBIDDEN = "forbidden"  # the user above may not use it

_LISTENERS = {
    "MUTUAL": "SSL",  # TLS both ways
    "LOGIN": "SASL_SSL",  # TLS and a password
    "OPENLOGIN": "SASL_PLAINTEXT",
    "WRONGNAME": "SSL",  # a certificate for another host
}
_MECHANISMS = "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN"


@dataclass(frozen=True)
class Secured:
    """A broker, its `ports` by listener, its authority, and another authority that it does not trust."""

    broker: ApacheBroker
    ports: dict[str, int]
    authority: Authority
    other: Authority

    def settings(self, listener: str, **changes: Any) -> KafkaSettings:
        """Return the correct settings for a client of a listener, with `changes` that make them wrong."""
        port = self.broker.port if listener == "PLAINTEXT" else self.ports[listener]
        protocol = _LISTENERS.get(listener, "PLAINTEXT")
        correct: dict[str, Any] = {"bootstrap_servers": f"{HOST}:{port}", "security_protocol": protocol}
        if protocol.endswith("SSL"):
            correct["ssl_ca_file"] = self.authority.path
        if protocol.startswith("SASL"):
            correct |= {"username": USER, "password": PASSWORD}
        if listener == "MUTUAL":
            client = self.authority.sign("client", password=KEY_PASSWORD)
            correct |= {"ssl_cert_file": client.cert, "ssl_key_file": client.key, "ssl_key_password": KEY_PASSWORD}
        return KafkaSettings(**(correct | changes))


@contextmanager
def secured_broker(folder: Path, home: Path) -> Iterator[Secured]:
    """Start the broker with the user and the topics above."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, other = Authority(folder), Authority(folder, "stranger")
    server = authority.sign("server", f"IP:{HOST}", "DNS:localhost")
    elsewhere = authority.sign("elsewhere", "DNS:kafka.example")
    ports = {name: free_port() for name in _LISTENERS}
    port, controller = free_port(), free_port()
    listeners = {"PLAINTEXT": port, "CONTROLLER": controller} | ports
    escaped = PASSWORD.replace("\\", "\\\\").replace('"', '\\"')
    plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{escaped}";'
    config = {
        "listeners": ",".join(f"{name}://{HOST}:{number}" for name, number in listeners.items()),
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listener.security.protocol.map": ",".join(f"{name}:{_LISTENERS.get(name, 'PLAINTEXT')}" for name in listeners),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(server.both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.path),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.wrongname.ssl.keystore.type": "PEM",
        "listener.name.wrongname.ssl.keystore.location": str(elsewhere.both),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "true",
    }
    for listener in ("login", "openlogin"):
        config[f"listener.name.{listener}.sasl.enabled.mechanisms"] = _MECHANISMS
        for mechanism in ("scram-sha-512", "scram-sha-256"):
            module = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            config[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = module
        # reading a properties file removes one level of backslashes, so each is doubled again
        config[f"listener.name.{listener}.plain.sasl.jaas.config"] = plain.replace("\\", "\\\\")
    with ApacheBroker(folder / "broker", port, home=home, config=config) as broker:
        _make_users_and_topics(broker)
        yield Secured(broker, ports, authority, other)


def _make_users_and_topics(broker: ApacheBroker) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    try:
        for mechanism in (ScramMechanism.SCRAM_SHA_512, ScramMechanism.SCRAM_SHA_256):
            refused = admin.alter_user_scram_credentials([UserScramCredentialUpsertion(USER, mechanism, PASSWORD)])
            assert not any(refused.values()), refused
        shape = {"num_partitions": 1, "replication_factor": 1}
        admin.create_topics({TOPIC: shape, FORBIDDEN: shape}, wait_for_metadata=True)
        topic = ResourcePattern(ResourceType.TOPIC, FORBIDDEN)
        admin.create_acls([ACL(f"User:{USER}", "*", ACLOperation.ALL, ACLPermissionType.DENY, topic)])
    finally:
        admin.close()
