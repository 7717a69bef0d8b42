"""What every command does on a terminal: settings and log, a progress bar, questions, JSON."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipeline.errors import SmartSensorError

if TYPE_CHECKING:
    from pipeline.settings import Settings

# A line that goes into a file or another program is not broken where a terminal would end.
_PIPED_WIDTH = 1000

errors = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def used_settings() -> "Settings":
    """The settings of this process; from here on its log goes to standard error."""
    from pipeline.settings import get_settings

    settings = get_settings()
    logging.basicConfig(
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    return settings


def output() -> Console:
    """Where results are printed as text: as wide as the terminal, and elsewhere as need be."""
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPED_WIDTH
    return console


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Any]:
    """A bar on a terminal; elsewhere a log line at every tenth of a stage."""
    if quiet or not sys.stderr.isatty():
        yield _LoggedProgress() if not quiet else (lambda stage, done, total: None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage.capitalize(), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield show


class _LoggedProgress:
    """Says how far a long stage is; a short one says nothing."""

    _LEAST = 50_000_000

    def __init__(self) -> None:
        self._said: dict[str, int] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        least = self._LEAST if stage == "reading" else self._LEAST // 40
        tenth = 10 * done // max(total, 1)
        if total >= least and tenth > self._said.get(stage, 0):
            self._said[stage] = tenth
            logging.getLogger("smart-sensor").info("%s: %d %%", stage, 10 * tenth)


def plain(value: Any) -> Any:
    """For `json.dumps`: a time as the text that we write. Raises TypeError for anything else."""
    if isinstance(value, datetime):
        from pipeline.timestamps import rfc3339

        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def confirm(question: str, yes: bool) -> None:
    """Ask on a terminal unless `yes`; stops the command when the answer is no.

    Raises SmartSensorError where nobody can be asked, KeyboardInterrupt for Ctrl+C.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise SmartSensorError(f"{question} Nobody can be asked here: say --yes to go ahead")
    heed_interrupts()
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort as abort:
        typer.echo(err=True)
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        agreed = False
    if not agreed:
        raise typer.Exit(1)


def heed_interrupts() -> None:
    """Let Ctrl+C end a wait for the keyboard: Polars has SIGINT begin such a wait anew."""
    if hasattr(signal, "siginterrupt"):  # Windows needs none
        signal.siginterrupt(signal.SIGINT, True)
