"""The types of setting values, each with its validation."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

Port = Annotated[int, Field(ge=0, le=65535)]
Positive = Annotated[int, Field(gt=0)]
MAX_DAYS = 36_500
Days = Annotated[int, Field(gt=0, le=MAX_DAYS)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
RunName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
SchemaName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
FilePath = Annotated[Path, BeforeValidator(lambda value: Path(str(value)).expanduser())]

LakePlace = Annotated[
    Path | str, BeforeValidator(lambda value: value if "://" in str(value) else Path(str(value)).expanduser())
]
"""A local folder as a path, or the URL of an object store as a string."""

_LOGIN = "the URL must not contain a user name or password, because it is not treated as a secret"


def _is_file(path: Path) -> Path:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _is_limit(limit: float) -> float:
    if limit != -1 and not 0 < limit < float("inf"):
        raise ValueError("must be greater than 0, or -1 for no limit")
    return limit


def _is_address_list(servers: str) -> str:
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise ValueError(f"must be a comma-separated list of host:port, not {server.strip()!r}")
    return servers


def is_url(address: str, *schemes: str) -> bool:
    """Return whether an address is a URL of one of these schemes, with a host and without spaces."""
    try:
        parts = urlsplit(address)
        found = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return found and address.isprintable() and " " not in address


def _is_http_address(address: str) -> str:
    if not is_url(address, "http", "https"):
        raise ValueError("must be http://HOST or https://HOST, with a port and a path if needed")
    return address


def _are_http_addresses(addresses: str) -> str:
    for address in addresses.split(","):
        _is_http_address(address.strip())
    return addresses


def _is_secret_address(address: SecretStr) -> SecretStr:
    _is_http_address(address.get_secret_value())
    return address


def _is_without_login(addresses: str) -> str:
    if any(urlsplit(address).username is not None for address in addresses.split(",")):
        raise ValueError(_LOGIN)
    return addresses


HttpAddress = Annotated[str, AfterValidator(_is_http_address), AfterValidator(_is_without_login)]
HttpAddresses = Annotated[str, AfterValidator(_are_http_addresses), AfterValidator(_is_without_login)]
SecretAddress = Annotated[SecretStr, AfterValidator(_is_secret_address)]


def without_login(address: str, setting: str) -> None:
    """Raise ValueError if a URL contains a user name or password. Errors are logged, so this one omits the URL."""
    if "@" in address:
        raise ValueError(f"{setting}: {_LOGIN}")


def web_address(text: str, setting: str) -> str:
    """Return a URL as `https://host[:port]`; a bare host gets `https://`. Raises ValueError for anything else."""
    without_login(text, setting)
    url = text.strip()
    url = (url if "://" in url else f"https://{url}").rstrip("/")
    if not is_url(url, "http", "https") or set(url.partition("://")[2]) & set("/?#"):
        raise ValueError(f"{setting}: must be URLs such as https://mastodon.social, not {text.strip()[:100]!r}")
    return url


def is_local(host: str) -> bool:
    """Return whether a host is this machine; the folder of a Unix socket counts as one."""
    if host == "localhost" or host.startswith("/"):
        return True
    return is_address(host) and ipaddress.ip_address(host).is_loopback


def is_address(host: str) -> bool:
    """Return whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


ExistingFile = Annotated[FilePath, AfterValidator(_is_file)]
Addresses = Annotated[str, AfterValidator(_is_address_list)]
Hours = Annotated[float, AfterValidator(_is_limit)]
Bytes = Annotated[int, AfterValidator(_is_limit)]
