from __future__ import annotations

import errno
import socket

import pytest
from aiohttp import AddrInfoType
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.addresses import SocketGuard, is_public


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((address, True) for address in ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")),
        *((address, False) for address in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254")),
        *((address, False) for address in ("0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255")),
        *((address, False) for address in ("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1")),
        *((address, False) for address in ("::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::")),
    ],
)
def test_public_addresses_are_distinguished_from_all_others(address: str, public: bool) -> None:
    assert is_public(address) is public


def info(address: str) -> AddrInfoType:
    return socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, 80)


def test_a_public_server_leads_to_no_private_network_and_a_private_one_may() -> None:
    private, public = SocketGuard(), SocketGuard()
    private.open_own(info("10.0.0.1")).close()
    private.open_other(info("10.0.0.2")).close()
    public.open_own(info("8.8.8.8")).close()
    public.open_own(info("10.0.0.1")).close()  # its name now resolves to something else
    public.open_other(info("8.8.4.4")).close()
    with pytest.raises(OSError, match=r"10\.0\.0\.2 is in a private network"):
        public.open_other(info("10.0.0.2"))


def test_a_redirect_into_a_private_network_is_an_error_of_the_system() -> None:
    guard = SocketGuard()
    guard.open_own(info("8.8.8.8")).close()
    with pytest.raises(OSError, match="a public server may not redirect there") as caught:
        guard.open_other(info("127.0.0.1"))
    assert caught.value.errno == errno.EACCES


@given(st.ip_addresses(v=4).map(str))
def test_an_address_embedded_in_another_one_is_no_more_public(address: str) -> None:
    public = is_public(address)
    assert is_public(f"::ffff:{address}") is public
    assert is_public(f"64:ff9b::{address}") is public
