"""Keeps public servers from redirecting us into private networks."""

from __future__ import annotations

import errno
import ipaddress
import socket

from aiohttp import AddrInfoType

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the internet, and of no private network, link or machine."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
        ip = embedded or ip
    return ip.is_global and not ip.is_multicast


class Reach:
    """Opens the sockets of a client: those to the server that the operator named, and those to where it sends us.

    The server's own address is judged when a socket is opened to it rather than by its name: who runs a server decides
    what its name resolves to, and may decide otherwise a moment later.
    """

    def __init__(self) -> None:
        self._is_public = False

    def open_own(self, info: AddrInfoType) -> socket.socket:
        """A socket to the server itself, wherever it is."""
        self._is_public |= is_public(str(info[4][0]))
        return socket.socket(*info[:3])

    def open_other(self, info: AddrInfoType) -> socket.socket:
        """A socket to where it sends us. Raises OSError when a public server sends us to a private network."""
        address = str(info[4][0])
        if self._is_public and not is_public(address):
            raise OSError(errno.EACCES, f"{address} is in a private network: a public server may not send us there")
        return socket.socket(*info[:3])
