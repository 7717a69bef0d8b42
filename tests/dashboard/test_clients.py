"""Who asks: addresses behind proxies, and what is this machine."""

from typing import Any

import pytest

from dashboard.clients import client_of, host_in, is_loopback_name
from pipeline.hosts import parse_networks

PROXIES = "127.0.0.1,10.0.0.0/8"
OUTSIDE = "203.0.113.5"


def scope_of(peer: str | None, host: str = "localhost:8000", **headers: str) -> dict[str, Any]:
    """A request; underscores in names of headers stand for hyphens."""
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    client = None if peer is None else (peer, 50_000)
    return {"type": "http", "client": client, "headers": [(b"host", host.encode()), *given]}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST.", "a.localhost", "127.0.0.1:1", "[::1]:80"]
)
def test_this_machine_is_local(peer: str, host: str) -> None:
    client = client_of(scope_of(peer, host), ())
    assert client.is_local
    assert client.is_believed


@pytest.mark.parametrize("peer", [OUTSIDE, "192.168.1.2", "fe80::1%eth0", "::ffff:10.1.1.1", None])
def test_another_machine_is_not(peer: str | None) -> None:
    client = client_of(scope_of(peer), ())
    assert not client.is_local
    assert not client.is_believed


@pytest.mark.parametrize(
    "host",
    ["sensors.example.org", "192.168.1.2", "localhost.example.org", "127.0.0.1.example.org",
     "notlocalhost", "localhost@evil.example", "evil.example#localhost", "", "[::1", "0x7f000001"],
)  # fmt: skip
def test_who_asks_this_machine_by_another_name_may_come_through_a_proxy(host: str) -> None:
    assert not client_of(scope_of("127.0.0.1", host), ()).is_local


def test_two_hosts_are_none() -> None:
    scope = scope_of("127.0.0.1")
    scope["headers"].append((b"host", b"localhost"))
    assert not client_of(scope, ()).is_local


@pytest.mark.parametrize(
    "name",
    ["x_forwarded_for", "forwarded", "x_real_ip", "via", "x_forwarded_host", "x_forwarded_proto"],
)
@pytest.mark.parametrize("proxies", ["", PROXIES])
@pytest.mark.parametrize("value", ["127.0.0.1", "localhost"])
def test_what_came_through_a_proxy_is_never_local(name: str, proxies: str, value: str) -> None:
    scope = scope_of("127.0.0.1", **{name: value})
    assert not client_of(scope, parse_networks(proxies)).is_local


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        pytest.param(OUTSIDE, "1.2.3.4", OUTSIDE, id="a liar"),
        pytest.param("127.0.0.1", OUTSIDE, OUTSIDE, id="one proxy"),
        pytest.param("::ffff:127.0.0.1", OUTSIDE, OUTSIDE, id="one proxy, mapped"),
        pytest.param("127.0.0.1", f"1.2.3.4, {OUTSIDE}", OUTSIDE, id="a liar behind a proxy"),
        pytest.param("127.0.0.1", f"{OUTSIDE},10.0.0.7", OUTSIDE, id="two proxies"),
        pytest.param("127.0.0.1", f"1.1.1.1,{OUTSIDE}, 10.1.1.1 ,10.0.0.7", OUTSIDE, id="three"),
        pytest.param("127.0.0.1", f"{OUTSIDE}:4711", OUTSIDE, id="with a port"),
        pytest.param("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1", id="IPv6 with a port"),
        pytest.param("127.0.0.1", "2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param("127.0.0.1", f"{OUTSIDE}, unknown, 10.0.0.7", "10.0.0.7", id="unknown"),
        pytest.param("127.0.0.1", "", "127.0.0.1", id="nobody"),
        pytest.param("10.0.0.7", "10.0.0.9", "10.0.0.9", id="proxies alone"),
    ],
)
def test_the_last_address_that_is_no_proxy_is_the_client(
    peer: str, forwarded: str, address: str
) -> None:
    scope = scope_of(peer, x_forwarded_for=forwarded)
    assert client_of(scope, parse_networks(PROXIES)).address == address


def test_several_headers_are_one_list() -> None:
    scope = scope_of("127.0.0.1", x_forwarded_for=f"1.2.3.4,{OUTSIDE}")
    scope["headers"].append((b"x-forwarded-for", b"10.0.0.9"))
    assert client_of(scope, parse_networks(PROXIES)).address == OUTSIDE


def test_only_proxies_that_are_trusted_are_believed() -> None:
    scope = scope_of("10.0.0.7", x_forwarded_for=OUTSIDE)
    assert client_of(scope, parse_networks(PROXIES)).is_believed
    assert not client_of(scope, parse_networks("127.0.0.1")).is_believed
    assert client_of(scope, parse_networks("127.0.0.1")).address == "10.0.0.7"


@pytest.mark.parametrize(
    ("text", "host"),
    [("Rig:8000", "rig"), ("rig.", "rig"), ("[::1]:80", "::1"), ("a b", ""), ("a/b", ""),
     ("a:b", ""), ("", ""), ("[::1]x", ""), ("u@rig", "")],
)  # fmt: skip
def test_the_host_of_a_header(text: str, host: str) -> None:
    assert host_in(text) == host


def test_loopback_names() -> None:
    assert is_loopback_name("::1")
    assert not is_loopback_name("0.0.0.0")  # noqa: S104  # compared only
