"""How every client reaches Kafka, and why it cannot.

The three libraries spell the same settings differently; the TLS context is made here, verified by default.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from aiokafka import errors as kafka_errors
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.metadata import MetadataRequest

from streams.errors import Refused, SettingsError, TagpulseError, Unavailable
from streams.settings import KafkaSettings

Client = TypeVar("Client")

_PROBE_SECONDS = 10.0
_GOODBYE_SECONDS = 0.2
_WITH_TLS = {"PLAINTEXT": "SSL", "SASL_PLAINTEXT": "SASL_SSL"}
_WITHOUT_TLS = {tls: plain for plain, tls in _WITH_TLS.items()}
_NAME_MISMATCH = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
# X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA to X509_V_ERR_EC_KEY_EXPLICIT_PARAMS: X509_V_FLAG_X509_STRICT, on from Python 3.13 on
_MALFORMED = range(80, 95)


def servers(kafka: KafkaSettings) -> list[tuple[str, int]]:
    """Host and port of each bootstrap server; the brackets of an IPv6 address are taken off."""
    pairs = (server.strip().rpartition(":") for server in kafka.bootstrap_servers.split(","))
    return [(host.strip("[]"), int(port)) for host, _, port in pairs]


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """The TLS context of the settings, None without TLS. Raises SettingsError when a file cannot be used."""
    if not kafka.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
        context.check_hostname = kafka.ssl_check_hostname
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"kafka.ssl_ca_file {kafka.ssl_ca_file}: no PEM certificate can be read: {error}") from None
    if kafka.ssl_cert_file and kafka.ssl_key_file:
        # without a password OpenSSL would ask for one on the terminal
        password = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else ""
        try:
            context.load_cert_chain(kafka.ssl_cert_file, kafka.ssl_key_file, lambda: password)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"kafka.ssl_cert_file {kafka.ssl_cert_file} and kafka.ssl_key_file {kafka.ssl_key_file} cannot be used"
                f" (do they belong together, is kafka.ssl_key_password right?): {error}"
            ) from None
    return context


def kafka_python(kafka: KafkaSettings) -> dict[str, Any]:
    """Options for `KafkaProducer`, `KafkaConsumer` and `KafkaAdminClient`. Raises SettingsError."""
    return _client(kafka)


def open_client(kind: Callable[..., Client], kafka: KafkaSettings, **options: Any) -> Client:
    """A client of kafka-python. One that cannot connect is closed: its constructor would leave a thread and sockets behind.

    Raises SettingsError, and what the constructor raises.
    """
    from kafka.net.compat import KafkaNetClient  # slow to import, and who names a kind has it

    begun: list[KafkaNetClient] = []

    def network(**config: Any) -> KafkaNetClient:
        begun.append(KafkaNetClient(**config))
        return begun[-1]

    try:
        return kind(**kafka_python(kafka), **options, kafka_client=network)
    except BaseException:
        for each in begun:
            each.close()
        raise


def aiokafka(kafka: KafkaSettings) -> dict[str, Any]:
    """Options for `AIOKafkaProducer`, `AIOKafkaConsumer` and aiokafka's admin client. Raises SettingsError."""
    return _client(kafka)


def faust_broker(kafka: KafkaSettings) -> dict[str, Any]:
    """Options for `faust.App`: `broker`, and `broker_credentials` where there are any. Raises SettingsError."""
    import faust  # slow to import, and only the workers need it

    urls = ";".join(f"kafka://{server.strip()}" for server in kafka.bootstrap_servers.split(","))
    context = ssl_context(kafka)
    if kafka.security_protocol.startswith("SASL") and kafka.password:
        credentials: Any = faust.SASLCredentials(
            username=kafka.username,
            password=kafka.password.get_secret_value(),
            ssl_context=context,
            mechanism=kafka.sasl_mechanism,
        )
    elif context:
        credentials = faust.SSLCredentials(context=context)
    else:
        return {"broker": urls}
    return {"broker": urls, "broker_credentials": credentials}


