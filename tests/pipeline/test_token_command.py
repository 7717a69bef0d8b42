"""`smart-sensor token`: shown once, listed, revoked; and names that are refused."""

import json
import re
from pathlib import Path

import pytest

from tests.conftest import Command

SECRET = re.compile(r"sst_[A-Za-z0-9_-]{43}\n")


def test_a_token_is_shown_once_alone_on_standard_output(smart_sensor: Command, home: Path) -> None:
    created = smart_sensor("token", "create", "bench", "--scope", "write")
    assert created.code == 0
    assert SECRET.fullmatch(created.out)
    assert created.err == "token bench may write; it is shown this once, so keep it now\n"
    secret = created.out.strip()
    listed = smart_sensor("token", "list")
    assert "bench" in listed.out
    assert secret not in listed.out + listed.err
    kept = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
    assert secret.encode() not in kept
    assert secret.removeprefix("sst_").encode() not in kept


def test_two_tokens_are_not_the_same(smart_sensor: Command) -> None:
    first = smart_sensor("token", "create", "a", "--scope", "read").out
    assert first != smart_sensor("token", "create", "b", "--scope", "read").out


def test_tokens_are_listed_for_programs_and_revoked(smart_sensor: Command) -> None:
    smart_sensor("token", "create", "bench", "--scope", "admin")
    (row,) = json.loads(smart_sensor("token", "list", "--json").out)
    assert (row["name"], row["scope"]) == ("bench", "admin")
    assert (row["last_used_at"], row["revoked_at"]) == (None, None)
    assert set(row) == {"name", "scope", "created_at", "last_used_at", "revoked_at"}
    assert smart_sensor("token", "revoke", "bench").err == "token bench is revoked\n"
    (row,) = json.loads(smart_sensor("token", "list", "--json").out)
    assert row["revoked_at"] >= row["created_at"]
    again = smart_sensor("token", "revoke", "bench")
    assert (again.code, again.err) == (0, "token bench was revoked before\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create", "a b", "--scope", "read"), "'a b' is not a name for a token; allowed are up"),
        (("create", "x" * 65, "--scope", "read"), "is not a name for a token"),
        (("create", "bench", "--scope", "all"), "'all'"),
        (("create", "bench"), "--scope"),
        (("create", "old", "--scope", "read"), "there is a token 'old' already"),
        (("revoke", "nobody"), "there is no token 'nobody'; there are: old"),
    ],
)
def test_what_is_refused(smart_sensor: Command, arguments: tuple[str, ...], words: str) -> None:
    smart_sensor("token", "create", "old", "--scope", "read")
    finished = smart_sensor("token", *arguments)
    assert (finished.code, finished.out) == (2, "")
    assert words in finished.err
    assert "Traceback" not in finished.err


def test_where_there_is_no_database_none_is_made_to_list_it(
    smart_sensor: Command, home: Path
) -> None:
    finished = smart_sensor("token", "list")
    assert finished.code == 2
    assert "there is no such database" in finished.err
    assert list(home.iterdir()) == []
