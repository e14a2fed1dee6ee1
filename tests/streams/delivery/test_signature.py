from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.delivery.signature import MAX_AGE_SECONDS, is_genuine, sign


def test_the_signature_by_hand() -> None:
    """Compare with the output of `printf 'key.1700000000.{}' | openssl dgst -sha256 -hmac secret`."""
    assert sign("secret", "key", 1_700_000_000, b"{}") == (
        "v1=18ce22ecc634a908336c075fb9362c8ebe9dd16de12015a742b1827057741b4a"
    )


@pytest.mark.parametrize(
    ("age", "genuine"), [(0, True), (MAX_AGE_SECONDS, True), (-MAX_AGE_SECONDS, True), (301, False), (-301, False)]
)
def test_a_request_is_genuine_for_five_minutes(age: int, genuine: bool) -> None:
    signature = sign("secret", "key", 1_000, b"{}")
    assert is_genuine("secret", "key", "1000", signature, b"{}", 1_000 + age) is genuine


@pytest.mark.parametrize("timestamp", ["", "-1", "1e3", "²", "٣", "1" * 13, " 1000"])
def test_a_timestamp_is_a_short_decimal_number(timestamp: str) -> None:
    signature = sign("secret", "key", 1_000, b"{}")
    assert not is_genuine("secret", "key", timestamp, signature, b"{}", 1_000)


@given(st.binary(), st.integers(0, 10**11), st.text(min_size=1), st.text(string.ascii_letters + ":-%"))
def test_a_signature_is_valid_only_for_its_body_time_key_and_secret(
    body: bytes, timestamp: int, secret: str, key: str
) -> None:
    try:
        signature = sign(secret, key, timestamp, body)
    except UnicodeEncodeError:
        return
    assert is_genuine(secret, key, str(timestamp), signature, body, timestamp + 299)
    assert not is_genuine(secret, key, str(timestamp), signature, body, timestamp + 301)
    assert not is_genuine(secret, key, str(timestamp + 1), signature, body, timestamp)
    assert not is_genuine(secret, key + "x", str(timestamp), signature, body, timestamp)
    assert not is_genuine(secret + "x", key, str(timestamp), signature, body, timestamp)
    assert not is_genuine(secret, key, str(timestamp), signature, body + b"\n", timestamp)


@given(st.text(string.printable), st.text(), st.text())
def test_nonsense_is_not_genuine(key: str, timestamp: str, signature: str) -> None:
    assert not is_genuine("secret", key, timestamp, signature, b"", 0.0)