def _client(kafka: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bootstrap_servers": [server.strip() for server in kafka.bootstrap_servers.split(",")],
        "metadata_max_age_ms": metadata_ms(kafka),
        "security_protocol": kafka.security_protocol,
        "ssl_context": ssl_context(kafka),
    }
    if kafka.security_protocol.startswith("SASL") and kafka.password:
        options |= {
            "sasl_mechanism": kafka.sasl_mechanism,
            "sasl_plain_username": kafka.username,
            "sasl_plain_password": kafka.password.get_secret_value(),
        }
    return options


def metadata_ms(kafka: KafkaSettings) -> int:
    """How old what a client knows of the cluster may be."""
    return int(kafka.metadata_seconds * 1000)


async def probe(kafka: KafkaSettings, timeout: float = _PROBE_SECONDS, topics: Sequence[str] = ()) -> None:
    """Returns when a bootstrap server answers as these settings expect; else says why not and what to do.

    `topics`: also ask whether these may be seen; a topic that does not exist yet is no fault.
    Raises Unavailable (nothing answers: trying again may help), Refused (it answers, but not to us: TLS, password,
    rights) or SettingsError (a certificate of ours cannot be read). Takes at most about `timeout` seconds.
    """
    context = ssl_context(kafka)
    attempts = (_probe_server(kafka, context, host, port, timeout, topics) for host, port in servers(kafka))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException) and not isinstance(outcome, TagpulseError):
            raise outcome
    faults = [outcome for outcome in outcomes if isinstance(outcome, TagpulseError)]
    if len(faults) == len(outcomes):
        kind = Refused if any(isinstance(fault, Refused) for fault in faults) else Unavailable
        raise kind("; ".join(str(fault) for fault in faults))


async def _probe_server(
    kafka: KafkaSettings,
    context: ssl.SSLContext | None,
    host: str,
    port: int,
    timeout: float,
    topics: Sequence[str],
) -> None:
    at = f"{host}:{port}"
    await _reach(host, port, timeout)
    secrets = {key: value for key, value in _client(kafka).items() if key.startswith("sasl_")}
    connection = AIOKafkaConnection(
        host,
        port,
        request_timeout_ms=int(timeout * 1000),
        ssl_context=context,
        security_protocol=kafka.security_protocol,
        **secrets,
    )
    try:
        await connection.connect()
    except (OSError, kafka_errors.KafkaError) as error:
        await _close(connection)
        raise _explain(error, at, kafka) from error
    try:
        metadata = await connection.send(MetadataRequest(list(topics), allow_auto_topic_creation=False))
    except TimeoutError:
        raise _no_answer(at, kafka) from None
    except (OSError, kafka_errors.KafkaError) as error:
        raise _login_expected(at, kafka) from error
    finally:
        await _close(connection)
    hidden = [topic for code, topic, *_ in metadata.topics if code == kafka_errors.TopicAuthorizationFailedError.errno]
    if topics and hidden:
        raise Refused(
            f"{at}: {kafka.username or 'our certificate'} may not use the topics {', '.join(hidden)}: give it the rights"
            " to describe, read and write them"
        )
    if not metadata.brokers:
        raise Unavailable(f"{at}: the broker answers, but lists no brokers yet; it is probably still starting")
    await _reach_advertised(at, [(broker[1], broker[2]) for broker in metadata.brokers], timeout)


async def _close(connection: AIOKafkaConnection) -> None:
    """Waits for the other side's goodbye, so that no socket stays open, but not for one that never comes."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE_SECONDS):
            await connection.close()


async def _reach(host: str, port: int, timeout: float) -> None:
    """A TCP connection alone, so that what fails afterwards is not the network."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror as error:
        raise Unavailable(
            f"{host}:{port}: the name {host} has no address ({error.strerror}): check kafka.bootstrap_servers and the DNS"
        ) from None
    except TimeoutError:
        raise Unavailable(
            f"{host}:{port}: no answer within {timeout:g} s: check the address, and the firewalls on the way"
        ) from None
    except OSError as error:
        raise Unavailable(
            f"{host}:{port}: nothing listens there ({error.strerror or error}): start the broker"
            " (for development: tagpulse broker) or mend kafka.bootstrap_servers"
        ) from None
    writer.close()


