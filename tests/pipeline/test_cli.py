"""The `smart-sensor` command: what it writes, its exit codes, and one clear line for each error."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline import __version__
from pipeline.data_utils import load_sensor_data
from pipeline.simulate import raw_csv, sample
from tests.conftest import DATA, ROOT, Command
from tests.pipeline.conftest import Json

HEADER = "timestamp,temperature,pressure,uptime"
ROW = "2025-07-13T00:00:00Z,20,1000,1\n"
GOOD = f"{HEADER}\n{ROW}2025-07-13T00:01:00Z,21,1001,2\n"
DIRTY = GOOD + "2025-07-13T00:02:00Z,x,1000,1\n1,2\n"
RECORDING = DATA / "KNSB_250220_pressure_raw.csv"
STATIC_FIRE = ROOT / "rigs" / "static-fire.toml"


def test_a_file_is_loaded_and_summed_up(smart_sensor: Command, write: Any) -> None:
    write("x.csv", f"{HEADER},Operator\n{ROW.strip()},Jim\n2025-07-13T00:01:00Z,x,1000,1,Jim\n")
    finished = smart_sensor("etl", "x.csv")
    assert finished.code == 0
    assert finished.err == ""
    for text in ("x.csv: loaded, load 1", "rows read", "rejected", "unparsable", "columns ignored",
                 "Operator", "temperature", "°C on average", "data quality", "rows/s"):  # fmt: skip
        assert text in finished.out


def test_a_load_again_says_so(smart_sensor: Command, write: Any) -> None:
    write("x.csv", GOOD)
    smart_sensor("etl", "x.csv")
    finished = smart_sensor("etl", "x.csv")
    assert finished.code == 0
    assert finished.out == (
        "x.csv: already loaded as load 1, nothing to do (--force loads it again)\n"
    )


def test_force_loads_again(loaded: Json, write: Any) -> None:
    write("x.csv", GOOD)
    loaded("x.csv")
    assert loaded("x.csv", "--force")["sources"][0]["load_id"] == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", GOOD),
        ("x.csv.gz", gzip.compress(GOOD.encode(), mtime=0)),
        ("x.tsv", GOOD.replace(",", "\t").replace("\n", "\r\n")),
        ("x.csv", "\ufeff# logger 7\n" + GOOD.replace("temperature", "TEMPERATURE", 1)),
    ],
)
def test_files_of_any_kind(name: str, content: str | bytes, loaded: Json, write: Any) -> None:
    write(name, content)
    assert loaded(name)["accepted"] == 2


def test_parquet_globs_and_order(loaded: Json, home: Path, write: Any) -> None:
    pl.read_csv(GOOD.encode()).write_parquet(home / "b.parquet")
    write("a.csv", f"{HEADER}\n2025-07-14T00:00:00Z,20,1000,1\n")
    found = loaded("[ab].*")
    assert [source["source"] for source in found["sources"]] == ["a.csv", "b.parquet"]
    assert found["accepted"] == 3


def test_an_overlapping_file_adds_what_is_new(loaded: Json, write: Any) -> None:
    write("a.csv", GOOD)
    write("b.csv", f"{HEADER}\n2025-07-13T00:01:00Z,21,1001,2\n2025-07-13T00:02:00Z,22,1002,3\n")
    assert loaded("a.csv", "b.csv")["accepted"] == 4
    assert len(load_sensor_data()) == 3
    again = loaded("a.csv", "b.csv")
    assert [source["status"] for source in again["sources"]] == ["already loaded"] * 2
    assert len(load_sensor_data()) == 3


def test_json_is_for_programs(loaded: Json, write: Any) -> None:
    write("x.csv", DIRTY)
    found = loaded("x.csv")
    assert found["succeeded"] is True
    assert (found["rows_read"], found["accepted"]) == (4, 2)
    assert found["rejected_by_reason"] == {"unparsable": 1, "wrong_field_count": 1}
    (source,) = found["sources"]
    assert source["status"] == "loaded"
    assert source["kpis"]["rig-1"]["first_timestamp"] == "2025-07-13T00:00:00Z"
    assert source["kpis"]["rig-1"]["data_quality_score"] == 50.0


def test_a_preview_loads_nothing(smart_sensor: Command, home: Path, write: Any) -> None:
    write("x.csv", DIRTY.replace(",", ";"))
    finished = smart_sensor("etl", "x.csv", "--preview")
    assert finished.code == 0
    for text in ("x.csv: preview, nothing is loaded", "semicolon", "utf-8", "ISO 8601", "UTC",
                 "4, of which 2 would be accepted", "unparsable", "Columns", "°C",
                 "First readings", "2025-07-13T00:01:00Z", "First rejects", "'x' is not a number",
                 "2 fields instead of 4"):  # fmt: skip
        assert text in finished.out
    assert os.listdir(home) == ["x.csv"]


def test_output_into_a_pipe_is_not_wrapped(
    smart_sensor: Command, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [f"a note of number {number}" for number in range(20)]
    write("x.csv", f"{HEADER},{','.join(notes)}\n{ROW.strip()}{',x' * 20}\n")
    monkeypatch.setenv("COLUMNS", "80")
    assert ", ".join(notes) in smart_sensor("etl", "x.csv").out


def test_a_preview_for_programs(loaded: Json, home: Path) -> None:
    (found,) = loaded(RECORDING, "--rig-file", STATIC_FIRE, "--preview")
    assert (found["rows_read"], found["accepted"]) == (2062, 2062)
    assert found["format"]["delimiter"] == "semicolon"
    assert found["columns"][1] == {
        "name": "pressure",
        "column": "5600 Pressure (Bar)",
        "unit": "bar",
    }
    assert found["first_readings"][0]["timestamp"] == "2025-01-18T19:33:06.564000Z"
    assert os.listdir(home) == []


def test_a_preview_shows_units_that_are_converted(loaded: Json, write: Any) -> None:
    header = "timestamp;acceleration;Auslenkung (µm);Spule (°F);cycles\n"
    write("x.csv", f"{header}1;1;1;1;1\n".encode("cp1252"))
    (found,) = loaded("x.csv", "--rig-file", DATA / "vibration.toml", "--preview")
    units = {column["name"]: column["unit"] for column in found["columns"]}
    assert units["displacement"] == "micrometer to mm"
    assert units["coil_warmth"] == "°F to °C"
    assert found["time_zone"] == "Europe/Berlin"
    assert found["rejected_by_reason"] == {"unparsable": 1}


def test_text_of_a_file_is_no_markup(smart_sensor: Command, write: Any) -> None:
    write(
        "[red]x.csv", GOOD.replace("uptime\n", "uptime,[bold]note[/bold]\n").replace("\n2", ",\n2")
    )
    write("[red]x.csv", f"{HEADER},[bold]x[/]\n{ROW.strip()},[/nope]\n[/x],20,1,1,[/]\n")
    for arguments in (["--preview"], []):
        finished = smart_sensor("etl", "[red]x.csv", "--rig", "[link]r[/link]", *arguments)
        assert finished.code == 0
        for text in ("[red]x.csv", "[bold]x[/]", "[link]r[/link]"):
            assert text in finished.out


def test_output_is_the_processed_csv(loaded: Json, home: Path, write: Any) -> None:
    write("raw.csv", raw_csv(sample()))
    loaded("raw.csv", "--output", "deep/out.csv")
    committed = ROOT / "data" / "simulated_processed.csv"
    assert (home / "deep" / "out.csv").read_bytes() == committed.read_bytes()


def test_the_default_run_without_its_file_reads_the_simulation_and_says_so(
    smart_sensor: Command, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    finished = smart_sensor("etl")
    assert finished.code == 0
    assert "simulation: loaded" in finished.out
    assert "simulated_raw.csv does not exist: reading the simulation instead" in caplog.text
    written = home / "data" / "simulated_processed.csv"
    assert written.read_bytes() == (ROOT / "data" / "simulated_processed.csv").read_bytes()


def test_nothing_accepted_is_exit_code_1(smart_sensor: Command, write: Any) -> None:
    write("x.csv", f"{HEADER}\nx,20,1000,1\n")
    finished = smart_sensor("etl", "x.csv")
    assert finished.code == 1
    assert finished.err == "smart-sensor: nothing was accepted; --preview shows why\n"
    found = smart_sensor("etl", "x.csv", "--json")
    assert found.code == 1
    assert json.loads(found.out)["succeeded"] is False
    assert found.err == ""


def test_something_accepted_somewhere_is_exit_code_0(loaded: Json, write: Any) -> None:
    write("a.csv", f"{HEADER}\nx,20,1000,1\n")
    write("b.csv", GOOD)
    assert loaded("a.csv", "b.csv")["accepted"] == 2


def test_the_recording_with_its_rig_file(loaded: Json) -> None:
    found = loaded(RECORDING, "--rig-file", STATIC_FIRE)
    assert found["accepted"] == 2062
    assert found["sources"][0]["kpis"]["static-fire"]["pressure_range"]["max"] == 46.16


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["--version"], 0), (["--help"], 0), (["-h"], 0),
     (["db", "status", "-h"], 0), (["etl", "--help"], 0), (["nonsense"], 2), ([], 2),
     (["etl", "--nonsense"], 2), (["simulate", "--rows", "0"], 2),
     (["simulate", "x.csv", "--rows", "9", "--interval", "-1"], 2)],
)  # fmt: skip
def test_exit_codes_of_the_command_itself(
    arguments: list[str], code: int, smart_sensor: Command
) -> None:
    finished = smart_sensor(*arguments)
    assert finished.code == code
    assert "Traceback" not in finished.err
    if arguments == ["--version"]:
        assert finished.out == f"smart-sensor {__version__}\n"


def test_simulate_writes_the_sample(smart_sensor: Command, home: Path) -> None:
    committed = (ROOT / "data" / "simulated_raw.csv").read_text()
    assert smart_sensor("simulate").out == committed
    assert smart_sensor("simulate", "new/x.csv").code == 0
    assert (home / "new" / "x.csv").read_text() == committed
    again = smart_sensor("simulate", "new/x.csv", "--seed", 7)
    assert again.code == 2
    assert "new/x.csv: is there already" in again.err
    assert (home / "new" / "x.csv").read_text() == committed
    assert smart_sensor("simulate", "new/x.csv", "--seed", 7, "--force").code == 0
    assert (home / "new" / "x.csv").read_text() != committed
    assert smart_sensor("simulate", "-").out == committed


def test_simulated_faults_are_rejected_for_their_reasons(
    smart_sensor: Command, loaded: Json
) -> None:
    assert smart_sensor("simulate", "x.csv", "--rows", 2000, "--fault-rate", 0.1).code == 0
    found = loaded("x.csv")
    assert found["rows_read"] == 2000
    assert 120 < found["rows_read"] - found["accepted"] < 280
    assert set(found["rejected_by_reason"]) == {
        "missing_value",
        "unparsable",
        "out_of_range",
        "duplicate_timestamp",
    }


@pytest.mark.parametrize("arguments", [["--rows", "5"], ["x.txt/y.csv"], ["--start", "noon"]])
def test_simulate_says_what_is_missing(
    arguments: list[str], smart_sensor: Command, write: Any
) -> None:
    write("x.txt", "")
    finished = smart_sensor("simulate", *arguments)
    assert finished.code == 2
    assert "Traceback" not in finished.err
    assert finished.err


# The same from outside, as a user has it.


@pytest.fixture
def outside(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in a process of its own, in an empty folder."""

    def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "DATABASE_URL": f"sqlite:///{tmp_path}/x.db",
            "PROCESSED_DATA_PATH": str(tmp_path / "processed.csv"),
            "COLUMNS": "200",
        }
        return subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            **options,
        )

    return run


