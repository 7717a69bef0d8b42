"""DATABASE_PASSWORD_FILE: what it does to DATABASE_URL, and what is refused in which words."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from pipeline.errors import SettingsError
from pipeline.settings import load_settings

PASSWORD = "p4ss:w0rd@home/with?signs und Umlaut ü"
URL = "postgresql://user@localhost/readings"


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgres://user@localhost:5433/readings",
        "postgresql+psycopg://user@localhost/readings?sslmode=require",
        "postgresql://user@/readings?host=/run/postgresql",
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_its_line_becomes_the_password(url: str, end: str, home: Path) -> None:
    (home / "password").write_bytes((PASSWORD + end).encode())
    settings = load_settings(database_url=url, database_password_file="password")
    # Everything but the name of the driver stays.
    expected, found = (make_url(each).set(drivername="x") for each in (url, settings.database_url))
    assert found == expected.set(password=PASSWORD)
    texts = [repr(settings), str(settings), settings.masked_database_url]
    assert not [text for text in texts if "p4ss" in text]


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_it_is_set_as_any_other_setting(
    where: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = {"DATABASE_URL": URL, "DATABASE_PASSWORD_FILE": "password"}
    (home / "password").write_text("p4ss\n")
    monkeypatch.delenv("DATABASE_URL")
    if where == "environment":
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
    else:
        (home / ".env").write_text("".join(f"{name}={variables[name]}\n" for name in variables))
    assert make_url(load_settings().database_url).password == "p4ss"


@pytest.mark.parametrize(
    ("content", "problem", "advice"),
    [
        pytest.param(b"", "one line is needed", "nothing else", id="empty"),
        pytest.param(b"\n", "one line is needed", "nothing else", id="blank line"),
        pytest.param(b"p4ss\nmore\n", "one line is needed", "nothing else", id="two lines"),
        pytest.param(b"p4ss\n\n", "one line is needed", "nothing else", id="a line too many"),
        pytest.param(b"p4ss\0", "one line is needed", "nothing else", id="zero byte"),
        pytest.param(b"p4ss\xfc", "not UTF-8 text", "save it as UTF-8", id="another encoding"),
    ],
)
def test_other_content_is_one_line_without_the_secret(
    content: bytes, problem: str, advice: str, home: Path
) -> None:
    (home / "password").write_bytes(content)
    message = _refusal(URL)
    assert message.startswith(f"DATABASE_PASSWORD_FILE={home / 'password'}: {problem}")
    assert advice in message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(FileNotFoundError(2, "No such file or directory"), "No such file", id="none"),
        pytest.param(IsADirectoryError(21, "Is a directory"), "Is a directory", id="folder"),
        pytest.param(PermissionError(13, "Permission denied"), "Permission denied", id="closed"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(
    error: OSError, reason: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> str:
        raise error

    monkeypatch.setattr(Path, "read_text", refuse)
    message = _refusal(URL)
    path = home / "password"
    assert message.startswith(f"DATABASE_PASSWORD_FILE={path}: cannot be read: {reason}")
    assert message.endswith("; write the password into that file, or name another one")


def test_a_missing_file_is_named(home: Path) -> None:
    assert "cannot be read: " in _refusal(URL)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        pytest.param("sqlite:///x.db", "DATABASE_URL leads to SQLite", id="SQLite"),
        pytest.param("postgresql://u:p4ss@host/x", "a password already", id="in the URL"),
        pytest.param(
            "postgresql://u@host/x?password=p4ss", "a password already", id="in its query"
        ),
        pytest.param("postgresql://host/x", "DATABASE_URL names no user", id="no user"),
    ],
)
def test_where_it_would_have_no_effect_it_is_refused(url: str, problem: str, home: Path) -> None:
    """Whoever names one means a server: readings must not silently go to a file instead."""
    (home / "password").write_text("p4ss")
    assert problem in _refusal(url)


def test_an_empty_setting_is_none(home: Path) -> None:
    settings = load_settings(database_password_file="")
    assert settings.database_password_file is None
    assert settings.database_url == f"sqlite:///{home}/processed.db"


def _refusal(url: str) -> str:
    """The one line that refuses the file `password` for this URL."""
    with pytest.raises(SettingsError) as caught:
        load_settings(database_url=url, database_password_file="password")
    message = str(caught.value)
    assert message.startswith("DATABASE_PASSWORD_FILE=")
    assert "\n" not in message
    assert "p4ss" not in message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message
