"""DATABASE_URL: its forms, what is said of a wrong one, and no password in any text."""

from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import load_settings

PASSWORD = "p4ss:w0rd@home/with?signs"
QUOTED = "p4ss%3Aw0rd%40home%2Fwith%3Fsigns"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{QUOTED}@localhost/readings",
        f"postgresql+psycopg://user:{QUOTED}@localhost/readings?sslmode=require",
        f"postgres://user@localhost/readings?password={QUOTED}",
    ],
)
def test_a_password_is_in_no_text_of_the_settings(url: str, home: Path) -> None:
    settings = load_settings(database_url=url)
    texts = [repr(settings), str(settings), settings.masked_database_url]
    assert not [text for text in texts if "p4ss" in text]


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://user:{QUOTED}@localhost/readings",
        f"mysql://user:{PASSWORD}@localhost/readings",
        f"postgresql//user:{QUOTED}@localhost/readings",
        f"postgresql://user:{QUOTED}@localhost:port/readings",
        f"mysql://localhost/readings?password={QUOTED}",
        f"mysql://localhost/readings?user=x&PASSWORD={QUOTED}&y=1",
        f"user:{QUOTED}@localhost",
        f"oracle:user:{QUOTED}@localhost",
        "host=127.0.0.1 user=me password=p4ss",
        "password=p4ss",
        "postgresql://user:p4ss@p4ss/p4ss@localhost/readings",
        "postgresql://user:x@p4ss?p4ss@localhost/readings",
        "postgresql://user/x:p4ss@localhost/readings",
        "'postgresql://user:p4ss@localhost/readings'",
        "postgresql+psycopg2://user:p4ss@localhost/readings",
        "postgresql://user:p4ss@localhost:54 32/readings",
        "postgresql://user:p4ss@://localhost",
    ],
)
def test_a_password_is_in_no_error(url: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    shown = [error for error in chain[:2] if error is not None]
    assert not [error for error in shown if "p4ss" in str(error)]
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("url", "start", "advice"),
    [
        ("postgresql+psycopg2://u:x@h/d", "postgresql+psycopg2://***: ",
         "postgresql+psycopg2:// is unknown; it begins with sqlite:/// or postgresql://"),
        ("postgresql:/u@h/d", "***: ", "it begins with sqlite:/// or postgresql://"),
        ("host=h password=x", "***: ", "it begins with sqlite:/// or postgresql://"),
        ("postgresql://u:x@h:port/d", "postgresql://***: ", "its port is no number"),
        ("postgresql://u@h,h2:x/d", "postgresql://***: ", "its port is no number"),
        (" postgresql://u:x@h/d", "***: ", "take away the blanks around it"),
        ('"postgresql://u:x@h/d"', "***: ", "take away the quotes around it"),
        ("postgresql://u:x@h/my d", "postgresql://***: ", "a blank is written %20"),
        ("postgresql://u:x@y/z@h/d", "postgresql://***: ",
         "in a user or password @ is written %40, / %2F and ? %3F"),
        ("sqlite://x.db", "sqlite://x.db: ",
         "a file is needed: three slashes before a path, four before /"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_url_is_named(url: str, start: str, advice: str, home: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(database_url=url)
    message = str(caught.value)
    assert message.startswith(f"DATABASE_URL={start}not allowed; allowed is sqlite:///")
    assert message.endswith(f"; {advice}")


@pytest.mark.parametrize(
    "url", ["postgresql://u@[::1]:5432/d", "postgresql://u@[::1]/d", "postgresql:///d",
            "postgresql://u:a%40b%2Fc@h/d", "postgresql://u:a/b?c@h:5432", "postgres://h1,h2:1/d"],
)  # fmt: skip
def test_urls_of_every_form_are_read(url: str, home: Path) -> None:
    assert load_settings(database_url=url).database_url.startswith("postgresql+psycopg://")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@a:1,b:2/db", "u:p@/db?host=a%3A1&host=b%3A2"),
        ("postgres://u@a,b/db?sslmode=require", "u@/db?host=a&host=b&sslmode=require"),
        ("postgresql+psycopg://a:1,b,c:3", "?host=a%3A1&host=b&host=c%3A3"),
        ("postgresql://u:p,q@a:1/d,b", "u:p%2Cq@a:1/d%2Cb"),
    ],
)
def test_several_servers_are_written_as_libpq_has_them(url: str, expected: str, home: Path) -> None:
    assert load_settings(database_url=url).database_url == f"postgresql+psycopg://{expected}"


def test_a_port_of_several_servers_that_is_none(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL=.*: not allowed; allowed is sqlite:"):
        load_settings(database_url="postgresql://a:x,b:5432/db")
