"""The download: the database row by row, and nothing that a spreadsheet would run."""

import asyncio
import csv
import io
import json
import math
import random
import re
import struct
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import pytest

from dashboard import export_formats
from dashboard.app import create_app
from dashboard.export_formats import FORMATS
from dashboard.file_names import disposition
from pipeline.rig import load_rig
from pipeline.settings import default_rig_file
from pipeline.stores import open_store
from pipeline.stores.base import Range, StoredRig
from pipeline.timestamps import EPOCH, to_microseconds
from tests.dashboard import made
from tests.dashboard.conftest import Asked, download_scope
from tests.services.server import settings_for

PROPULSION = load_rig(default_rig_file())
RIGS = {
    "rig-1": PROPULSION,
    "shaker-7": made.vibration_rig(),
    "static-fire": made.static_fire_rig(),
}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6})?Z")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def number(text: str) -> float | None:
    return float(text) if text else None


@pytest.mark.parametrize("name", RIGS)
def test_a_download_is_the_database_row_by_row(house: Asked, name: str) -> None:
    rig = RIGS[name]
    columns = ["rig", "timestamp", *rig.value_columns]
    stored = house.sql(
        f"SELECT {', '.join(columns)} FROM sensor_data WHERE rig = ? ORDER BY timestamp",  # noqa: S608  # names from a rig file
        name,
    )
    response = house.get("/api/download", rig=name, format="csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.text.splitlines()[0] == ",".join(columns)
    rows = table(response.text)
    assert len(rows) == len(stored)
    texts = {"rig", *(channel.alert_column for channel in rig.scored_channels)}
    for row, (_, microseconds, *values) in zip(rows, stored, strict=True):
        assert RFC3339.fullmatch(row["timestamp"])
        assert to_microseconds(datetime.fromisoformat(row["timestamp"])) == microseconds
        assert row["rig"] == name
        for column, value in zip(rig.value_columns, values, strict=True):
            found = (row[column] or None) if column in texts else number(row[column])
            assert found == value, (column, row)


def test_all_rigs_columns_that_are_not_its_own_stay_out(house: Asked) -> None:
    header = house.get("/api/download", rig="shaker-7").text.splitlines()[0]
    assert "temperature" not in header


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        pytest.param({"rig": "shaker-7", "date": made.SPRING}, 23, id="a short day"),
        pytest.param({"rig": "shaker-7", "date": made.AUTUMN}, 25, id="a long day"),
        pytest.param({"start": "2025-07-13T07:00:00Z"}, 50, id="after the stop"),
        pytest.param({"end": "2025-07-13T07:00:00Z"}, 50, id="before it"),
        pytest.param(
            {"start": "2025-07-13T00:06:00Z", "end": "2025-07-13T00:12:00Z"}, 1, id="one reading"
        ),
        pytest.param({"rig": "spiky"}, made.SPIKY_ROWS, id="at full resolution"),
    ],
)
def test_a_download_is_filtered_like_everything_else(
    house: Asked, given: dict[str, str], rows: int
) -> None:
    found = table(house.get("/api/download", **given).text)
    assert len(found) == rows
    assert house.json("/api/trends", **given)["record_count"] == rows


# Spreadsheets and file names


@pytest.mark.parametrize("name", made.NASTY_NAMES)
def test_no_name_of_a_rig_is_a_formula_or_a_path(house: Asked, name: str) -> None:
    response = house.get("/api/download", rig=name)
    cells = {row["rig"] for row in table(response.text)}
    assert cells == {f"'{name}" if name[0] in "=@+-" else name}
    found = re.fullmatch(
        r"""attachment; filename="([^"\\]*)"(?:; filename\*=UTF-8''([A-Za-z0-9._%-]*))?""",
        response.headers["content-disposition"],
    )
    assert found
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.csv", found[1])
    assert (found[2] is None) == name.isascii()
    assert re.fullmatch(r"\w[\w.-]*\.csv", unquote(found[2] or found[1]))


@pytest.mark.parametrize(
    ("given", "file_name"),
    [
        ({}, "rig-1.csv"),
        ({"date": "2025-07-13"}, "rig-1_2025-07-13.csv"),
        (
            {"start": "2025-07-13T02:00:00+02:00", "end": "2025-07-13T04:00:00Z"},
            "rig-1_20250713T000000Z_20250713T040000Z.csv",
        ),
        ({"start": "2025-07-13T07:00:00Z"}, "rig-1_from-20250713T070000Z.csv"),
        ({"end": "2025-07-13T07:00:00Z"}, "rig-1_until-20250713T070000Z.csv"),
        ({"format": "parquet"}, "rig-1.parquet"),
        ({"format": "json", "date": "2025-07-13"}, "rig-1_2025-07-13.json"),
        ({"format": "ndjson"}, "rig-1.ndjson"),
    ],
)
def test_the_file_is_named_after_what_is_in_it(
    house: Asked, given: dict[str, str], file_name: str
) -> None:
    response = house.get("/api/download", **given)
    assert response.headers["content-disposition"] == f'attachment; filename="{file_name}"'


