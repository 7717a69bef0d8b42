"""Who asks: the address behind proxies that are believed, and whether it is this machine."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from starlette.types import Scope

from pipeline.hosts import Network

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]*)?")
# What proxies add. A request that has any of these was made somewhere else.
_FORWARDED = frozenset(
    {
        b"cf-connecting-ip",
        b"forwarded",
        b"true-client-ip",
        b"via",
        b"x-client-ip",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-real-ip",
    }
)


# A name has at most 253 characters (RFC 1035), and a port. What is longer is not kept in mind.
_LONGEST_HOST = 260


@dataclass(frozen=True, slots=True)
class Client:
    """Who a request is from.

    `is_local`: somebody at this machine, who may write. `is_believed`: this machine or a trusted
    proxy, whose name for a request is taken over.
    """

    address: str
    is_local: bool
    is_believed: bool


def client_of(scope: Scope, proxies: Sequence[Network]) -> Client:
    """Who asks. Only what proxies of these networks say of others is believed.

    What comes through a proxy is never local, even one of this machine that is not believed, and
    neither is what asks for another name than this machine's own: such a proxy may have hidden
    where it comes from.
    """
    peer = scope.get("client")
    address = address_of(peer[0]) if peer else None
    if address is None:
        return Client("unknown", False, False)
    forwarded = any(name in _FORWARDED for name, _ in scope["headers"])
    if _is_in(address, proxies) and forwarded:
        return Client(_behind(scope, address, proxies), False, True)
    direct = address.is_loopback and not forwarded
    return Client(
        str(address),
        direct and is_loopback_name(host_of(scope)),
        direct or _is_in(address, proxies),
    )


def scheme_of(scope: Scope) -> str | None:
    """The scheme that a proxy says it was asked with."""
    for name, value in scope["headers"]:
        if name == b"x-forwarded-proto" and value in (b"http", b"https"):
            secure = value == b"https"
            return ("wss" if secure else "ws") if scope["type"] == "websocket" else value.decode()
    return None


def address_of(text: str) -> Address | None:
    """An IP address; an IPv4 one that is written as IPv6 is IPv4. None for anything else."""
    return _address_of(text) if text and len(text) <= _LONGEST_HOST else None


@lru_cache(maxsize=4096)
def _address_of(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def host_of(scope: Scope) -> str:
    """The host that is asked for, in lower case and without its port; empty where none is clear."""
    found = [value for name, value in scope["headers"] if name == b"host"]
    return host_in(found[0].decode("latin-1")) if len(found) == 1 else ""


def host_in(text: str) -> str:
    """The host of `host:port`; empty where there is none, or one longer than a name can be."""
    return _host_in(text) if len(text) <= _LONGEST_HOST else ""


@lru_cache(maxsize=1024)
def _host_in(text: str) -> str:
    match = _HOST.fullmatch(text.lower())
    return match[1].strip("[]").rstrip(".") if match else ""


def is_loopback_name(host: str) -> bool:
    """Whether a host is this machine for everybody: no browser asks a server for such a name."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def _behind(scope: Scope, peer: Address, proxies: Sequence[Network]) -> str:
    """The last address of X-Forwarded-For that is no proxy: what stands before it anybody says."""
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    parts = b",".join(values).decode("latin-1").split(",")
    found = peer
    for part in reversed(parts):
        address = address_of(host_in(part.strip())) or address_of(part.strip())
        if address is None:
            break
        found = address
        if not _is_in(address, proxies):
            break
    return str(found)


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
