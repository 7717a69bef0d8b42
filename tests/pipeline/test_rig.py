"""Rig files: what they may say, what is refused and in which words, and units."""

from pathlib import Path

import pytest

from pipeline.errors import RigError
from pipeline.rig import Rig, configured_rig, load_rig, parse_rig
from pipeline.settings import default_rig_file, load_settings
from tests.conftest import DATA, ROOT


def test_the_default_rig_is_that_of_the_design(rig: Rig) -> None:
    assert (rig.name, rig.time_zone, rig.interval_s) == ("rig-1", "UTC", None)
    temperature, pressure, uptime = rig.channels
    assert (temperature.name, temperature.unit, temperature.kind) == (
        "temperature",
        "degC",
        "gauge",
    )
    assert (temperature.valid.min, temperature.valid.max) == (0, 150)
    assert (temperature.limits.low, temperature.limits.high) == (10, 80)
    assert temperature.z_score is not None
    assert (temperature.z_score.yellow, temperature.z_score.red) == (1.5, 2.0)
    assert (pressure.unit, pressure.kind) == ("hPa", "gauge")
    assert (pressure.valid.min, pressure.valid.max) == (800, 1200)
    assert (pressure.limits.low, pressure.limits.high) == (900, 1100)
    assert pressure.z_score is not None
    assert (pressure.z_score.yellow, pressure.z_score.red) == (1.5, 2.5)
    assert (uptime.unit, uptime.kind) == ("h", "counter")
    assert (uptime.valid.min, uptime.valid.max) == (0, None)
    assert all(channel.required for channel in rig.channels)


def test_columns_in_the_order_in_which_they_are_written(rig: Rig) -> None:
    assert rig.value_columns == (
        "temperature",
        "pressure",
        "uptime",
        "temperature_zscore",
        "pressure_zscore",
        "temperature_alert",
        "pressure_alert",
    )


@pytest.mark.parametrize(
    "path", [*sorted((ROOT / "rigs").glob("*.toml")), DATA / "vibration.toml"], ids=lambda p: p.name
)
def test_every_rig_file_can_be_read(path: Path) -> None:
    assert load_rig(path).channels


def test_the_second_rig_shares_no_channel_with_the_default_one(rig: Rig, vibration: Rig) -> None:
    assert len(vibration.channels) == 5
    assert not {c.name for c in vibration.channels} & {c.name for c in rig.channels}


MINIMAL = "[channels.flow]\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "r.toml: not valid TOML: "),
        ("name = 'x'", "r.toml: no channels; add at least one [channels.NAME] table"),
        ("channels = 5", "r.toml: channels: write one [channels.NAME] table a channel"),
        ("[channels]\nflow = 5", "r.toml: channels.flow"),
        ("[channels.Flow]", "channel name 'Flow': lower-case letters"),
        ("[channels.timestamp]", "channel name 'timestamp': lower-case letters"),
        ("[channels.load_id]", "channel name 'load_id': lower-case letters"),
        ("[channels.line]", "not one of after_gap, batch"),
        ("[channels.flow_zscore]", "not ending in _zscore or _alert"),
        (f"[channels.{'x' * 41}]", "at most 40"),
        ("[channels.flow]\nunits = 'l/s'", "channels.flow.units = 'l/s': unknown entry; check its"),
        ("[channels.flow]\nkind = 'meter'", "channels.flow.kind = 'meter': "),
        ("[channels.flow]\nvalid = { min = 2, max = 1 }", "min 2 is above max 1"),
        ("[channels.flow]\nvalid = { min = nan }", "channels.flow.valid.min = nan: "),
        ("[channels.flow]\nlimits = { low = 2, high = 2 }", "low 2 is not below high 2"),
        ("[channels.flow]\nz_score = { red = 1 }", "yellow 1.5 is not below red 1"),
        ("[channels.flow]\nz_score = { yellow = 0, red = 1 }", "channels.flow.z_score.yellow = 0"),
        ("[channels.flow]\nz_score = { yellow = 1 }", "channels.flow.z_score.red: "),
        (
            "[channels.flow]\nunit = 'bar'\nsource = { unit = 'K' }",
            "channels.flow: cannot convert 'K' to 'bar'; use unit names such as",
        ),
        ("time_zone = 'Middle/Earth'\n" + MINIMAL, "time_zone 'Middle/Earth' is unknown"),
        ("time_zone = 'localtime'\n" + MINIMAL, "time_zone 'localtime' is unknown"),
        ("time_zone = '../../etc/passwd'\n" + MINIMAL, "time_zone '../../etc/passwd' is unknown"),
        ("interval_s = 0\n" + MINIMAL, "interval_s = 0: "),
        ("name = ''\n" + MINIMAL, "name = '': "),
        ("name = '   '\n" + MINIMAL, "name '   ' has to be printable text"),
        ("name = \"a\\u0007\"\n" + MINIMAL, "has to be printable text"),
        (f"name = '{'x' * 201}'\n" + MINIMAL, "name = "),
        ("[files]\nencoding = 'utf-9'\n" + MINIMAL, "encoding 'utf-9' is unknown; try utf-8"),
        ("[files]\nencoding = 'rot13'\n" + MINIMAL, "encoding 'rot13' is unknown; try utf-8"),
        ("[files]\ntime_format = 'HH:mm'\n" + MINIMAL, "time_format 'HH:mm' does not tell a day"),
        ("[files]\ndelimiter = ', '\n" + MINIMAL, "files.delimiter = ', ': "),
        ("[files]\ndelimiter = '\"'\n" + MINIMAL, "cannot be the delimiter"),
        ("[files]\ndelimiter = \"\\n\"\n" + MINIMAL, "cannot be the delimiter"),
        ("[files]\ndelimiter = '§'\n" + MINIMAL, "cannot be the delimiter"),
        ("[files]\ndecimal = ';'\n" + MINIMAL, "files.decimal = ';': "),
        (
            "[files]\ndelimiter = ','\ndecimal = ','\n" + MINIMAL,
            "',' cannot be both delimiter and decimal sign",
        ),
        ("rig = 5\n" + MINIMAL, "rig = 5: unknown entry; check its spelling"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_one_line_that_names_it(text: str, message: str) -> None:
    with pytest.raises(RigError) as caught:
        parse_rig(text, "r.toml")
    assert str(caught.value).startswith("r.toml: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("twice", "line"),
    [
        ("[channels.flow]\nunit = 'bar'\nunit = 'hPa'", "unit = 'hPa'"),
        ("[channels.flow]\n[files]\n[channels.flow]", "[channels.flow]"),
    ],
    ids=["key", "table"],
)
def test_what_is_there_twice_is_named(twice: str, line: str) -> None:
    with pytest.raises(RigError) as caught:
        parse_rig(twice, "r.toml")
    end = f": {line}; a table, and a key in it, can be there once only"
    assert str(caught.value).startswith("r.toml: not valid TOML: ")
    assert str(caught.value).endswith(end)


def test_two_channels_from_one_column_are_refused() -> None:
    text = '[channels.a]\nsource = { column = "X" }\n[channels.b]\nsource = { column = " x " }'
    with pytest.raises(RigError, match="channel a and channel b are both read from column 'x'"):
        parse_rig(text, "r.toml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such rig file; shipped in rigs/ are propulsion.toml, static-fire.toml"),
        (b'label = "\xfc"', "byte 9 is not UTF-8; save it as UTF-8"),
    ],
    ids=["missing", "not UTF-8"],
)
def test_a_rig_file_that_cannot_be_read(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RigError) as caught:
        load_rig(path)
    assert str(caught.value) == f"{path}: {message}"


