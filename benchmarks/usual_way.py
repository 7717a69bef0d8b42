"""What one would write with pandas in an afternoon; the rival of `smart-sensor etl`.

`python -m benchmarks.usual_way SOURCE URL OUTPUT KIND`: `read_csv`, the same arithmetic, the same
processed CSV, and `to_sql` with its default arguments into a table with the same key.
"""

import sys

import numpy as np
import pandas as pd
import sqlalchemy as sa

from benchmarks.backends import TABLE

CHANNELS = {"temperature": (2.0, 10.0, 80.0), "pressure": (2.5, 900.0, 1100.0)}


def main(source: str, url: str, output: str, kind: str) -> None:
    frame = scored(pd.read_csv(source, parse_dates=["timestamp"]))
    frame.to_csv(output, index=False)
    frame.insert(0, "rig", "rig-1")
    engine = sa.create_engine(url)
    if kind == "timescale":
        # The server that the benchmark starts knows no pipelines: statements of 1,000 rows instead.
        engine.dialect.use_insertmanyvalues_wo_returning = True
    with engine.begin() as connection:
        make_table(connection, hypertable=kind == "timescale")
        frame.to_sql(TABLE, connection, if_exists="append", index=False)


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """Readings that are acceptable, with z-scores and levels."""
    frame = frame.dropna()
    frame = frame[frame["temperature"].between(0, 150) & frame["pressure"].between(800, 1200)]
    frame = frame[frame["uptime"] >= 0].drop_duplicates("timestamp")
    for name, (red, low, high) in CHANNELS.items():
        values = frame[name]
        z = (values - values.mean()) / values.std()
        frame[f"{name}_zscore"] = z
        is_red = (z.abs() > red) | (values < low) | (values > high)
        frame[f"{name}_alert"] = np.select([is_red, z.abs() > 1.5], ["red", "yellow"], "normal")
    return frame


def make_table(connection: sa.Connection, hypertable: bool) -> None:
    table = sa.Table(
        TABLE,
        sa.MetaData(),
        sa.Column("rig", sa.Text, primary_key=True),
        sa.Column("timestamp", sa.DateTime(timezone=True), primary_key=True),
        *(sa.Column(name, sa.Float) for name in ("temperature", "pressure", "uptime")),
    )
    for name in CHANNELS:
        table.append_column(sa.Column(f"{name}_zscore", sa.Float))
        table.append_column(sa.Column(f"{name}_alert", sa.Text))
    table.create(connection)
    if hypertable:
        make = sa.text("SELECT create_hypertable(CAST(:table AS regclass), by_range('timestamp'))")
        connection.execute(make, {"table": TABLE}).all()


if __name__ == "__main__":
    main(*sys.argv[1:])
