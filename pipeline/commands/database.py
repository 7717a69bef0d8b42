"""`smart-sensor db`: the state of the database, its schema, and whether its accounts agree."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.commands.shared import existing_store, known_rigs, name_of, size
from pipeline.terminal import errors, output, plain, progress_bar, used_settings

app = typer.Typer(help="State, schema and accounts of the database.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def status(as_json: AsJson = False) -> None:
    """What the database is, and what is in it."""
    from pipeline.timestamps import rfc3339

    settings = used_settings()
    with existing_store(settings, adopting=False) as store:
        found = store.status()
    rows = sum(found.readings.values())
    if as_json:
        print(json.dumps({**asdict(found), "rows": rows}, default=plain))
        return
    last = rfc3339(found.last_timestamp) if found.last_timestamp else "none"
    table = Table.grid(padding=(0, 2))
    copy = [("state", "an unfinished copy; start `smart-sensor migrate` again")]
    for name, value in (
        ("database", name_of(settings)),
        *(copy if found.unfinished_copy else []),
        ("backend", f"{found.backend} {found.server_version}"),
        ("table", found.table),
        ("schema", found.schema_step),
        ("size on disk", f"{size(found.size_bytes)} ({found.size_bytes:,} bytes)"),
        ("readings", f"{rows:,}"),
        *((f"  {rig}", f"{count:,}") for rig, count in found.readings.items()),
        ("rejects", f"{found.rejects:,}"),
        ("loads", f"{sum(found.loads.values()):,}"),
        *((f"  {name}", f"{count:,}") for name, count in sorted(found.loads.items())),
        ("last reading", last),
    ):
        table.add_row(Text(name), Text(value))
    output().print(table)


@app.command()
def upgrade() -> None:
    """Bring the schema up to date, as opening the database does, and say what was done."""
    from contextlib import closing

    from pipeline.db_utils import get_engine
    from pipeline.stores import open_store
    from pipeline.stores.migrations import MIGRATIONS, recorded

    settings = used_settings()
    before = recorded(get_engine(settings), settings.table_name)
    with closing(open_store(settings)):
        pass
    applied = [name for name in MIGRATIONS if name not in before]
    for name in applied:
        print(f"{name}: applied")
    if not applied:
        print(f"nothing to do: the schema is at {max(MIGRATIONS)}")


@app.command()
def rebuild_rollups(
    rig: Annotated[str | None, typer.Option(help="Of this rig only; default: of all.")] = None,
) -> None:
    """Make the roll-ups anew from the readings; stopped, it goes on from there."""
    settings = used_settings()
    with existing_store(settings) as store, progress_bar() as progress:
        for stored in known_rigs(store, rig):
            name = stored.rig.name
            for step in store.rebuild_rollups(name):
                progress(f"rolling up {name}", step.at, step.of)
    errors.print("every roll-up is made anew")


@app.command()
def check(
    as_json: AsJson = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every roll-up with the readings, too.")
    ] = False,
) -> None:
    """Look whether every reading is accounted for; exit code 1 where something is wrong."""
    settings = used_settings()
    with existing_store(settings, adopting=False) as store:
        findings = store.check(deep)
    wrong = any(finding.wrong for finding in findings)
    if as_json:
        print(json.dumps({"sound": not wrong, "findings": [asdict(each) for each in findings]}))
    else:
        for finding in findings:
            print(f"{'wrong' if finding.wrong else 'note'}: {finding.text}")
        if not wrong:
            print("everything is accounted for")
    if wrong:
        raise typer.Exit(1)