async def _reach_advertised(at: str, brokers: Iterable[tuple[str, int]], timeout: float) -> None:
    """Clients go on to the addresses that the brokers advertise: one of them at least must be reachable from here."""
    outcomes = await asyncio.gather(*(_reach(host, port, timeout) for host, port in brokers), return_exceptions=True)
    faults = [str(outcome) for outcome in outcomes if isinstance(outcome, Unavailable)]
    if faults and len(faults) == len(outcomes):
        raise Unavailable(
            f"{at} answers, but sends its clients to addresses that cannot be reached from here: mend advertised.listeners"
            f" of the broker ({'; '.join(faults)})"
        )


def _explain(error: Exception, at: str, kafka: KafkaSettings) -> TagpulseError:
    """Why no connection was made although the port is open."""
    cause = error.__cause__ if isinstance(error, kafka_errors.KafkaConnectionError) and error.__cause__ else error
    match cause:
        case ssl.SSLCertVerificationError():
            return _untrusted(cause, at, kafka)
        case kafka_errors.UnsupportedSaslMechanismError():
            return Refused(
                f"{at}: the broker does not offer {kafka.sasl_mechanism}: mend kafka.sasl_mechanism ({cause})"
            )
        case kafka_errors.IllegalSaslStateError():
            return Refused(f"{at}: no login is expected on this port: kafka.security_protocol without SASL_")
        case kafka_errors.BrokerResponseError():
            return Refused(
                f"{at}: the login of {kafka.username} failed: check kafka.username, kafka.password and"
                f" kafka.sasl_mechanism ({cause})"
            )
        case TimeoutError():
            return _no_answer(at, kafka)
        case _:
            return _hung_up(cause, at, kafka)


def _untrusted(error: ssl.SSLCertVerificationError, at: str, kafka: KafkaSettings) -> Refused:
    if error.verify_code in _NAME_MISMATCH:
        return Refused(
            f"{at}: the broker's certificate is for another name: use the name it was made for in kafka.bootstrap_servers"
            f" ({error.verify_message})"
        )
    if error.verify_code in _MALFORMED:
        return Refused(
            f"{at}: the certificate of the broker or of its authority breaks RFC 5280, which Python 3.13 and newer check: make it"
            f" again with what is missing ({error.verify_message})"
        )
    authority = f"kafka.ssl_ca_file {kafka.ssl_ca_file}" if kafka.ssl_ca_file else "the system's authorities"
    return Refused(
        f"{at}: the broker's certificate is not trusted by {authority}: set kafka.ssl_ca_file to the PEM of the authority"
        f" that signed it ({error.verify_message})"
    )


def _hung_up(error: Exception, at: str, kafka: KafkaSettings) -> Refused:
    """The other side closed the connection: its last words, and when it did so, tell why."""
    protocol = kafka.security_protocol
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return Refused(
            f"{at}: the broker refuses our TLS ({error.reason}): it most likely wants a certificate that it trusts:"
            " kafka.ssl_cert_file and kafka.ssl_key_file"
        )
    if protocol.endswith("SSL"):
        return Refused(
            f"{at}: no TLS is spoken on this port: use the broker's TLS port, or"
            f" kafka.security_protocol={_WITHOUT_TLS[protocol]} instead of {protocol} ({str(error) or type(error).__name__})"
        )
    return Refused(
        f"{at}: the broker hangs up on a client without TLS: use kafka.security_protocol={_WITH_TLS[protocol]} instead of"
        f" {protocol}, or its port without TLS"
    )


def _no_answer(at: str, kafka: KafkaSettings) -> Unavailable:
    tls = ", is this its port with TLS" if kafka.security_protocol.endswith("SSL") else ""
    return Unavailable(f"{at}: the port is open, but nothing answers in time: is the broker starting, frozen{tls}?")


def _login_expected(at: str, kafka: KafkaSettings) -> Refused:
    return Refused(
        f"{at}: the broker hangs up on a client that does not log in: kafka.security_protocol="
        f"SASL_{kafka.security_protocol}, with kafka.username and kafka.password"
    )
