"""Errors of the `smart-sensor` command: one clear line each, and the right exit code."""

import gzip
import json
from typing import Any

import pytest

from pipeline.data_utils import load_sensor_data
from pipeline.errors import OtherUnitError, SmartSensorError
from tests.conftest import DATA, ROOT, Command, Finished

HEADER = "timestamp,temperature,pressure,uptime"
GOOD = f"{HEADER}\n2025-07-13T00:00:00Z,20,1000,1\n2025-07-13T00:01:00Z,21,1001,2\n"
RECORDING = DATA / "KNSB_250220_pressure_raw.csv"
STATIC_FIRE = ROOT / "rigs" / "static-fire.toml"


def in_one_line(finished: Finished) -> str:
    """The error of a command that was used badly: a single line, and nothing else."""
    assert finished.code == 2
    assert finished.out == ""
    (line,) = finished.err.splitlines()
    assert line.startswith("smart-sensor: ")
    return line.removeprefix("smart-sensor: ")


def test_one_broken_file_of_several_is_said_and_the_others_are_loaded(
    smart_sensor: Command, write: Any
) -> None:
    write("a.csv", GOOD)
    write("b.csv", "")
    finished = smart_sensor("etl", "a.csv", "b.csv", "missing.csv", "--json")
    assert finished.code == 2
    assert finished.err.splitlines() == [
        "smart-sensor: b.csv: is empty; expected a header line and rows",
        "smart-sensor: missing.csv: no such file",
    ]
    found = json.loads(finished.out)
    assert [source["status"] for source in found["sources"]] == ["loaded", "failed", "failed"]
    assert found["sources"][2]["error"] == "missing.csv: no such file"
    assert len(load_sensor_data()) == 2
    shown = smart_sensor("etl", "a.csv", "b.csv")
    assert shown.code == 2
    assert "b.csv: failed" in shown.out


BROKEN = [
    ("empty.csv", b"", "empty.csv: is empty; expected a header line and rows"),
    ("header.csv", HEADER.encode(), "header.csv: has a header but no rows"),
    ("blank.csv", b"\n\n#\n", "blank.csv: has no header line, only blank lines and comments"),
    (
        "zeros.csv",
        f"{HEADER}\n1,\0,3,4\n".encode(),
        "zeros.csv: line 2 has a zero byte: a binary file, not CSV",
    ),
    (
        "latin.csv",
        f"{HEADER},Prüfer\n1,2,3,4,J\n".encode("latin-1"),
        "latin.csv: line 1: byte 0xFC is not UTF-8; if it is text, set encoding in the rig file: "
        'encoding = "cp1252" (Windows) or "latin-1"',
    ),
    ("cut.csv.gz", gzip.compress(GOOD.encode(), mtime=0)[:-9], "cut.csv.gz: damaged gzip"),
    ("cut.parquet", b"PAR1PAR1", "cut.parquet: not a readable Parquet file: "),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN, ids=[case[0] for case in BROKEN])
@pytest.mark.parametrize("preview", [[], ["--preview"]], ids=["load", "preview"])
def test_a_broken_file_is_one_clear_line(
    name: str, content: bytes, message: str, preview: list[str], smart_sensor: Command, write: Any
) -> None:
    write(name, content)
    assert in_one_line(smart_sensor("etl", name, *preview)).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv: no such file"),
        (["*.csv"], "*.csv: no file matches"),
        (["."], ".: is a folder; give its files, such as ./*.csv"),
        (["x.txt", "--rig-file", "no.toml"], "no.toml: no such rig file; shipped in rigs/ are"),
        (["x.txt", "--rig-file", "x.txt"], "x.txt: not valid TOML: "),
        (["x.txt", "--rig", ""], "rig rig-1: name = '': "),
        (["x.txt", "--output", "x.txt/out.csv"], "x.txt/out.csv: "),
    ],
)
def test_bad_use_is_one_clear_line(
    arguments: list[str], message: str, smart_sensor: Command, write: Any
) -> None:
    write("x.txt", GOOD)
    assert in_one_line(smart_sensor("etl", *arguments)).startswith(message)


def test_a_foreign_file_without_its_rig_file_gets_a_proposal(smart_sensor: Command) -> None:
    finished = smart_sensor("etl", RECORDING)
    assert finished.code == 2
    lines = finished.err.splitlines()
    assert "required column missing: 'timestamp', 'temperature', 'pressure', 'uptime'" in lines[0]
    assert "Columns found: 'Datetime', 'Battery Level (%)', '5600 Pressure (Bar)'" in lines[0]
    assert 'time_column = "Datetime"' in lines
    assert "Traceback" not in finished.err


def test_another_unit_under_the_same_rig_is_refused(smart_sensor: Command, write: Any) -> None:
    write("x.csv", GOOD)
    smart_sensor("etl", "x.csv")
    finished = smart_sensor("etl", RECORDING, "--rig-file", STATIC_FIRE, "--rig", "rig-1")
    assert in_one_line(finished) == (
        "rig 'rig-1': channel 'pressure' is stored as gauge in 'hPa', the rig file says gauge in "
        "'bar'; load it under another name with --rig NAME, or give its source's unit instead"
    )
    assert smart_sensor("etl", RECORDING, "--rig-file", STATIC_FIRE).code == 0


def test_a_wrong_setting_is_one_clear_line(
    smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "http")
    assert in_one_line(smart_sensor("etl")) == (
        "PORT=http: not allowed; allowed is a whole number, 0 to 65535"
    )


def test_a_file_that_is_no_database_is_one_clear_line(smart_sensor: Command, write: Any) -> None:
    path = write("processed.db", "notes" * 1000)
    write("x.csv", GOOD)
    assert in_one_line(smart_sensor("etl", "x.csv")) == (
        f"{path}: is not a SQLite database; set DATABASE_URL to another file"
    )


def test_an_interruption_says_that_nothing_is_stored(
    smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipeline.etl_pipeline.run_etl", interrupt)
    finished = smart_sensor("etl")
    assert finished.code == 130
    assert finished.err == "smart-sensor: interrupted; what was not finished is not stored\n"


def test_every_error_of_ours_is_one_line(
    smart_sensor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    advice = {
        OtherUnitError: "; load it under another name with --rig NAME, or give its source's unit "
        "instead"
    }
    kinds = [SmartSensorError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    for kind in kinds:

        def fail(*_: object, kind: type[SmartSensorError] = kind, **__: object) -> None:
            raise kind(f"{kind.__name__} is what happened")

        monkeypatch.setattr("pipeline.etl_pipeline.run_etl", fail)
        line = in_one_line(smart_sensor("etl"))
        assert line == f"{kind.__name__} is what happened{advice.get(kind, '')}"


@pytest.mark.parametrize("rows", ["5", None])
def test_simulate_into_a_folder_that_is_a_file(
    rows: str | None, smart_sensor: Command, write: Any
) -> None:
    write("x.txt", "")
    options = ["--rows", rows] if rows else []
    assert in_one_line(smart_sensor("simulate", "x.txt/y.csv", *options)).startswith("x.txt/y.csv")
