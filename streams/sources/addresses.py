"""Prevents public servers from redirecting us into private networks."""

from __future__ import annotations

import errno
import ipaddress
import socket

from aiohttp import AddrInfoType

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Return whether an IP address is on the public internet, not private, link-local, loopback or multicast."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else ip.ipv4_mapped or ip.sixtofour
        ip = embedded or ip
    return ip.is_global and not ip.is_multicast


class SocketGuard:
    """Opens a client's sockets to the configured server and to the hosts it redirects to.

    Addresses are checked when a socket is opened, not when a name is looked up: the operator of a server controls what
    its name resolves to and can change it at any moment.
    """

    def __init__(self) -> None:
        self._is_public = False

    def open_own(self, info: AddrInfoType) -> socket.socket:
        """Return a socket to the configured server itself, wherever it is."""
        self._is_public |= is_public(str(info[4][0]))
        return socket.socket(*info[:3])

    def open_other(self, info: AddrInfoType) -> socket.socket:
        """Return a socket to a host that the server redirects to.

        Raises:
            OSError: A public server redirects to a private network.
        """
        address = str(info[4][0])
        if self._is_public and not is_public(address):
            raise OSError(errno.EACCES, f"{address} is in a private network: a public server may not redirect there")
        return socket.socket(*info[:3])
