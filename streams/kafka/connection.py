"""Connection options for every Kafka client, and a probe that explains why a connection fails.

The three client libraries name the same options differently. The TLS context is created here and verifies certificates
by default.
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
_CLOSE_SECONDS = 0.2
_WITH_TLS = {"PLAINTEXT": "SSL", "SASL_PLAINTEXT": "SASL_SSL"}
_WITHOUT_TLS = {tls: plain for plain, tls in _WITH_TLS.items()}
_NAME_MISMATCH = (62, 64)  # OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH
# X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA to X509_V_ERR_EC_KEY_EXPLICIT_PARAMS, which X509_V_FLAG_X509_STRICT adds; it is
# the default since Python 3.13
_MALFORMED = range(80, 95)


def servers(kafka: KafkaSettings) -> list[tuple[str, int]]:
    """Return the host and port of each bootstrap server, IPv6 addresses without their brackets."""
    pairs = (server.strip().rpartition(":") for server in kafka.bootstrap_servers.split(","))
    return [(host.strip("[]"), int(port)) for host, _, port in pairs]


def ssl_context(kafka: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context, or None without TLS. Raises SettingsError if a certificate or key file cannot be used."""
    if not kafka.security_protocol.endswith("SSL"):
        return None
    try:
        context = ssl.create_default_context(cafile=kafka.ssl_ca_file)
        context.check_hostname = kafka.ssl_check_hostname
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"TAGPULSE_KAFKA__SSL_CA_FILE {kafka.ssl_ca_file}: no PEM certificate can be read from it: {error}"
        ) from None
    if kafka.ssl_cert_file and kafka.ssl_key_file:
        # without a callback OpenSSL would prompt for the password on the terminal
        password = kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else ""
        try:
            context.load_cert_chain(kafka.ssl_cert_file, kafka.ssl_key_file, lambda: password)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"TAGPULSE_KAFKA__SSL_CERT_FILE {kafka.ssl_cert_file} and "
                f"TAGPULSE_KAFKA__SSL_KEY_FILE {kafka.ssl_key_file} cannot be used: check that they belong together "
                f"and that TAGPULSE_KAFKA__SSL_KEY_PASSWORD is correct: {error}"
            ) from None
    return context


