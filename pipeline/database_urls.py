"""URLs of databases: read as somebody wrote them, or refused in words that show no password."""

import re

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

# How a database may be named, and what SQLAlchemy calls it.
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
# Several servers as libpq has them: host1:port1,host2:port2.
_HOST = r"[^/?@:,]+(?::\d+)?"
_SEVERAL_HOSTS = re.compile(
    rf"(postgres[a-z+]*://(?:[^/?]*@)?)({_HOST}(?:,{_HOST})+)(/[^?]*)?\??(.*)"
)
_SCHEME = re.compile(r"[a-z][a-z0-9]*(\+[a-z0-9]+)?")
_NO_NUMBER = re.compile(r"[^/?]*:(?!\d*(?:[/?,]|$))")
_ENCODED = "in a user or password @ is written %40, / %2F and ? %3F"


def parsed(text: str) -> URL:
    """A URL with the driver that we use. Raises ValueError that says what is wrong."""
    problem = _problem(text)
    if problem is not None:
        raise ValueError(problem)
    try:
        url = make_url(_with_hosts_apart(text))
    except (ArgumentError, ValueError):
        raise ValueError(_ENCODED) from None
    driver = _DRIVERS[url.drivername]
    if driver == "sqlite":
        if url.host:
            raise ValueError("a file is needed: three slashes before a path, four before /")
        if not url.database or url.database == ":memory:":
            raise ValueError("a file is needed")
    elif "@" in f"{url.host}{url.database}":
        raise ValueError(_ENCODED)
    return url.set(drivername=driver)


def masked(text: str) -> str:
    """What may be shown of a text that is perhaps no URL: nothing that may be a password."""
    scheme, separator, rest = text.partition("://")
    if not re.search(r"[@?]" if scheme == "sqlite" else r"[@?:=\s'\"]", rest or text):
        return text
    return f"{scheme}://***" if separator and _SCHEME.fullmatch(scheme) else "***"


def _problem(text: str) -> str | None:
    """What is wrong at first sight."""
    if text[:1] in ("'", '"') or text[-1:] in ("'", '"'):
        return "take away the quotes around it"
    if text != text.strip():
        return "take away the blanks around it"
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "it begins with sqlite:/// or postgresql://"
    if scheme not in _DRIVERS:
        known = f"{scheme}:// is unknown; " if _SCHEME.fullmatch(scheme) else ""
        return f"{known}it begins with sqlite:/// or postgresql://"
    if scheme.startswith("sqlite"):
        return None
    # SQLAlchemy writes a blank in a password as it is.
    if re.search(r"\s", rest.rpartition("@")[2].partition("?")[0]):
        return "a blank is written %20"
    if rest.count("@") > 1:
        return _ENCODED
    if _NO_NUMBER.match(rest.rpartition("@")[2]) and "[" not in rest:
        return "its port is no number"
    return None


def _with_hosts_apart(url: str) -> str:
    """A URL of several servers as SQLAlchemy has it; any other one as it is."""
    found = _SEVERAL_HOSTS.fullmatch(url)
    if found is None:
        return url
    beginning, hosts, path, query = found.groups("")
    return f"{beginning}{path}?{'&'.join([*(f'host={h}' for h in hosts.split(',')), query])}"
