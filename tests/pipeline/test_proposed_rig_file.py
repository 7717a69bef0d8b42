"""A file that no rig file fits: what `etl` proposes, saved as it is, loads that very file."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.data_utils import load_sensor_data
from pipeline.rig import Rig, load_rig
from tests.conftest import Command
from tests.pipeline.conftest import Json


@dataclass(frozen=True)
class Case:
    """A file, and what is to be read of it: its first time, and the first value of each channel."""

    text: str
    first: datetime
    values: dict[str, float]
    units: dict[str, str] = field(default_factory=dict)
    time_format: str | None = None
    encoding: str = "utf-8"
    name: str = "odd.csv"


NEW_YEAR = datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)
JULY = datetime(2025, 7, 13, 8, 0, 0, tzinfo=UTC)
CASES = {
    "German": Case(
        "Zeit;Bediener;Öltemperatur (°C);Druck [bar];Feuchte (%)\n"
        "31.12.2024 23:59:59;Jo;21,5;1,01;40\n"
        "01.01.2025 00:00:00;Jo;-3,25;1,02;\n"
        "01.01.2025 00:00:01;Jo;21,7;14,7;41,5\n",
        NEW_YEAR,
        {"temperature": 21.5, "pressure": 1.01, "feuchte": 40},
        {"temperature": "degC", "pressure": "bar", "feuchte": "percent"},
        "DD.MM.YYYY HH:mm:ss",
    ),
    "a column Time with ISO times": Case(
        "Time,temperature,pressure,note\n"
        "2025-07-13T08:00:00Z,50,1000,ok\n"
        "2025-07-13T08:01:00Z,51,1001,\n",
        JULY,
        {"temperature": 50, "pressure": 1000},
    ),
    "milliseconds since 1970": Case(
        "ts,Temp_1,Temp_2,cycles\n1752393600000,50.1,20,1\n1752393601000,50.2,21,2\n",
        JULY,
        {"temperature": 50.1, "temp_2": 20, "cycles": 1},
    ),
    "an American one, with quotes": Case(
        'Date/Time,"Speed, max (rpm)",T (F)\n'
        '07/12/2025 11:59:59.5 PM,"1200.5",68\n07/13/2025 12:00:00.5 AM,"900",69\n',
        datetime(2025, 7, 12, 23, 59, 59, 500_000, tzinfo=UTC),
        {"speed_max": 1200.5, "temperature": 20},
        time_format="MM/DD/YYYY hh:mm:ss.SSS A",
    ),
    "tabs, and names that are none": Case(
        "Datum\t1\tµ\tmessage\tmessage\n2025/07/13 08:00\t1e3\t2\ta\tb\n",
        JULY,
        {"channel_1": 1000, "channel": 2},
        time_format="YYYY/MM/DD HH:mm",
    ),
}


@pytest.mark.parametrize("what", CASES)
@pytest.mark.parametrize("preview", [[], ["--preview"]], ids=["load", "preview"])
def test_the_proposed_rig_file_loads_the_file(
    what: str, preview: list[str], smart_sensor: Command, loaded: Json, write: Any, home: Path
) -> None:
    case = CASES[what]
    write(case.name, case.text.encode(case.encoding))
    rig_file = proposed(smart_sensor, home, case.name, *preview)
    rig = load_rig(rig_file)
    assert rig.name == "odd"
    assert rig.files.time_format == case.time_format
    (found,) = loaded(case.name, "--rig-file", rig_file)["sources"]
    rows = len(case.text.splitlines()) - 1
    assert (found["accepted"], found["rejected_by_reason"]) == (rows, {})
    assert_read(case, rig)


def test_it_serves_as_the_configured_one(
    smart_sensor: Command, loaded: Json, write: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES["German"]
    write(case.name, case.text)
    monkeypatch.setenv("RIG_FILE", str(proposed(smart_sensor, home, case.name)))
    (found,) = loaded(case.name)["sources"]
    assert found["accepted"] == 3


def test_it_keeps_the_encoding_of_the_one_before(
    smart_sensor: Command, loaded: Json, write: Any, home: Path
) -> None:
    case = CASES["German"]
    write(case.name, case.text.encode("cp1252"))
    before = write("before.toml", '[files]\nencoding = "cp1252"\n[channels.x]\n')
    rig_file = proposed(smart_sensor, home, case.name, "--rig-file", before)
    assert loaded(case.name, "--rig-file", rig_file)["sources"][0]["accepted"] == 3


def test_a_parquet_file_gets_one_too(
    smart_sensor: Command, loaded: Json, write: Any, home: Path
) -> None:
    times = pl.Series([JULY]).dt.epoch("s")
    frame = pl.DataFrame({"when": times, "Operator": ["Jo"], "p (kPa)": [101.3]})
    frame.write_parquet(home / "odd.parquet")
    rig_file = proposed(smart_sensor, home, "odd.parquet")
    assert loaded("odd.parquet", "--rig-file", rig_file)["sources"][0]["accepted"] == 1
    assert load_sensor_data(kind="polars")["timestamp"].to_list() == [JULY]


@pytest.mark.parametrize(
    ("days", "remark"),
    [
        # Which is the day, and which the month? The shorter record, where that tells.
        (["03/04/2025", "03/05/2025", "03/06/2025"], "MM/DD/YYYY HH:mm:ss"),
        (["03/04/2025", "04/04/2025", "05/04/2025"], "DD/MM/YYYY HH:mm:ss"),
        (["03/04/2025"], 'DD/MM/YYYY HH:mm:ss"  # or MM/DD/YYYY HH:mm:ss?'),
    ],
)
def test_a_date_that_can_be_read_in_two_ways(
    days: list[str], remark: str, smart_sensor: Command, write: Any, home: Path
) -> None:
    rows = "".join(f"{day} 08:00:00,{number}\n" for number, day in enumerate(days))
    write("odd.csv", f"when,flow\n{rows}")
    assert remark in proposed(smart_sensor, home, "odd.csv").read_text(encoding="utf-8")


def test_limits_keep_every_digit(smart_sensor: Command, write: Any, home: Path) -> None:
    channel = 'unit = "Pa"\nvalid = { min = -5e-5, max = 1234567.5 }\nlimits = { high = 1013255.5 }'
    before = write("before.toml", f"[channels.pressure]\n{channel}\nrequired = true\n")
    write("odd.csv", "when,pressure (kPa)\n2025-07-13T08:00:00Z,101.3\n")
    rig = load_rig(proposed(smart_sensor, home, "odd.csv", "--rig-file", before))
    (found,) = rig.channels
    assert found.limits.high == 1013255.5
    assert (found.valid.min, found.valid.max) == (-5e-5, 1234567.5)


@pytest.mark.parametrize("unit", ["9**9**9", "9^9^99", "1e99999999", "(((((", "x" * 100])
def test_what_is_in_brackets_is_not_computed_without_end(
    unit: str, smart_sensor: Command, write: Any, home: Path
) -> None:
    write("odd.csv", f"when,flow ({unit})\n2025-07-13T08:00:00Z,1\n")
    assert load_rig(proposed(smart_sensor, home, "odd.csv")).channels[0].name.startswith("flow")


def proposed(smart_sensor: Command, home: Path, *arguments: object) -> Path:
    """What the command proposes for a file, as a rig file."""
    finished = smart_sensor("etl", *arguments)
    assert finished.code == 2
    path = home / "rig.toml"
    path.write_text(finished.err.partition("--rig-file:")[2], encoding="utf-8")
    return path


def assert_read(case: Case, rig: Rig) -> None:
    first = load_sensor_data(kind="polars").sort("timestamp").row(0, named=True)
    assert first["timestamp"] == case.first
    assert {name: pytest.approx(first[name]) for name in case.values} == case.values
    channels = {channel.name: channel for channel in rig.channels}
    assert set(channels) == set(case.values)
    assert {name: channels[name].unit for name in case.units} == case.units
