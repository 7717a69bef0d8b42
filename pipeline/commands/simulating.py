"""`smart-sensor simulate`: raw readings to try things with."""

import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.shared import Force
from pipeline.errors import SettingsError
from pipeline.terminal import errors
from pipeline.transfer.files import refuse_existing, replacing
from pipeline.words import counted


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
    errors.print(f"{output}: {counted(rows, 'row')}")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with replacing(output) as temporary:
        temporary.write_bytes(text.encode())
