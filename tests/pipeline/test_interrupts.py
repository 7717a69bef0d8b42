"""Ctrl+C and SIGTERM at any command: it ends at once, says so, and leaves nothing half done."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from pipeline.db_utils import get_engine
from pipeline.settings import load_settings
from pipeline.stores import interrupts
from tests.conftest import ROOT, Command

if os.name == "nt":
    pytest.skip("signals and terminals are of POSIX", allow_module_level=True)

import pty

SAMPLE = str(ROOT / "data" / "simulated_raw.csv")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """A command in a process of its own, in `home`."""
    begun = []

    def run(url: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "DATABASE_URL": url, "COLUMNS": "200"}
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *arguments],
            cwd=home, env={**environment, "PYTHONPATH": str(ROOT)}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options,
        )  # type: ignore[call-overload]  # fmt: skip  # options of its own
        begun.append(process)
        return process  # type: ignore[no-any-return]

    yield run
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["prune", "--older-than", "1h"], "what was deleted is accounted for"),
        (["restore", "b.zip", "--replace"], "nothing was changed"),
    ],
)
def test_at_a_question(
    arguments: list[str], left: str, start: Start, smart_sensor: Command, home: Path
) -> None:
    assert smart_sensor("etl", SAMPLE).code == 0
    assert smart_sensor("backup", "b.zip").code == 0
    keyboard, terminal = pty.openpty()
    running = start(os.environ["DATABASE_URL"], *arguments, stdin=terminal)
    assert running.stderr is not None
    asked = ""
    while not asked.endswith("[y/N]"):
        asked += running.stderr.read(1)
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=20)[1]
    os.close(keyboard)
    os.close(terminal)
    assert running.returncode == 130
    assert said.splitlines()[-1] == f"smart-sensor: interrupted; {left}"
    assert "Aborted" not in said


@pytest.mark.parametrize(("number", "arguments"), [
    (signal.SIGINT, ["export", "x.parquet"]),
    (signal.SIGINT, ["backup", "x.zip"]),
    (signal.SIGINT, ["migrate", "--to", "sqlite:///y.db"]),
    (signal.SIGINT, ["restore", "b.zip", "--replace", "--yes"]),
    (signal.SIGTERM, ["export", "x.parquet"]),
])  # fmt: skip
def test_while_postgres_lets_it_wait(
    arguments: list[str], number: signal.Signals, start: Start, smart_sensor: Command,
    home: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    assert smart_sensor("etl", SAMPLE).code == 0
    assert smart_sensor("backup", "b.zip").code == 0
    engine = get_engine(load_settings())
    with engine.begin() as connection:
        connection.execute(sa.text("LOCK TABLE sensor_data IN ACCESS EXCLUSIVE MODE"))
        running = start(postgres_url, *arguments)
        _until_it_waits(engine)
        running.send_signal(number)
        said = running.communicate(timeout=20)[1]
    assert running.returncode == 128 + number
    assert said.startswith("smart-sensor: interrupted; ")
    assert len(said.splitlines()) == 1
    assert {path.name for path in home.iterdir()} <= {"b.zip", "y.db", "y.db-shm", "y.db-wal"}


def _until_it_waits(engine: sa.Engine) -> None:
    waiting = sa.text("SELECT 1 FROM pg_locks WHERE NOT granted AND database IS NOT NULL")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with engine.connect() as connection:
            if connection.scalar(waiting):
                return
        time.sleep(0.05)
    pytest.fail("it never waited")


def test_a_copy_does_not_run_on_to_its_end(postgres_url: str) -> None:
    """The server itself reads what is sent to the end, though it was told to cancel."""
    from pipeline.stores.arrow import arrow_engine, copy_into

    sent = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal sent
        for sent in range(200):
            if sent == 2:
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.02)
            yield pl.DataFrame({"n": range(1000)})

    engine = arrow_engine(get_engine(load_settings(database_url=postgres_url)).url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE numbers (n bigint)")
    with engine.connect() as connection, pytest.raises(KeyboardInterrupt):
        copy_into(connection, "numbers", None, frames())
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM numbers").scalar() == 0
    engine.dispose()
    assert sent < 50


def test_an_interrupt_is_not_lost_when_the_call_ends_first() -> None:
    done = []

    def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        done.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupts.waiting(work, (), {}, lambda: None)
    assert done == [True]


def test_errors_and_results_of_calls_come_through() -> None:
    assert interrupts.waiting(divmod, (7, 2), {}, lambda: None) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        interrupts.waiting(divmod, (7, 0), {}, lambda: None)


def test_another_thread_waits_by_itself() -> None:
    seen: list[threading.Thread] = []
    waits = threading.Thread(
        target=interrupts.waiting,
        args=(lambda: seen.append(threading.current_thread()), (), {}, lambda: None),
    )
    waits.start()
    waits.join()
    assert seen == [waits]