@pytest.mark.parametrize(
    ("rig", "value"),
    [
        ("rig-1", 'filename="rig-1.csv"'),
        ("Prüfstand 2", "filename=\"Prufstand-2.csv\"; filename*=UTF-8''Pr%C3%BCfstand-2.csv"),
        # The same in two characters: the name on the disk does not depend on how it was typed.
        ("Pru\u0308fstand", "filename=\"Prufstand.csv\"; filename*=UTF-8''Pr%C3%BCfstand.csv"),
        ("実験", "filename=\"readings.csv\"; filename*=UTF-8''%E5%AE%9F%E9%A8%93.csv"),
        (".hidden", 'filename="hidden.csv"'),
        ("../..", 'filename="readings.csv"'),
        ('a"; filename=b', 'filename="a-filename-b.csv"'),
        ("x" * 200, f'filename="{"x" * 100}.csv"'),
    ],
)
def test_every_name_of_a_rig_makes_a_name_of_a_file(rig: str, value: str) -> None:
    assert disposition(Range(rig), None, "csv") == f"attachment; {value}"


def frame_of(name: str, values: list[float | None]) -> pl.DataFrame:
    numbers = dict.fromkeys(PROPULSION.value_columns, pl.Series(values, dtype=pl.Float64))
    times = pl.Series([EPOCH] * len(values), dtype=pl.Datetime("us", "UTC"))
    return pl.DataFrame({"rig": [name] * len(values), "timestamp": times, **numbers})


def csv_of(*frames: pl.DataFrame) -> Iterator[bytes]:
    return made_of("csv", iter(frames))


def made_of(format: export_formats.Name, frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    stored = StoredRig(PROPULSION, None, None, None, None)
    columns = ["rig", "timestamp", *PROPULSION.value_columns]
    return FORMATS[format].make(frames, stored, columns)


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_takes_for_a_formula_is_quoted(first: str) -> None:
    text = b"".join(csv_of(frame_of(f"{first}1+1", [1.0]))).decode()
    assert [row["rig"] for row in table_of_lines(text)] == [f"'{first}1+1"]


def table_of_lines(text: str) -> list[dict[str, str]]:
    """As `table`, with a carriage return left where it is."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_every_float_is_read_back_exactly() -> None:
    chance = random.Random(7)  # noqa: S311  # nothing is kept secret with it
    bits = struct.pack("2000Q", *(chance.getrandbits(64) for _ in range(2_000)))
    values = [value for value in struct.unpack("2000d", bits) if math.isfinite(value)]
    values += [0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -0.0, 46.16, 1e22, 123456789.123456789]
    text = b"".join(csv_of(frame_of("rig-1", [*values, None]))).decode()
    found = [number(row["temperature"]) for row in table(text)]
    assert found == [*values, None]
    records = json.loads(b"".join(made_of("json", iter([frame_of("rig-1", [*values, None])]))))
    assert [record["temperature"] for record in records] == [*values, None]
    shortest = [row["temperature"] for row in table(text)][: len(values)]
    digits = [len(re.sub(r"e.*|[-.]", "", cell).strip("0")) for cell in shortest]
    assert digits == [len(re.sub(r"e.*|[-.]", "", repr(v)).strip("0")) for v in values]


# Streams


@pytest.mark.parametrize("format", FORMATS)
def test_a_download_is_made_piece_by_piece(format: export_formats.Name) -> None:
    """No more frames are asked for than what has been sent needs, however many there are."""
    given = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal given
        for _ in range(10):
            given += 1
            yield frame_of("rig-1", [float(given)] * 50_000)

    sent_at = {}
    for piece in made_of(format, frames()):
        sent_at[given] = sent_at.get(given, 0) + len(piece)
        assert len(piece) <= export_formats._PIECE_BYTES
    # Parquet: two frames make a group.
    assert set(sent_at) - {0, 1} == (set(range(2, 11, 2)) if format == "parquet" else
                                     set(range(2, 11)))  # fmt: skip


def test_a_download_has_no_length_beforehand(house: Asked) -> None:
    with house.client.stream("GET", "/api/download", params={"rig": "spiky"}) as response:
        assert "content-length" not in response.headers
        assert response.headers["transfer-encoding"] == "chunked"
        response.read()


def test_a_download_that_is_given_up_leaves_no_connection_behind(
    house: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many pieces only the header and one more are taken; then the client has gone."""
    monkeypatch.setattr("pipeline.stores.questions.ROWS_AT_ONCE", 10)
    app = create_app(settings_for(house.database))
    pool = app.state.context.store._engine.pool
    open_while_sending = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            open_while_sending.append(pool.checkedout())
        if len(open_while_sending) == 2:
            gone.set()
            await asyncio.sleep(60)

    asyncio.run(app(download_scope("spiky"), receive, send))
    # Before the answer begins, so that a database that has gone is a 503.
    assert open_while_sending == [1, 1]
    assert pool.checkedout() == 0
    app.state.context.store.close()


def test_a_download_is_compressed_for_those_who_take_it(house: Asked) -> None:
    plain = house.client.get("/api/download", headers={"accept-encoding": "identity"})
    packed = house.client.get("/api/download", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content


def test_what_is_downloaded_can_be_loaded_again(house: Asked, tmp_path: Path) -> None:
    """The same readings: times, values, and, because it is all of a load, the same scores."""
    path = tmp_path / "spiky.csv"
    path.write_bytes(house.get("/api/download", rig="spiky").content)
    again = tmp_path / "again.db"
    made.load(again, path)

    def readings(database: Path) -> Any:
        with closing(open_store(settings_for(database))) as store:
            columns = ["rig", "timestamp", *PROPULSION.value_columns]
            return pl.concat(store.readings(Range("spiky"))).select(columns)

    assert readings(again).equals(readings(house.database))
