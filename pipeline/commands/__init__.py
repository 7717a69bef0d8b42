"""Commands of `smart-sensor` that take care of what is stored."""

import typer

from pipeline.commands import database, keeping, moving


def add_commands(app: typer.Typer) -> None:
    """Register them."""
    for command in (
        moving.export,
        moving.import_,
        moving.migrate,
        keeping.backup,
        keeping.restore,
        keeping.prune,
    ):
        app.command(command.__name__.rstrip("_"))(command)
    app.add_typer(database.app, name="db")
