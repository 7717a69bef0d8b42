"""DATABASE_PASSWORD_FILE: the password of DATABASE_URL, from a file of its own."""

from pathlib import Path

from sqlalchemy.engine import URL

from pipeline.errors import SettingsError


def with_password(url: URL, file: Path) -> URL:
    """The URL with the password that stands in `file`. Raises SettingsError, without the secret."""
    name = f"DATABASE_PASSWORD_FILE={file}"
    if url.get_backend_name() == "sqlite":
        raise SettingsError(
            f"{name}: DATABASE_URL leads to SQLite, which has no password; "
            "set DATABASE_URL to a PostgreSQL database, or remove DATABASE_PASSWORD_FILE"
        )
    if url.password is not None or "password" in url.query:
        raise SettingsError(f"{name}: DATABASE_URL has a password already; keep one of the two")
    if url.username is None:
        raise SettingsError(
            f"{name}: DATABASE_URL names no user; write postgresql://user@host/database"
        )
    return url.set(password=_read_password(file, name))


def _read_password(file: Path, name: str) -> str:
    """The only line of `file`. Raises SettingsError that begins with `name`."""
    try:
        password = file.read_text(encoding="utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: not UTF-8 text; save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(
            f"{name}: cannot be read: {error.strerror}; "
            "write the password into that file, or name another one"
        ) from None
    if not password or "\n" in password or "\0" in password:
        raise SettingsError(f"{name}: one line is needed, with the password and nothing else")
    return password
