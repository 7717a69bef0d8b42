"""The commands of `smart-sensor`.

Modules of commands import what is heavy (Polars, SQLAlchemy, settings) inside of their functions:
`--help` does not wait for it.
"""

from typing import Annotated

import typer

from pipeline import __version__
from pipeline.commands import database, keeping, loading, moving, running, simulating, tokens

app = typer.Typer(
    name="smart-sensor",
    help="Read, check, score, store and show the readings of a test rig.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"smart-sensor {__version__}")
        raise typer.Exit


# As `--help` lists them.
for command in (
    moving.export,
    moving.import_,
    moving.migrate,
    keeping.backup,
    keeping.restore,
    keeping.prune,
    loading.etl,
    running.serve,
):
    app.command(command.__name__.rstrip("_"))(command)
whatever_follows = {"ignore_unknown_options": True, "allow_extra_args": True}
app.command("run", context_settings=whatever_follows)(running.run_main)
app.command()(simulating.simulate)
app.add_typer(database.app, name="db")
app.add_typer(tokens.app, name="token")
