"""From CSV to committed, scored rows in SQLite: ours beside the usual way, in one run.

    python benchmarks/etl.py [--rows 1000000] [--repeat 3] [--only ours]

The usual way is pandas: `read_csv`, the same arithmetic, `to_sql` into a table with the same key,
and the same processed CSV. Both run in processes of their own, so that their peaks of memory can
be told apart. Times are whole processes, start-up included; the best of the repeats counts.
"""

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

CHANNELS = {"temperature": (2.0, 10.0, 80.0), "pressure": (2.5, 900.0, 1100.0)}


def usual_way(source: Path, database: Path, output: Path) -> None:
    """What one would write with pandas in an afternoon."""
    import numpy as np
    import pandas as pd

    frame = pd.read_csv(source, parse_dates=["timestamp"])
    frame = frame.dropna()
    frame = frame[frame["temperature"].between(0, 150) & frame["pressure"].between(800, 1200)]
    frame = frame[frame["uptime"] >= 0].drop_duplicates("timestamp")
    for name, (red, low, high) in CHANNELS.items():
        values = frame[name]
        z = (values - values.mean()) / values.std()
        frame[f"{name}_zscore"] = z
        is_red = (z.abs() > red) | (values < low) | (values > high)
        frame[f"{name}_alert"] = np.select([is_red, z.abs() > 1.5], ["red", "yellow"], "normal")
    frame.to_csv(output, index=False)
    frame.insert(0, "rig", "rig-1")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "CREATE TABLE sensor_data (rig TEXT, timestamp TEXT, temperature REAL, pressure REAL,"
            " uptime REAL, temperature_zscore REAL, temperature_alert TEXT, pressure_zscore REAL,"
            " pressure_alert TEXT, PRIMARY KEY (rig, timestamp))"
        )
        frame.to_sql("sensor_data", connection, if_exists="append", index=False)


def ours(source: Path, database: Path, output: Path) -> None:
    """The command, as anybody would start it."""
    os.environ["DATABASE_URL"] = f"sqlite:///{database}"
    from pipeline.cli import run

    run(["etl", str(source), "--output", str(output)])


def limit(database: Path) -> float:
    """Seconds SQLite itself needs for the same rows: INSERT ... SELECT from an attached file."""
    with tempfile.TemporaryDirectory(dir=database.parent) as folder:
        connection = sqlite3.connect(Path(folder) / "copy.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("ATTACH ? AS source", (str(database),))
        table = connection.execute(
            "SELECT sql FROM source.sqlite_master WHERE name = 'sensor_data'"
        ).fetchone()[0]
        connection.execute(table)
        started = time.perf_counter()
        connection.execute("BEGIN")
        connection.execute("INSERT INTO sensor_data SELECT * FROM source.sensor_data")
        connection.execute("COMMIT")
        seconds = time.perf_counter() - started
        connection.close()
        return seconds


def measured(way: str, source: Path, folder: Path) -> tuple[float, float, Path]:
    """Seconds and peak MB of one way in a process of its own, and the database it made."""
    database = folder / f"{way}.db"
    for leftover in folder.glob(f"{way}.*"):
        leftover.unlink()
    command = [sys.executable, __file__, "--way", way, str(source), str(database)]
    started = time.perf_counter()
    # Modules are compiled once, as on anybody's machine, and not anew in every run.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit(f"{way} failed with status {status}")
    return seconds, usage.ru_maxrss / 1024, database


def rows_in(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        return int(connection.execute("SELECT count(*) FROM sensor_data").fetchone()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--only", choices=["ours", "usual"])
    parser.add_argument("--way", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        way, source, database = arguments.way
        {"ours": ours, "usual": usual_way}[way](
            Path(source), Path(database), Path(database).with_suffix(".processed")
        )
        return
    compare(
        arguments.rows, arguments.repeat, [arguments.only] if arguments.only else ["usual", "ours"]
    )


def compare(rows: int, repeat: int, ways: list[str]) -> None:
    from pipeline.simulate import write_csv

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source.csv"
        write_csv(source, rows, interval=timedelta(seconds=1))
        print_machine(source, rows)
        best: dict[str, tuple[float, float]] = {}
        print(f"{'way':8} {'seconds':>9} {'rows/s':>11} {'peak MB':>9} {'stored':>12}")
        for way in ways:
            runs = [measured(way, source, folder) for _ in range(repeat)]
            seconds, peak = min(run[0] for run in runs), max(run[1] for run in runs)
            best[way] = seconds, peak
            stored = rows_in(runs[0][2])
            print(f"{way:8} {seconds:9.2f} {rows / seconds:11,.0f} {peak:9.0f} {stored:12,}")
        if len(best) == 2:
            (usual_s, usual_mb), (ours_s, ours_mb) = best["usual"], best["ours"]
            ratio, share = usual_s / ours_s, ours_mb / usual_mb
            print(f"\nours is {ratio:.1f} times as fast, in {share:.0%} of the memory")
        if "ours" in best:
            seconds = limit(folder / "ours.db")
            rate = rows / seconds
            print(f"SQLite's own limit for these rows (INSERT ... SELECT): {rate:,.0f} rows/s")


def print_machine(source: Path, rows: int) -> None:
    versions = ", ".join(f"{name} {version(name)}" for name in ("pandas", "numpy", "polars"))
    print(f"{rows:,} rows, {source.stat().st_size / 1e6:.0f} MB of CSV")
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {versions}\n"
    )


if __name__ == "__main__":
    main()
