"""Readings to other places: a file, another database, and back."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.shared import Force, existing_store, name_of, refuse_missing, selections
from pipeline.errors import DatabaseError, SettingsError
from pipeline.terminal import errors, progress_bar, used_settings
from pipeline.words import counted

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.stores import Store


class Format(StrEnum):
    """What `export` writes."""

    PARQUET = "parquet"
    CSV = "csv"


def export(
    path: Annotated[str, typer.Argument(help="File to write; - is standard output, with CSV.")],
    format: Annotated[
        Format | None, typer.Option(help="Default: by the ending .parquet, .csv or .csv.gz.")
    ] = None,
    rig: Annotated[str | None, typer.Option(help="Readings of this rig; default: all.")] = None,
    start: Annotated[str | None, typer.Option(help="From this time on.")] = None,
    end: Annotated[str | None, typer.Option(help="Before this time.")] = None,
    date: Annotated[
        str | None, typer.Option(help="One day (YYYY-MM-DD) in the rig's time zone.")
    ] = None,
    force: Force = False,
) -> None:
    """Write stored readings, scores and levels to a Parquet or CSV file."""
    from pipeline.transfer.export import export_readings, format_of, refuse_format
    from pipeline.transfer.files import refuse_existing

    settings = used_settings()
    chosen = format.value if format else format_of(path)
    refuse_format(path, chosen)
    refuse_existing(Path(path), force or path == "-")
    with existing_store(settings) as store, progress_bar() as progress:
        rows = export_readings(
            store,
            None if path == "-" else Path(path),
            chosen,
            selections(store, rig, start, end, date),
            progress,
        )
    if path != "-":
        errors.print(f"{path}: {counted(rows, 'reading')}")


def import_(
    path: Annotated[Path, typer.Argument(help="A Parquet file of `export`, or an archive.")],
    force: Annotated[
        bool, typer.Option("--force", help="Import a file again that was already imported.")
    ] = False,
) -> None:
    """Store exported readings as they are, one load for each set of channels."""
    from contextlib import closing

    from pipeline.stores import open_store
    from pipeline.transfer.imports import import_readings

    settings = used_settings()
    with closing(open_store(settings)) as store, progress_bar() as progress:
        for found in import_readings(store, path, force, progress):
            if found.status == "already loaded":
                errors.print(
                    f"{path}: already imported as load {found.load_id}, nothing to do "
                    "(--force imports it again)"
                )
            else:
                errors.print(f"{path}: {counted(found.accepted, 'reading')}, load {found.load_id}")


def migrate(
    to: Annotated[str, typer.Option(help="URL of the other database.", metavar="URL")],
) -> None:
    """Copy everything from DATABASE_URL to another database, and compare both."""
    from contextlib import closing

    from pipeline.stores import open_store
    from pipeline.transfer.copy import copy_store

    settings = used_settings()
    other = _settings_of(to, settings)
    if other.database_url == settings.database_url:
        raise SettingsError(f"--to={name_of(other)}: is DATABASE_URL itself")
    refuse_missing(settings)
    with (
        closing(open_store(settings)) as source,
        closing(_opened(other)) as target,
        progress_bar() as progress,
    ):
        copied = copy_store(source, target, progress)
    errors.print(
        f"{name_of(other)}: {counted(copied.readings, 'reading')} on "
        f"{counted(copied.days, 'day')} of rigs, {counted(copied.rejects, 'reject')}, "
        f"{counted(copied.loads, 'load')}; counts and checksums "
        f"agree ({counted(copied.copied_readings, 'reading')} copied by this run)"
    )
    if copied.missed_changes:
        missed = counted(copied.missed_changes, "change")
        errors.print(
            f"smart-sensor: {missed} came to the source after its last "
            "moment was copied, and not to the copy. Stop its writers and copy again"
        )
        raise typer.Exit(1)


def _opened(other: "Settings") -> "Store":
    """The target's store; what is wrong with it is said of --to."""
    from pipeline.stores import open_store

    try:
        return open_store(other)
    except DatabaseError as error:
        raise type(error)(str(error).replace("DATABASE_URL", "--to")) from None


def _settings_of(url: str, settings: "Settings") -> "Settings":
    from pipeline.settings import load_settings

    try:
        # DATABASE_PASSWORD_FILE is of the source.
        other = load_settings(database_url=url, database_password_file=None)
    except SettingsError as error:
        raise SettingsError(str(error).replace("DATABASE_URL=", "--to=", 1)) from None
    return settings.model_copy(update={"database_url": other.database_url})
