"""Backups, their way back, and what is too old to keep."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.shared import (
    Force,
    existing_store,
    known_rigs,
    name_of,
    refuse_missing,
    size,
)
from pipeline.errors import SettingsError
from pipeline.terminal import confirm, errors, progress_bar, used_settings
from pipeline.words import counted


def backup(
    path: Annotated[
        Path,
        typer.Argument(help="File to write: .db or .sqlite of a SQLite database, else an archive."),
    ],
    force: Force = False,
) -> None:
    """Write everything to one file, while others go on reading and writing."""
    from pipeline.transfer.backup import back_up

    settings = used_settings()
    refuse_missing(settings)
    with progress_bar() as progress:
        written = back_up(settings, path, progress, force)
    errors.print(f"{path}: {size(written)}")


def restore(
    path: Annotated[Path, typer.Argument(help="A file that `backup` has written.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of what is stored now.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Verify a backup, and put it into the database in one step."""
    from contextlib import closing

    from pipeline.stores import open_store
    from pipeline.transfer import restore as restoring

    settings = used_settings()
    if replace:
        confirm(f"Replace everything in {name_of(settings)} by {path}?", yes)
    with progress_bar() as progress, restoring.opened(path, settings, progress) as found:
        with closing(open_store(settings)) as store:
            counts = restoring.restore(store, found, replace, progress)
    errors.print(
        f"{name_of(settings)}: {counted(counts['readings'], 'reading')}, "
        f"{counted(counts['rejects'], 'reject')}, {counted(counts['loads'], 'load')}"
    )


def prune(
    older_than: Annotated[str, typer.Option(help="Age: 90d, 12h, 2w or 1y.", metavar="AGE")],
    rig: Annotated[str | None, typer.Option(help="Of this rig only; default: of all.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how much it would be; delete nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete readings, and rejects with a time, that are older than an age."""
    from pipeline import retention
    from pipeline.durations import parse_duration
    from pipeline.stores.base import Pruned
    from pipeline.timestamps import rfc3339

    settings = used_settings()
    try:
        before = retention.age_limit(parse_duration(older_than), datetime.now(UTC))
    except (ValueError, OverflowError) as error:
        raise SettingsError(f"--older-than={error}") from None
    with existing_store(settings) as store:
        if rig is not None:
            known_rigs(store, rig)
        expired = store.expired(before, rig)
        amount = f"{counted(expired.readings, 'reading')} and {counted(expired.rejects, 'reject')}"
        if dry_run or not expired:
            errors.print(f"{amount} are older than {rfc3339(before)}")
        for warning in retention.warnings_of(store, before, rig):
            errors.print(warning)
        if dry_run or not expired:
            return
        confirm(f"Delete {amount} older than {rfc3339(before)}?", yes)
        total = expired.readings + expired.rejects
        with progress_bar() as progress:

            def show(done: Pruned) -> None:
                progress("deleting", done.readings + done.rejects, total)

            pruned = retention.prune(store, before, rig, show)
    errors.print(
        f"{counted(pruned.readings, 'reading')} and {counted(pruned.rejects, 'reject')} deleted"
    )