def kafka_python(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the options for `KafkaProducer`, `KafkaConsumer` and `KafkaAdminClient`. Raises SettingsError."""
    return _client(kafka)


def open_client(kind: Callable[..., Client], kafka: KafkaSettings, **options: Any) -> Client:
    """Create a kafka-python client, and clean up if it cannot connect.

    The constructors of kafka-python leave a thread and sockets behind when they fail.

    Raises:
        SettingsError: A certificate or key file cannot be used.
        Exception: Whatever the constructor raises.
    """
    from kafka.net.compat import KafkaNetClient  # slow to import; callers that pass a `kind` have already loaded it

    opened: list[KafkaNetClient] = []

    def network(**config: Any) -> KafkaNetClient:
        opened.append(KafkaNetClient(**config))
        return opened[-1]

    try:
        return kind(**kafka_python(kafka), **options, kafka_client=network)
    except BaseException:
        for each in opened:
            each.close()
        raise


def aiokafka(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the options for the producer, consumer and admin client of aiokafka. Raises SettingsError."""
    return _client(kafka)


def faust_broker(kafka: KafkaSettings) -> dict[str, Any]:
    """Return the options for `faust.App`: `broker`, and `broker_credentials` if there are any. Raises SettingsError."""
    import faust  # slow to import and only needed by the workers

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
    """Return the maximum age of cluster metadata in a client, in milliseconds."""
    return int(kafka.metadata_seconds * 1000)


async def probe(kafka: KafkaSettings, timeout: float = _PROBE_SECONDS, topics: Sequence[str] = ()) -> None:
    """Check that at least one bootstrap server is usable with these settings; errors say why not and what to do.

    Args:
        timeout: Approximate time limit of the whole probe, in seconds.
        topics: Topics whose access rights are checked too; a topic that does not exist yet is not an error.

    Raises:
        Unavailable: No server answers; retrying may help.
        Refused: A server answers but refuses this client (TLS, login or access rights).
        SettingsError: A local certificate or key file cannot be read.
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
            f"{at}: {kafka.username or 'the client certificate'} may not use the topics {', '.join(hidden)}: grant it "
            "the rights to describe, read and write them"
        )
    if not metadata.brokers:
        raise Unavailable(f"{at}: the broker answers, but lists no brokers yet; it is probably still starting")
    await _reach_advertised(at, [(broker[1], broker[2]) for broker in metadata.brokers], timeout)


async def _close(connection: AIOKafkaConnection) -> None:
    """Close the connection, waiting briefly for the server so that no socket stays open."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.close()


async def _reach(host: str, port: int, timeout: float) -> None:
    """Open a TCP connection only, to distinguish network problems from those of TLS and Kafka."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except socket.gaierror as error:
        raise Unavailable(
            f"{host}:{port}: the name {host} has no address ({error.strerror}): check "
            "TAGPULSE_KAFKA__BOOTSTRAP_SERVERS and the DNS"
        ) from None
    except TimeoutError:
        raise Unavailable(
            f"{host}:{port}: no answer within {timeout:g} s: check the address and any firewalls on the way"
        ) from None
    except OSError as error:
        raise Unavailable(
            f"{host}:{port}: nothing listens there ({error.strerror or error}): start the broker"
            " (for development: `tagpulse broker`) or correct TAGPULSE_KAFKA__BOOTSTRAP_SERVERS"
        ) from None
    writer.close()


async def _reach_advertised(at: str, brokers: Iterable[tuple[str, int]], timeout: float) -> None:
    """Check that an advertised broker address is reachable, because clients connect to those after bootstrapping."""
    outcomes = await asyncio.gather(*(_reach(host, port, timeout) for host, port in brokers), return_exceptions=True)
    faults = [str(outcome) for outcome in outcomes if isinstance(outcome, Unavailable)]
    if faults and len(faults) == len(outcomes):
        raise Unavailable(
            f"{at} answers, but advertises addresses that cannot be reached from here: correct "
            f"advertised.listeners of the broker ({'; '.join(faults)})"
        )


def _explain(error: Exception, at: str, kafka: KafkaSettings) -> TagpulseError:
    """Return an error that says why the connection failed although the port is open."""
    cause = error.__cause__ if isinstance(error, kafka_errors.KafkaConnectionError) and error.__cause__ else error
    match cause:
        case ssl.SSLCertVerificationError():
            return _untrusted(cause, at, kafka)
        case kafka_errors.UnsupportedSaslMechanismError():
            return Refused(
                f"{at}: the broker does not support {kafka.sasl_mechanism}: change TAGPULSE_KAFKA__SASL_MECHANISM "
                f"({cause})"
            )
        case kafka_errors.IllegalSaslStateError():
            return Refused(
                f"{at}: this port does not expect a login: remove SASL_ from TAGPULSE_KAFKA__SECURITY_PROTOCOL"
            )
        case kafka_errors.BrokerResponseError():
            return Refused(
                f"{at}: the login as {kafka.username} failed: check TAGPULSE_KAFKA__USERNAME, TAGPULSE_KAFKA__PASSWORD "
                f"and TAGPULSE_KAFKA__SASL_MECHANISM ({cause})"
            )
        case TimeoutError():
            return _no_answer(at, kafka)
        case _:
            return _disconnected(cause, at, kafka)


def _untrusted(error: ssl.SSLCertVerificationError, at: str, kafka: KafkaSettings) -> Refused:
    if error.verify_code in _NAME_MISMATCH:
        return Refused(
            f"{at}: the certificate of the broker is for a different name: use the name in the certificate in "
            f"TAGPULSE_KAFKA__BOOTSTRAP_SERVERS ({error.verify_message})"
        )
    if error.verify_code in _MALFORMED:
        return Refused(
            f"{at}: the certificate of the broker or of its CA violates RFC 5280, which Python enforces from 3.13 on: "
            f"reissue it with what is missing ({error.verify_message})"
        )
    authority = f"TAGPULSE_KAFKA__SSL_CA_FILE {kafka.ssl_ca_file}" if kafka.ssl_ca_file else "the CAs of the system"
    return Refused(
        f"{at}: the certificate of the broker is not trusted by {authority}: set TAGPULSE_KAFKA__SSL_CA_FILE to the "
        f"PEM file of the CA that signed it ({error.verify_message})"
    )


def _disconnected(error: Exception, at: str, kafka: KafkaSettings) -> Refused:
    """Return an error that says why the broker closed the connection, derived from the TLS alert or the protocol."""
    protocol = kafka.security_protocol
    if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
        return Refused(
            f"{at}: the broker refuses the TLS connection ({error.reason}): it most likely requires a client "
            "certificate that it trusts: set TAGPULSE_KAFKA__SSL_CERT_FILE and TAGPULSE_KAFKA__SSL_KEY_FILE"
        )
    if protocol.endswith("SSL"):
        return Refused(
            f"{at}: this port does not speak TLS: use the TLS port of the broker, or set "
            f"TAGPULSE_KAFKA__SECURITY_PROTOCOL={_WITHOUT_TLS[protocol]} instead of {protocol} "
            f"({str(error) or type(error).__name__})"
        )
    return Refused(
        f"{at}: the broker closes connections without TLS: set TAGPULSE_KAFKA__SECURITY_PROTOCOL={_WITH_TLS[protocol]} "
        f"instead of {protocol}, or use its port without TLS"
    )


def _no_answer(at: str, kafka: KafkaSettings) -> Unavailable:
    tls = ", and that this is its TLS port" if kafka.security_protocol.endswith("SSL") else ""
    return Unavailable(
        f"{at}: the port is open, but nothing answers in time: check that the broker is not starting or frozen{tls}"
    )


def _login_expected(at: str, kafka: KafkaSettings) -> Refused:
    return Refused(
        f"{at}: the broker closes connections without a login: set TAGPULSE_KAFKA__SECURITY_PROTOCOL="
        f"SASL_{kafka.security_protocol}, TAGPULSE_KAFKA__USERNAME and TAGPULSE_KAFKA__PASSWORD"
    )
