"""`smart-sensor token`: who may write from another machine, and read where that needs a token."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.commands.shared import existing_store
from pipeline.terminal import errors, output, plain, used_settings
from pipeline.tokens import Scope, made_token

app = typer.Typer(help="Tokens of programs and people on other machines.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what it is for, such as test-stand-2.")],
    scope: Annotated[Scope, typer.Option(help="What it may.")],
) -> None:
    """Make a token and show it, this once: only its digest is stored."""
    from contextlib import closing

    from pipeline.stores import open_store

    settings = used_settings()
    token, secret = made_token(name, scope, datetime.now(UTC))
    with closing(open_store(settings)) as store:
        store.add_token(token)
    print(secret)
    errors.print(f"token {name} may {scope.value}; it is shown this once, so keep it now")


@app.command("list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """All tokens, never their secrets; the last use is right to an hour."""
    from pipeline.timestamps import rfc3339

    settings = used_settings()
    with existing_store(settings) as store:
        tokens = store.tokens()
    fields = ("name", "scope", "created_at", "last_used_at", "revoked_at")
    rows = [{field: getattr(token, field) for field in fields} for token in tokens]
    if as_json:
        print(json.dumps(rows, default=plain))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("name", "scope", "created", "last used", "revoked"):
        table.add_column(heading)
    for row in rows:
        times = (row[field] for field in fields[2:])
        shown = (rfc3339(time) if time else "-" for time in times)
        table.add_row(Text(row["name"]), Text(row["scope"]), *shown)
    output().print(table)


@app.command()
def revoke(name: Annotated[str, typer.Argument(help="The token's name.")]) -> None:
    """Refuse a token from now on; servers that run notice within seconds."""
    settings = used_settings()
    with existing_store(settings) as store:
        revoked = store.revoke_token(name, datetime.now(UTC))
    errors.print(f"token {name} is revoked" if revoked else f"token {name} was revoked before")
