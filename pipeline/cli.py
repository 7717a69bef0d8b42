"""The `smart-sensor` command."""

import json
import os
import runpy
import signal
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pipeline import __version__
from pipeline.commands import add_commands
from pipeline.commands.shared import Force
from pipeline.errors import SettingsError, SmartSensorError
from pipeline.paths import resource
from pipeline.settings import Settings
from pipeline.terminal import errors, heed_interrupts, plain, progress_bar, used_settings
from pipeline.terminal import output as output_console
from pipeline.transfer.files import refuse_existing, replacing

app = typer.Typer(
    name="smart-sensor",
    help="Read, check, score, store and show the readings of a test rig.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
add_commands(app)


# What is left behind when somebody presses Ctrl+C.
INTERRUPTED = {
    "backup": "no file was written",
    "etl": "what was not finished is not stored",
    "export": "no file was written",
    "import": "nothing was stored",
    "migrate": "the same command goes on from here",
    "prune": "what was deleted is accounted for",
    "restore": "nothing was changed",
    "simulate": "no file was written",
}


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl+C does: nothing is left half done."""


def main() -> None:
    """Entry point of the `smart-sensor` command."""
    if INTERRUPTED.keys() & sys.argv[1:2]:
        signal.signal(signal.SIGTERM, _terminate)
    run(sys.argv[1:])


def _terminate(_number: int, _frame: object) -> None:
    raise _Terminated


def run(arguments: Sequence[str]) -> None:
    """Run a command line and exit: 0 done, 1 nothing accepted, 2 bad use, 130 or 143 stopped."""
    try:
        app(list(arguments), prog_name="smart-sensor")
    except SmartSensorError as error:
        errors.print(f"smart-sensor: {error}")
        sys.exit(2)
    except SystemExit as stop:
        # Typer makes exits of these two by itself.
        if isinstance(stop.__context__, BrokenPipeError):
            # The reader of our output has gone (`| head`): nothing is left to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        if stop.code == 130 and arguments and arguments[0] in INTERRUPTED:
            errors.print(f"smart-sensor: interrupted; {INTERRUPTED[arguments[0]]}")
            if isinstance(getattr(stop.__context__, "__cause__", None), _Terminated):
                sys.exit(143)
        raise


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"smart-sensor {__version__}")
        raise typer.Exit


@app.command()
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
    # Imported here: `--help` and `serve` should not wait for Polars.
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
    paths: list[str], rig: Any, settings: Settings, console: Console, as_json: bool
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


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default PORT.")] = None,
) -> None:
    """Serve the dashboard and its API, as `python dashboard/app.py` does."""
    for name, value in (("HOST", host), ("PORT", port)):
        if value is not None:
            os.environ[name] = str(value)
    used_settings()
    # By name: the pipeline knows nothing of the web, and does not import it.
    runpy.run_module("dashboard.app", run_name="__main__", alter_sys=True)


@app.command("run", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run_main(context: typer.Context) -> None:
    """The small application in one command, with a live simulation: `python main.py`."""
    used_settings()
    sys.argv = ["main.py", *context.args]
    runpy.run_path(str(resource("main.py")), run_name="__main__")


@app.command()
def simulate(
    output: Annotated[
        Path | None, typer.Argument(help="CSV file to write; default: standard output.")
    ] = None,
    rows: Annotated[
        int | None,
        typer.Option(min=1, help="Number of rows; default: the sample of 100 readings."),
    ] = None,
    interval: Annotated[
        float, typer.Option(min=1e-6, help="Seconds between rows, with --rows.")
    ] = 1.0,
    start: Annotated[datetime | None, typer.Option(help="Time of the first row, in UTC.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same rows.")] = 42,
    fault_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of faulty rows, with --rows.")
    ] = 0.0,
    force: Force = False,
) -> None:
    """Write simulated raw readings as CSV; without options those of data/simulated_raw.csv."""
    from datetime import UTC

    from pipeline import simulate as simulation

    beginning = (start or datetime(2025, 7, 13)).replace(tzinfo=UTC)  # noqa: DTZ001  # made aware
    output = None if output == Path("-") else output
    if output is not None:
        refuse_existing(output, force)
    if rows is None:
        text = simulation.raw_csv(simulation.sample(beginning, seed))
        _write(text, output)
        return
    if output is None:
        raise SettingsError("simulate --rows needs a file to write: smart-sensor simulate FILE")
    with replacing(output) as temporary:
        simulation.write_csv(
            temporary,
            rows,
            interval=timedelta(seconds=interval),
            start=beginning,
            seed=seed,
            fault_rate=fault_rate,
        )
    errors.print(f"{output}: {rows:,} rows")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with replacing(output) as temporary:
        temporary.write_bytes(text.encode())


if __name__ == "__main__":
    main()
