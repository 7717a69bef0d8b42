"""Lists of hosts, origins and networks: what is read, and what is refused."""

from ipaddress import ip_network

import pytest

from pipeline.hosts import parse_hosts, parse_networks, parse_origins


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", set()),
        (" , ,", set()),
        ("Sensors.Example.org", {"sensors.example.org"}),
        ("rig, test_stand-2 ,rig", {"rig", "test_stand-2"}),
    ],
)
def test_hosts(text: str, found: set[str]) -> None:
    assert parse_hosts(text) == found


@pytest.mark.parametrize(
    "text",
    ["*", ".example.org", "a..b", "-a", "a-", "a:80", "http://a", "a b", "a/b", "[::1]", "ä"],
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match="names without scheme and port"):
        parse_hosts(f"good,{text}")


@pytest.mark.parametrize(
    "text",
    ["https://wiki.example.org", "http://localhost:3000", "https://[::1]:8443", "http://10.0.0.5"],
)
def test_origins(text: str) -> None:
    assert parse_origins(f" {text.upper()} ,") == {text}


@pytest.mark.parametrize(
    "text", ["*", "null", "wiki.example.org", "https://a/", "https://a/b", "ftp://a", "https://u@a"]
)
def test_what_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match="without a path"):
        parse_origins(text)


def test_networks() -> None:
    found = parse_networks("127.0.0.1, 10.0.0.0/8,fd00::/8")
    assert found == tuple(map(ip_network, ("127.0.0.1/32", "10.0.0.0/8", "fd00::/8")))


@pytest.mark.parametrize("text", ["*", "proxy", "10.0.0.5/8", "10.0.0", "10.0.0.0/33", "1"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match="addresses and networks"):
        parse_networks(text)
