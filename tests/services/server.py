"""A server as people start it: a process with settings of its own, and all that it wrote."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = ("dashboard/app.py",)
MAIN = ("main.py",)
_READY_WITHIN_S = 60.0
_STOPPED_WITHIN_S = 15.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(database: Path, **others: Any) -> Settings:
    """All defaults, whatever the environment or a `.env` says, with a database of their own."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return load_settings(**{**defaults, "database_url": f"sqlite:///{database}", **others})


def environment(database: Path, **others: Any) -> dict[str, str]:
    """The environment of a process with these settings; every setting is in it."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    settings = {
        name.upper(): "" if value is None else str(value) for name, value in defaults.items()
    }
    settings |= {"DATABASE_URL": f"sqlite:///{database}", "HOST": "127.0.0.1"}
    given = {name.upper(): str(value) for name, value in others.items()}
    return {**os.environ, **settings, **given}


@dataclass
class Server:
    """A running server; a context manager that stops it."""

    process: subprocess.Popen[bytes]
    port: int
    database: Path
    log_file: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/data"

    @property
    def log(self) -> str:
        """What it has written so far, on either stream."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, wait, and return its exit code. Fails where it does not stop."""
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            return self.process.wait(_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"it did not stop after {with_signal!r}:\n{self.log}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def start_server(
    folder: Path,
    *command: str,
    database: Path | None = None,
    port: int | None = None,
    **settings: Any,
) -> Server:
    """Start a server with its log in `folder`, and wait until it answers.

    `command` is what `python` runs, the dashboard by default; `{port}` in it stands for the port.
    Raises AssertionError with its log where it ends instead.
    """
    database = database or folder / "readings.db"
    port = port or free_port()
    arguments = [part.replace("{port}", str(port)) for part in command or DASHBOARD]
    return launch(
        folder,
        [sys.executable, *arguments],
        port,
        database,
        env=environment(database, **{"port": port, **settings}),
        cwd=ROOT,
    )


def launch(folder: Path, command: list[str], port: int, database: Path, **options: Any) -> Server:
    """Start any command that serves at this port, and wait until it answers.

    Its log is in `folder`; `options` are those of Popen. Raises AssertionError with the log where
    it ends instead.
    """
    log_file = folder / f"server-{port}.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            **options,
        )
    server = Server(process, port, database, log_file)
    try:
        _wait_until_it_answers(server)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return server


@contextmanager
def running_server(folder: Path, *command: str, **options: Any) -> Iterator[Server]:
    """A server for the block; it has to end in order, and without a traceback in its log."""
    with start_server(folder, *command, **options) as server:
        yield server
        code = server.stop()
    assert code == 0, f"exit code {code}:\n{server.log}"
    assert "Traceback" not in server.log, server.log


def run_until_exit(
    database: Path, *command: str, timeout_s: float = 30.0, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command that is expected to end by itself: a server that cannot start."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment(database, **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def _wait_until_it_answers(server: Server) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise AssertionError(f"it ended with {server.process.returncode}:\n{server.log}")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5.0)
        try:
            connection.request("GET", "/api/health")
            connection.getresponse()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise AssertionError(f"it did not answer within {_READY_WITHIN_S:g} s:\n{server.log}")