def test_standard_input_through_a_pipe(outside: Any) -> None:
    finished = outside("-m", "pipeline.cli", "etl", "-", "--json", input=DIRTY)
    assert finished.returncode == 0, finished.stderr
    found = json.loads(finished.stdout)
    assert (found["accepted"], found["rows_read"]) == (2, 4)
    assert found["sources"][0]["source"] == "standard input"
    assert finished.stderr == ""


def test_the_file_is_the_command_too(outside: Any, tmp_path: Path) -> None:
    finished = outside(str(ROOT / "pipeline" / "etl_pipeline.py"), "missing.csv")
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr == "smart-sensor: missing.csv: no such file\n"


def test_nobody_reads_on_is_no_error(outside: Any) -> None:
    # `| head -1` closes the pipe before everything is written.
    script = (
        "import os, subprocess, sys\n"
        "reader, writer = os.pipe()\n"
        "os.close(reader)\n"
        "command = [sys.executable, '-m', 'pipeline.cli', 'simulate']\n"
        "done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)\n"
        "print(done.returncode, done.stderr)\n"
    )
    finished = outside("-c", script)
    assert finished.stdout == "0 \n"


def test_a_bar_is_shown_on_a_terminal_only(
    smart_sensor: Command, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("x.csv", GOOD)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = smart_sensor("etl", "x.csv")
    assert "Reading" in shown.err
    assert "Loading" in shown.err
    assert smart_sensor("etl", "x.csv", "--force", "--json").err == ""


def test_a_long_load_is_told_in_log_lines(
    smart_sensor: Command, write: Any, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("pipeline.terminal._LoggedProgress._LEAST", 40)
    caplog.set_level("INFO")
    write("x.csv", GOOD)
    smart_sensor("etl", "x.csv")
    assert "reading: 100 %" in caplog.text
    assert "loading: 100 %" in caplog.text
