"""Lists of hosts, origins and networks, as settings write them: separated by commas."""

import ipaddress
import re
from typing import TypeAlias

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

HOSTS_ALLOWED = (
    "empty, or names without scheme and port, such as sensors.example.org, separated by commas"
)
ORIGINS_ALLOWED = (
    "empty, or origins such as https://wiki.example.org, without a path, separated by commas"
)
NETWORKS_ALLOWED = (
    "empty, or addresses and networks, such as 127.0.0.1,10.0.0.0/8, separated by commas"
)
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_ORIGIN = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


def parse_hosts(text: str) -> frozenset[str]:
    """Names of hosts in lower case. Raises ValueError, which says what is allowed."""
    return frozenset(_each(text, _NAME, HOSTS_ALLOWED))


def parse_origins(text: str) -> frozenset[str]:
    """Origins as browsers send them. Raises ValueError, which says what is allowed."""
    return frozenset(_each(text, _ORIGIN, ORIGINS_ALLOWED))


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks; an address is one of its own. Raises ValueError, which says what is allowed."""
    try:
        return tuple(map(ipaddress.ip_network, _parts(text)))
    except ValueError as error:
        raise ValueError(f"{error}; allowed is {NETWORKS_ALLOWED}") from None


def _parts(text: str) -> list[str]:
    return [part for part in (each.strip().lower() for each in text.split(",")) if part]


def _each(text: str, form: re.Pattern[str], allowed: str) -> list[str]:
    parts = _parts(text)
    for part in parts:
        if not form.fullmatch(part):
            raise ValueError(f"{part!r} is not one; allowed is {allowed}")
    return parts
