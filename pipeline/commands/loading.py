"""`smart-sensor etl`: read, check, score and store, or preview."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipeline.terminal import errors, heed_interrupts, plain, progress_bar, used_settings
from pipeline.terminal import output as output_console

if TYPE_CHECKING:
    from pipeline.rig import Rig
    from pipeline.settings import Settings


def etl(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="CSV (.gz too) or Parquet files, globs, or - for standard input; "
            "default: DATA_PATH, or the simulation where it does not exist.",
        ),
    ] = None,
    rig_file: Annotated[
        Path | None, typer.Option(help="The rig file (TOML) that describes the channels.")
    ] = None,
    rig: Annotated[
        str | None, typer.Option(help="Name of the rig; a `rig` column in the source wins.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the scored readings as CSV to this file.")
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="Show what would be read; load nothing.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Load a source again that was already loaded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Read, check, score and store files of readings."""
    from pipeline import etl_pipeline, report
    from pipeline.rig import configured_rig

    settings = used_settings()
    heed_interrupts()
    configured = configured_rig(settings, rig_file, rig)
    console = output_console()
    if preview:
        _preview(paths or [], configured, settings, console, as_json)
        return
    with progress_bar(quiet=as_json) as progress:
        summary = etl_pipeline.run_etl(
            paths or [],
            settings=settings,
            rig=configured,
            output=output,
            force=force,
            progress=progress,
        )
    if as_json:
        print(json.dumps(summary.as_dict(), default=plain))
    else:
        report.print_summary(summary, console)
    for source in summary.failed:
        errors.print(f"smart-sensor: {source.error}")
    if summary.failed:
        raise typer.Exit(2)
    if not summary.succeeded:
        if not as_json:
            errors.print("smart-sensor: nothing was accepted; --preview shows why")
        raise typer.Exit(1)


def _preview(
    paths: list[str], rig: "Rig", settings: "Settings", console: Console, as_json: bool
) -> None:
    from dataclasses import asdict

    from pipeline import report
    from pipeline.etl_pipeline import sources_of
    from pipeline.preview import preview

    found = []
    with progress_bar(quiet=as_json) as progress:
        for source in sources_of(paths, settings, rig):
            report_bytes = partial(_report_bytes, progress, source.size_bytes)
            found.append(preview(source, rig, settings.outliers, report_bytes))
    if as_json:
        print(json.dumps([asdict(each) for each in found], default=plain))
        return
    for each in found:
        report.print_preview(each, console)


def _report_bytes(progress: Any, total: int, done: int) -> None:
    progress("reading", done, total)
