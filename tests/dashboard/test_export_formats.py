"""Downloads in each format, opened by what people open them with, beside what SQL says."""

import io
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from pipeline.db_utils import dispose_engines
from pipeline.rig import Rig, load_rig
from pipeline.settings import default_rig_file
from pipeline.stores import open_store
from pipeline.stores.base import Range
from pipeline.timestamps import UTC_DATETIME
from pipeline.transfer.export import METADATA
from pipeline.transfer.imports import import_readings
from tests.dashboard import made
from tests.dashboard.conftest import database_in_turn
from tests.services.server import running_server, settings_for

RIG = load_rig(default_rig_file()).renamed("spiky")
COLUMNS = ("rig", "timestamp", *RIG.value_columns)
LEVELS = [channel.alert_column for channel in RIG.scored_channels]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with 20,000 readings, on each kind in turn."""
    folder = tmp_path_factory.mktemp("formats")
    found = database_in_turn(request, folder, "formats")
    made.load(folder / "x.db", made.spiky_csv(folder / "spiky.csv"), RIG, database_url=found)
    dispose_engines()
    return found


@pytest.fixture(scope="module")
def client(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("formats-server")
    with (
        running_server(folder, database_url=url) as server,
        httpx.Client(base_url=server.url, timeout=30) as asking,
    ):
        yield asking


@pytest.fixture(scope="module")
def stored(url: str) -> pl.DataFrame:
    """All readings, by plain SQL."""
    engine = made.engine_of(url)
    statement = f"SELECT {', '.join(COLUMNS)} FROM sensor_data ORDER BY rig, timestamp"  # noqa: S608  # names of a rig file
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql(statement)]
    kinds = dict.fromkeys(COLUMNS, pl.Float64()) | dict.fromkeys(["rig", *LEVELS], pl.String())
    integers = isinstance(rows[0][1], int)
    schema = {**kinds, "timestamp": pl.Int64() if integers else UTC_DATETIME}
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    return frame.with_columns(pl.col("timestamp").cast(UTC_DATETIME))


def downloaded(client: httpx.Client, format: str, **query: str) -> bytes:
    response = client.get("/api/download", params={"rig": "spiky", "format": format, **query})
    assert response.status_code == 200, response.text
    return response.content


def same(found: pl.DataFrame, stored: pl.DataFrame) -> None:
    """Every row and value, exactly; how a reader types times and texts is its own affair."""
    assert len(found) == len(stored) == made.SPIKY_ROWS
    assert found.columns == stored.columns
    if found.schema["timestamp"] == pl.String():
        found = found.with_columns(pl.col("timestamp").str.to_datetime(time_zone="UTC"))
    assert found.cast(dict(stored.schema)).equals(stored)  # type: ignore[arg-type]  # a mapping


def test_polars_reads_every_row_and_value(client: httpx.Client, stored: pl.DataFrame) -> None:
    same(pl.read_csv(downloaded(client, "csv"), infer_schema_length=None), stored)
    same(pl.read_parquet(downloaded(client, "parquet")), stored)
    same(pl.read_json(downloaded(client, "json"), infer_schema_length=None), stored)
    same(pl.read_ndjson(downloaded(client, "ndjson"), infer_schema_length=None), stored)


def test_pandas_reads_every_row_and_value(client: httpx.Client, stored: pl.DataFrame) -> None:
    def as_polars(frame: pd.DataFrame) -> pl.DataFrame:
        found = pl.from_pandas(frame.assign(timestamp=pd.to_datetime(frame["timestamp"], utc=True)))
        return found.cast({"timestamp": UTC_DATETIME})

    def file(format: str) -> Any:
        return io.BytesIO(downloaded(client, format))

    same(as_polars(pd.read_csv(file("csv"))), stored)
    same(as_polars(pd.read_parquet(file("parquet"))), stored)
    same(as_polars(pd.read_json(file("json"), precise_float=True)), stored)
    same(as_polars(pd.read_json(file("ndjson"), precise_float=True, lines=True)), stored)


def test_json_is_one_array_of_records(client: httpx.Client, stored: pl.DataFrame) -> None:
    records = json.loads(downloaded(client, "json"))
    assert records == [json.loads(line) for line in downloaded(client, "ndjson").splitlines()]
    times = stored["timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert records == stored.with_columns(times.alias("timestamp")).to_dicts()


def test_parquet_says_what_is_in_it(client: httpx.Client) -> None:
    file = pq.ParquetFile(io.BytesIO(downloaded(client, "parquet")))
    schema = file.schema_arrow
    assert schema.names == list(COLUMNS)
    assert str(schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
    assert (schema.metadata[b"rig"], schema.metadata[b"time_zone"]) == (b"spiky", b"UTC")
    units = {c.name: schema.field(c.name).metadata[b"unit"].decode() for c in RIG.channels}
    assert units == {"temperature": "degC", "pressure": "hPa", "uptime": "h"}
    ours = json.loads(file.metadata.metadata[METADATA.encode()])
    assert Rig.model_validate(ours["rigs"]["spiky"]["definition"]).channels == RIG.channels


def test_parquet_is_imported_as_it_was(
    client: httpx.Client, stored: pl.DataFrame, tmp_path: Path
) -> None:
    path = tmp_path / "spiky.parquet"
    path.write_bytes(downloaded(client, "parquet"))
    with closing(open_store(settings_for(tmp_path / "again.db"))) as store:
        list(import_readings(store, path))
        same(pl.concat(store.readings(Range("spiky"))).select(COLUMNS), stored)


# Channels


@pytest.mark.parametrize("format", ["csv", "parquet", "json", "ndjson"])
def test_only_the_channels_that_are_wanted(
    client: httpx.Client, stored: pl.DataFrame, format: str
) -> None:
    read: dict[str, Any] = {
        "csv": pl.read_csv,
        "parquet": pl.read_parquet,
        "json": pl.read_json,
        "ndjson": pl.read_ndjson,
    }
    found = read[format](downloaded(client, format, channels="uptime, pressure"))
    # In the order of the rig, as everywhere.
    assert found.columns == [
        *("rig", "timestamp", "pressure", "uptime", "pressure_zscore", "pressure_alert")
    ]
    assert found["pressure"].equals(stored["pressure"])


@pytest.mark.parametrize("points", [1_000, 10_000])
def test_a_trend_of_some_channels_is_part_of_the_whole(client: httpx.Client, points: int) -> None:
    query = {"rig": "spiky", "points": str(points), "end": "2025-07-13T02:00:00Z"}
    whole = client.get("/api/trends", params=query).json()
    some = client.get("/api/trends", params={**query, "channels": "pressure"}).json()
    assert whole["downsampled"] == (points == 1_000)
    assert some["channels"] == {"pressure": whole["channels"]["pressure"]}
    assert some["pressures"] == whole["pressures"]
    assert some["temperatures"] == []
    assert some["timestamps"] == whole["timestamps"]


@pytest.mark.parametrize("path", ["/api/trends", "/api/download"])
@pytest.mark.parametrize("wrong", ["humidity", "pressure,humidity", "", "pressure,", "Pressure"])
def test_a_channel_that_is_not_there_is_refused(
    client: httpx.Client, path: str, wrong: str
) -> None:
    response = client.get(path, params={"rig": "spiky", "channels": wrong})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    detail = response.json()["detail"]
    assert repr(wrong) in detail
    assert detail.endswith("it has: temperature, pressure, uptime")


# HEAD


def test_head_says_what_would_come(client: httpx.Client) -> None:
    query = {"rig": "spiky", "format": "parquet"}
    head = client.head("/api/download", params=query)
    whole = client.get("/api/download", params=query)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-disposition"):
        assert head.headers[name] == whole.headers[name]
    assert "content-length" not in head.headers
    for wrong, status in (({"rig": "nobody"}, 404), ({"channels": "x"}, 400),
                          ({"date": "1999-01-01"}, 404)):  # fmt: skip
        assert client.head("/api/download", params={**query, **wrong}).status_code == status


def test_parquet_is_not_compressed_twice(client: httpx.Client) -> None:
    query = {"rig": "spiky", "format": "parquet"}
    response = client.get("/api/download", params=query, headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in response.headers
    for format in ("csv", "json", "ndjson"):
        response = client.get("/api/download", params={**query, "format": format})
        assert response.headers["content-encoding"] == "gzip"