def test_a_folder_is_no_rig_file(tmp_path: Path) -> None:
    with pytest.raises(RigError, match="Is a directory"):
        load_rig(tmp_path)


@pytest.mark.parametrize(
    ("value", "unit", "to_unit", "expected"),
    [(302.0, "degF", "degC", 150.0), (32.0, "degF", "degC", 0.0), (80.0, "Pa", "hPa", 0.8)],
)
def test_the_ends_of_a_range_are_met_exactly(
    value: float, unit: str, to_unit: str, expected: float
) -> None:
    rig = parse_rig(f"[channels.x]\nunit = '{to_unit}'\nsource = {{ unit = '{unit}' }}", "r")
    shift, scale = rig.channels[0].conversion
    assert (value + shift) * scale == expected


def test_the_version_tells_rigs_apart_but_for_their_name(rig: Rig) -> None:
    other = parse_rig(default_rig_file().read_text().replace("high = 80", "high = 81"), "r")
    assert rig.renamed("rig-2").version == rig.version
    assert other.version != rig.version


def test_another_name(rig: Rig) -> None:
    assert rig.renamed("Motor 3").name == "Motor 3"
    assert rig.renamed(None) is rig
    with pytest.raises(RigError, match=r"rig rig-1: .*has to be printable text"):
        rig.renamed("\t")


def test_the_settings_override_the_default_rig(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "TEMPERATURE_THRESHOLD_HIGH": "70",
        "PRESSURE_THRESHOLD_LOW": "950",
        "Z_SCORE_THRESHOLD_PRESSURE": "4",
    }.items():
        monkeypatch.setenv(name, value)
    temperature, pressure, _ = configured_rig(load_settings()).channels
    assert (temperature.limits.low, temperature.limits.high) == (10, 70)
    assert (pressure.limits.low, pressure.limits.high) == (950, 1100)
    assert pressure.z_score is not None
    assert (pressure.z_score.yellow, pressure.z_score.red) == (1.5, 4)


def test_the_settings_override_no_other_rig(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRESSURE_THRESHOLD_HIGH", "50")
    monkeypatch.setenv("PRESSURE_THRESHOLD_LOW", "1")
    path = ROOT / "rigs" / "static-fire.toml"
    pressure = configured_rig(load_settings(), path).channel("pressure")
    assert pressure is not None
    assert (pressure.limits.low, pressure.limits.high) == (None, 60)


def test_a_shipped_rig_file_is_found_from_anywhere(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    shipped = Path("rigs") / "static-fire.toml"
    assert configured_rig(load_settings(), shipped).name == "static-fire"
    (home / "rigs").mkdir()
    (home / shipped).write_text('name = "mine"\n[channels.x]')
    assert configured_rig(load_settings(), shipped).name == "mine"


def test_a_red_threshold_below_the_yellow_one_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("Z_SCORE_THRESHOLD_TEMPERATURE", "1.2")
    with pytest.raises(RigError, match=r"channels\.temperature\.z_score: yellow 1\.5 is not below"):
        configured_rig(load_settings())


def test_a_name_from_the_command_line(home: Path) -> None:
    assert configured_rig(load_settings(), None, "Motor 3").name == "Motor 3"
