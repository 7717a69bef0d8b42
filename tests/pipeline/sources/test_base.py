"""A header is matched with the rig; what is missing is named, and a mapping proposed."""

import tomllib
from typing import Any

import pytest

from pipeline.errors import SourceError, UnfitColumnsError
from pipeline.rig import Rig, parse_rig
from pipeline.sources import ColumnMap


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(["timestamp", "temperature", "pressure", "uptime"], id="as the rig file"),
        pytest.param(["TIMESTAMP", "Temperature", "PRESSURE", "UpTime"], id="any case"),
        pytest.param([" timestamp", "temperature ", "\tpressure", " uptime "], id="blanks around"),
    ],
)
def test_columns_are_found_whatever_their_case_and_blanks(header: list[str], rig: Rig) -> None:
    found = ColumnMap.find(header, rig, "x.csv")
    assert found.positions == {"timestamp": 0, "temperature": 1, "pressure": 2, "uptime": 3}
    assert found.ignored == ()


def test_extra_columns_are_listed_as_ignored(rig: Rig) -> None:
    header = ["Operator", "uptime", "pressure", "timestamp", "temperature", "note"]
    found = ColumnMap.find(header, rig, "x.csv")
    assert found.positions == {"uptime": 1, "pressure": 2, "timestamp": 3, "temperature": 4}
    assert found.ignored == ("Operator", "note")


def test_a_rig_column_is_read(rig: Rig) -> None:
    header = ["Rig", "timestamp", "temperature", "pressure", "uptime"]
    assert ColumnMap.find(header, rig, "x.csv").positions["rig"] == 0


def test_a_foreign_column_wins_over_the_channels_own_name(static_fire: Rig) -> None:
    header = ["pressure", "Datetime", "5600 pressure (bar)"]
    assert ColumnMap.find(header, static_fire, "x.csv").positions["pressure"] == 2


def test_the_channels_own_name_serves_too(static_fire: Rig) -> None:
    found = ColumnMap.find(["Timestamp", "Pressure"], static_fire, "x.csv")
    assert found.positions == {"timestamp": 0, "pressure": 1}


def test_a_channels_own_name_does_not_serve_where_it_is_anothers_column() -> None:
    swapped = parse_rig(
        '[channels.a]\nsource = { column = "b" }\n[channels.b]\nsource = { column = "a" }', "r"
    )
    with pytest.raises(SourceError, match="required column missing: 'b'"):
        ColumnMap.find(["timestamp", "a"], swapped, "x.csv")
    found = ColumnMap.find(["timestamp", "a", "b"], swapped, "x.csv")
    assert found.positions == {"timestamp": 0, "a": 2, "b": 1}


def test_a_column_there_twice_is_refused(rig: Rig) -> None:
    header = ["timestamp", "temperature", "Temperature ", "pressure", "uptime"]
    with pytest.raises(SourceError, match=r"^x\.csv: column 'temperature' is there 2 times$"):
        ColumnMap.find(header, rig, "x.csv")


def test_extra_columns_may_be_there_twice(rig: Rig) -> None:
    header = ["timestamp", "temperature", "pressure", "uptime", "note", "note"]
    assert ColumnMap.find(header, rig, "x.csv").ignored == ("note", "note")


RECORDING_HEADER = [
    "Datetime",
    "Battery Level (%)",
    "5600 Pressure (Bar)",
    "5600 Temperature (°C)",
]


def test_missing_columns_are_named_with_those_found(rig: Rig) -> None:
    with pytest.raises(SourceError) as caught:
        ColumnMap.find(RECORDING_HEADER, rig, "x.csv")
    first_line = str(caught.value).splitlines()[0]
    assert first_line == (
        "x.csv: required column missing: 'timestamp', 'temperature', 'pressure', 'uptime'. "
        "Columns found: 'Datetime', 'Battery Level (%)', '5600 Pressure (Bar)', "
        "'5600 Temperature (°C)'."
    )


def proposal_for(header: list[str], rig: Rig) -> dict[str, Any]:
    """The rig file that is proposed where nothing but the header is known."""
    with pytest.raises(UnfitColumnsError) as caught:
        ColumnMap.find(header, rig, "x.csv")
    assert caught.value.proposal is not None
    assert str(caught.value).partition("--rig-file:")[2].strip() == caught.value.proposal.strip()
    parse_rig(caught.value.proposal, "proposed")
    return tomllib.loads(caught.value.proposal)


def test_a_whole_rig_file_is_proposed(rig: Rig) -> None:
    proposal = proposal_for(RECORDING_HEADER, rig)
    assert proposal["name"] == "x"
    assert proposal["files"] == {"time_column": "Datetime"}
    channels = proposal["channels"]
    assert list(channels) == ["temperature", "pressure"]
    assert channels["temperature"]["source"]["column"] == "5600 Temperature (°C)"
    assert channels["pressure"]["source"] == {"column": "5600 Pressure (Bar)", "unit": "bar"}
    assert channels["pressure"]["limits"] == {"low": 900, "high": 1100}


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["Operator", "Temp [C]"], ("Temp [C]", "degC")),
        (["Operator", "T1 (°F)"], ("T1 (°F)", "degF")),
        (["Operator", "Öltemperatur"], ("Öltemperatur", "degC")),
        (["Operator", "Temp"], ("Temp", "degC")),
        (["Operator", "Comment"], None),
    ],
)
def test_a_column_is_proposed_by_its_likeness_or_none(
    columns: list[str], expected: tuple[str, str] | None, rig: Rig
) -> None:
    channels = proposal_for(["timestamp", "pressure", "uptime", *columns], rig)["channels"]
    if expected is None:
        assert "temperature" not in channels
    else:
        source = channels["temperature"]["source"]
        assert (source["column"], source["unit"]) == expected


def test_the_zone_of_the_rig_that_was_used_is_proposed(static_fire: Rig) -> None:
    used = static_fire.model_copy(update={"time_zone": "Europe/Berlin"})
    assert proposal_for(["pressure", "Zeit"], used)["time_zone"] == "Europe/Berlin"


def test_names_with_quotes_are_proposed_as_toml_too(rig: Rig) -> None:
    proposal = proposal_for(['time "local"', 'temperature "T1\\n"', "p"], rig)
    assert proposal["files"]["time_column"] == 'time "local"'
    assert proposal["channels"]["temperature"]["source"]["column"] == 'temperature "T1\\n"'


def test_what_is_not_missing_is_proposed_too(rig: Rig) -> None:
    channels = proposal_for(["timestamp", "temperature", "Pressure", "hours of uptime"], rig)
    assert list(channels["channels"]) == ["temperature", "pressure", "uptime"]
    assert "source" not in channels["channels"]["pressure"]
    assert channels["channels"]["uptime"]["kind"] == "counter"


def test_a_column_of_times_is_no_counter_of_hours(rig: Rig) -> None:
    channels = proposal_for(["Date", "Time", "temperature", "pressure"], rig)["channels"]
    assert list(channels) == ["temperature", "pressure"]


def test_where_no_column_is_like_a_channel_nothing_is_proposed(rig: Rig) -> None:
    with pytest.raises(UnfitColumnsError) as caught:
        ColumnMap.find(["timestamp", "Operator"], rig, "x.csv")
    assert caught.value.proposal is None
    assert "\n" not in str(caught.value)
