from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from streams.settings.types import (
    Addresses,
    Bytes,
    ExistingFile,
    FilePath,
    Hours,
    HttpAddress,
    HttpAddresses,
    LakePlace,
    SecretAddress,
    is_address,
    is_local,
    is_url,
    web_address,
    without_login,
)


def parsed(kind: Any, value: Any) -> Any:
    return TypeAdapter(kind).validate_python(value)


def fault(kind: Any, value: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        parsed(kind, value)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


def test_paths_are_expanded() -> None:
    assert parsed(FilePath, "~/lake") == Path.home() / "lake"
    assert parsed(LakePlace, "~/lake") == Path.home() / "lake"
    assert parsed(LakePlace, "s3://bucket/lake?region=eu") == "s3://bucket/lake?region=eu"


def test_a_file_must_exist(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    assert fault(ExistingFile, str(path)) == f"there is no file {path}"
    assert fault(ExistingFile, str(tmp_path)) == f"there is no file {tmp_path}"
    path.touch()
    assert parsed(ExistingFile, str(path)) == path


@pytest.mark.parametrize("limit", [-1, 1, 10**12])
def test_a_limit_is_positive_or_none(limit: int) -> None:
    assert parsed(Bytes, limit) == parsed(Hours, limit) == limit


@pytest.mark.parametrize("limit", [0, -2])
def test_no_other_limit_is_accepted(limit: int) -> None:
    assert fault(Bytes, limit) == fault(Hours, limit) == "must be greater than 0, or -1 for no limit"
    assert "greater than 0" in fault(Hours, float("nan"))


@pytest.mark.parametrize("servers", ["a:1", "a:1,b:65535", "a:1, b:2", "[::1]:9092"])
def test_brokers_are_hosts_with_ports(servers: str) -> None:
    assert parsed(Addresses, servers) == servers


@pytest.mark.parametrize(
    ("servers", "wrong"),
    [("a", "a"), ("a:1,b", "b"), ("a:1,", ""), (":1", ":1"), ("a:0", "a:0"), ("a:65536", "a:65536")],
)
def test_a_wrong_broker_is_named(servers: str, wrong: str) -> None:
    assert fault(Addresses, servers) == f"must be a comma-separated list of host:port, not {wrong!r}"


@pytest.mark.parametrize("address", ["http://a", "https://a.example:9093/path?x=1", "http://[::1]:9093"])
def test_an_http_address(address: str) -> None:
    assert parsed(HttpAddress, address) == address
    assert parsed(HttpAddresses, f"{address}, {address}") == f"{address}, {address}"
    assert parsed(SecretAddress, address) == SecretStr(address)


@pytest.mark.parametrize(
    "address", ["a:9093", "ftp://a", "http://", "http://a:x", "http://a:0", "http://[::1", "http://a\u200b"]
)
def test_no_other_address_is_accepted(address: str) -> None:
    for kind in (HttpAddress, HttpAddresses, SecretAddress):
        assert fault(kind, address) == "must be http://HOST or https://HOST, with a port and a path if needed"


def test_a_login_in_an_address_that_is_not_secret_is_refused_without_repeating_it() -> None:
    for kind in (HttpAddress, HttpAddresses):
        assert "must not contain a user name or password" in fault(kind, "https://canary:canary@a.example")
    assert "user name" in fault(HttpAddresses, "https://a.example,https://canary@b.example")
    assert parsed(SecretAddress, "https://me:s3cret@a.example").get_secret_value() == "https://me:s3cret@a.example"
    with pytest.raises(ValueError, match=r"^TAGPULSE_X: the URL must not") as caught:
        without_login("wss://canary@a.example", "TAGPULSE_X")
    assert "canary" not in str(caught.value)
    without_login("wss://a.example", "TAGPULSE_X")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("mastodon.example", "https://mastodon.example"),
        (" https://mastodon.example/ ", "https://mastodon.example"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("[::1]:3000", "https://[::1]:3000"),
    ],
)
def test_a_web_address_has_a_scheme_and_no_path(text: str, url: str) -> None:
    assert web_address(text, "TAGPULSE_X") == url


@pytest.mark.parametrize("text", ["", "ftp://a", "a/path", "a?x", "a#x", "https://", "a:0", "a:x", "a b", "[::1"])
def test_a_wrong_web_address_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"^TAGPULSE_X: must be URLs such as https://mastodon\.social, not '"):
        web_address(text, "TAGPULSE_X")


@given(st.text() | st.text("ahtps:/?#@[]1. ", max_size=20))
def test_any_text_is_a_web_address_or_a_fault(text: str) -> None:
    try:
        url = web_address(text, "TAGPULSE_X")
    except ValueError as error:
        assert str(error).startswith("TAGPULSE_X: ")  # noqa: PT017
    else:
        assert is_url(url, "http", "https")
        assert not set(url.partition("://")[2]) & set("/?#@ ")
        assert web_address(url, "TAGPULSE_X") == url


@pytest.mark.parametrize(
    ("host", "local", "address"),
    [
        ("localhost", True, False),
        ("/run/postgresql", True, False),
        ("127.0.0.1", True, True),
        ("127.8.8.8", True, True),
        ("::1", True, True),
        ("10.0.0.1", False, True),
        ("kafka.example", False, False),
        ("localhost.example", False, False),
        ("", False, False),
    ],
)
def test_a_local_host(host: str, local: bool, address: bool) -> None:
    assert (is_local(host), is_address(host)) == (local, address)
