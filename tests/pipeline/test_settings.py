"""Settings: their defaults, what is refused and in which words, and where they come from."""

import os
import re
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.settings import Settings, default_rig_file, get_settings, load_settings
from tests.conftest import ROOT

DEFAULTS = {
    "DATABASE_URL": "sqlite:///data/processed.db",
    "TIMESCALE": "auto",
    "DATABASE_POOL_SIZE": "8",
    "DATABASE_MAX_OVERFLOW": "8",
    "DATABASE_POOL_RECYCLE_S": "1800",
    "DATABASE_POOL_PRE_PING": "true",
    "DATABASE_CONNECT_TIMEOUT_S": "10",
    "DATABASE_STATEMENT_TIMEOUT_S": "60.0",
    "DATABASE_RETRY_S": "60.0",
    "DATABASE_PASSWORD_FILE": "",
    "TABLE_NAME": "sensor_data",
    "DATA_PATH": "data/simulated_raw.csv",
    "PROCESSED_DATA_PATH": "data/simulated_processed.csv",
    "RIG_FILE": "rigs/propulsion.toml",
    "HOST": "0.0.0.0",  # noqa: S104  # the default of the issue
    "PORT": "8000",
    "WORKERS": "1",
    "ALLOWED_HOSTS": "",
    "ALLOWED_ORIGINS": "",
    "TRUSTED_PROXIES": "",
    "REQUIRE_TOKEN_TO_READ": "false",
    "MAX_REQUEST_KB": "1024",
    "REQUESTS_PER_MINUTE": "6000",
    "MAX_UPLOAD_MB": "2048",
    "DASHBOARD_REFRESH_INTERVAL": "30",
    "TEMPERATURE_THRESHOLD_HIGH": "80.0",
    "TEMPERATURE_THRESHOLD_LOW": "10.0",
    "PRESSURE_THRESHOLD_HIGH": "1100.0",
    "PRESSURE_THRESHOLD_LOW": "900.0",
    "Z_SCORE_THRESHOLD_TEMPERATURE": "2.0",
    "Z_SCORE_THRESHOLD_PRESSURE": "2.5",
    "OUTLIERS": "flag",
    "RETENTION": "",
    "RETENTION_ROLLUPS": "",
    "LOG_LEVEL": "INFO",
}


@pytest.fixture
def empty_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder without any setting, which is not the current folder."""
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.chdir("/")
    return home


@pytest.mark.parametrize("name", [name for name in DEFAULTS if "PATH" not in name])
def test_default(name: str, empty_home: Path) -> None:
    value = getattr(load_settings(), name.lower())
    expected = {
        "DATABASE_URL": f"sqlite:///{empty_home}/data/processed.db",
        "DATABASE_PASSWORD_FILE": "None",
        "RIG_FILE": str(default_rig_file()),
    }
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    assert shown == expected.get(name, DEFAULTS[name])


def test_default_paths_are_relative_to_the_project(empty_home: Path) -> None:
    settings = load_settings()
    assert settings.data_path == empty_home / "data" / "simulated_raw.csv"
    assert settings.processed_data_path == empty_home / "data" / "simulated_processed.csv"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DATABASE_URL", "mysql://localhost/x", "sqlite:///path/to/file.db"),
        ("DATABASE_URL", "processed.db", "sqlite:///path/to/file.db"),
        ("DATABASE_URL", "sqlite://", "sqlite:///path/to/file.db"),
        ("DATABASE_URL", "sqlite:///:memory:", "sqlite:///path/to/file.db"),
        ("DATABASE_URL", "sqlite://host/file.db", "sqlite:///path/to/file.db"),
        ("TABLE_NAME", "sensor data", "a letter or underscore, then letters"),
        ("TABLE_NAME", "1st", "a letter or underscore, then letters"),
        ("TABLE_NAME", "x" * 49, "at most 48"),
        ("TABLE_NAME", "sqlite_readings", "not beginning with sqlite_"),
        ("WORKERS", "0", "a whole number, 1 to 64"),
        ("PORT", "80a", "a whole number, 0 to 65535"),
        ("PORT", "65536", "a whole number, 0 to 65535"),
        ("PORT", "-1", "a whole number, 0 to 65535"),
        ("ALLOWED_HOSTS", "https://sensors.example.org", "names without scheme and port"),
        ("ALLOWED_HOSTS", "sensors.example.org:8000", "names without scheme and port"),
        ("ALLOWED_HOSTS", "*", "names without scheme and port"),
        ("ALLOWED_ORIGINS", "*", "origins such as https://wiki.example.org"),
        ("ALLOWED_ORIGINS", "wiki.example.org", "origins such as https://wiki.example.org"),
        ("ALLOWED_ORIGINS", "https://wiki.example.org/", "without a path"),
        ("TRUSTED_PROXIES", "proxy.example.org", "addresses and networks"),
        ("TRUSTED_PROXIES", "10.0.0.5/8", "addresses and networks"),
        ("TRUSTED_PROXIES", "*", "addresses and networks"),
        ("REQUIRE_TOKEN_TO_READ", "perhaps", "true or false"),
        ("MAX_REQUEST_KB", "0", "a whole number, 1 to 1048576"),
        ("REQUESTS_PER_MINUTE", "-1", "a whole number, 0 to 1000000"),
        ("DASHBOARD_REFRESH_INTERVAL", "0", "a whole number of seconds, 1 to 86400"),
        ("DASHBOARD_REFRESH_INTERVAL", "1.5", "a whole number of seconds, 1 to 86400"),
        ("TEMPERATURE_THRESHOLD_HIGH", "hot", "a number above the low limit"),
        ("TEMPERATURE_THRESHOLD_HIGH", "inf", "a number above the low limit"),
        ("TEMPERATURE_THRESHOLD_LOW", "nan", "a number below the high limit"),
        ("PRESSURE_THRESHOLD_HIGH", "1,1", "a number above the low limit"),
        ("PRESSURE_THRESHOLD_LOW", "-inf", "a number below the high limit"),
        ("Z_SCORE_THRESHOLD_TEMPERATURE", "0", "a number above the yellow threshold"),
        ("Z_SCORE_THRESHOLD_PRESSURE", "-2", "a number above the yellow threshold"),
        ("OUTLIERS", "drop", "flag or reject"),
        (
            "RETENTION",
            "90",
            "empty, or a whole number of hours, days, weeks or years of 365 days, such as "
            "12h, 90d, 2w or 1y",
        ),
        (
            "RETENTION_ROLLUPS",
            "1min:2y,10s:1y",
            "empty, or a list such as 10s:1y,1min:2y of levels"
            " (1s, 10s, 1min, 5min, 15min, 1h) and ages",
        ),
        ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_wrong_value_is_one_line_with_variable_value_and_what_is_allowed(
    name: str, value: str, allowed: str, where: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    if where == "environment":
        monkeypatch.setenv(name, value)
    else:
        (home / ".env").write_text(f"{name}={value}\n")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{name}={value}: not allowed; allowed is ")
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize("channel", ["TEMPERATURE", "PRESSURE"])
def test_a_low_limit_that_is_not_below_the_high_one_names_both(
    channel: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{channel}_THRESHOLD_LOW", "5000")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"{channel}_THRESHOLD_LOW=5000 is not below {channel}_THRESHOLD_HIGH")
    assert "\n" not in message


@pytest.mark.parametrize(
    "name",
    [
        'x"; DROP TABLE sensor_data; --',
        "x; DELETE FROM y",
        "x' OR '1'='1",
        "x`y",
        "main.sensor_data",
        "[x]",
        "x--",
        "x/*",
        "sensor_data\n",
        "sensor\0data",
        "ｓｅｎｓｏｒ",  # noqa: RUF001  # full-width letters
        "größe",
        "",
    ],
)
def test_a_table_name_that_is_no_identifier_is_refused(name: str, home: Path) -> None:
    with pytest.raises(SettingsError, match=r"^TABLE_NAME="):
        load_settings(table_name=name)


@pytest.mark.parametrize("name", ["order", "select", "_x", "Sensor_2", "x" * 48])
def test_any_identifier_is_a_table_name(name: str, home: Path) -> None:
    assert load_settings(table_name=name).table_name == name


PASSWORD = "p4ss:w0rd@home/with?signs"


def test_env_file_is_read(empty_home: Path) -> None:
    (empty_home / ".env").write_text("# mine\nPORT=9000\nTABLE_NAME='other'\n", encoding="utf-8")
    settings = load_settings()
    assert (settings.port, settings.table_name) == (9000, "other")


def test_the_environment_wins_over_the_env_file(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_home / ".env").write_text("PORT=9000\nHOST=127.0.0.1\n")
    monkeypatch.setenv("PORT", "9001")
    settings = load_settings()
    assert (settings.port, settings.host) == (9001, "127.0.0.1")


def test_an_empty_variable_means_the_default(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "")
    assert load_settings().port == 8000


def test_an_unknown_variable_in_the_env_file_is_left_alone(empty_home: Path) -> None:
    (empty_home / ".env").write_text("SOMETHING_ELSE=1\n")
    assert load_settings().port == 8000


def test_an_env_file_that_is_no_text_is_one_line(empty_home: Path) -> None:
    (empty_home / ".env").write_bytes("NAME=Jürgen".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"\.env: not UTF-8 text; save it as UTF-8$"):
        load_settings()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("some/file.csv", "{home}/some/file.csv", id="relative"),
        pytest.param("/some/file.csv", "/some/file.csv", id="absolute"),
        pytest.param("~/file.csv", "{user}/file.csv", id="a user's"),
    ],
)
def test_paths_wherever_the_command_is_started(given: str, expected: str, empty_home: Path) -> None:
    path = expected.format(home=empty_home, user=os.path.expanduser("~"))
    settings = load_settings(data_path=given, database_url=f"sqlite:///{given}")
    assert str(settings.data_path) == path
    assert settings.database_url == f"sqlite:///{path}"


def test_without_a_checkout_the_home_is_what_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.settings.checkout", lambda: None)
    monkeypatch.chdir("/")
    monkeypatch.setenv("SMART_SENSOR_HOME", str(tmp_path))
    assert load_settings().data_path == tmp_path / "data" / "simulated_raw.csv"


def test_without_checkout_and_variable_the_home_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.settings.checkout", lambda: None)
    monkeypatch.chdir(tmp_path)
    assert load_settings().data_path == tmp_path / "data" / "simulated_raw.csv"


def test_a_rig_file_of_ones_own_wins_over_a_shipped_one(empty_home: Path) -> None:
    (empty_home / "rigs").mkdir()
    own = empty_home / "rigs" / "static-fire.toml"
    assert load_settings(rig_file="rigs/static-fire.toml").rig_file == ROOT / "rigs" / own.name
    own.touch()
    assert load_settings(rig_file="rigs/static-fire.toml").rig_file == own


def test_settings_are_read_once_and_cannot_be_changed(home: Path) -> None:
    settings = get_settings()
    assert get_settings() is settings
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_log_level_in_any_case(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("log_level", "debug")
    assert load_settings().log_level == "DEBUG"


def test_only_what_was_set_overrides_the_rig_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings().channel_overrides == {}
    monkeypatch.setenv("TEMPERATURE_THRESHOLD_HIGH", "70")
    monkeypatch.setenv("Z_SCORE_THRESHOLD_PRESSURE", "3")
    assert load_settings().channel_overrides == {
        "temperature": {"limit_high": 70.0},
        "pressure": {"z_red": 3.0},
    }


def test_the_settings_are_those_of_the_issue() -> None:
    assert {name.upper() for name in Settings.model_fields} == set(DEFAULTS)


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_env_example_documents(name: str) -> None:
    text = (ROOT / "env.example").read_text(encoding="utf-8")
    found = re.search(rf"^# (.+)\n#?{name}=(.*)$", text, re.MULTILINE)
    assert found, f"no description line followed by {name}=... in env.example"
    field = Settings.model_fields[name.lower()]
    assert field.description in found[1]
    assert f"Allowed: {field.json_schema_extra['allowed']}." in found[1]
    assert found[2] == DEFAULTS[name]


def test_env_example_documents_nothing_else() -> None:
    text = (ROOT / "env.example").read_text(encoding="utf-8")
    assert set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE)) == set(DEFAULTS)


def test_env_example_can_be_used_as_it_is(empty_home: Path) -> None:
    text = (ROOT / "env.example").read_text(encoding="utf-8")
    (empty_home / ".env").write_text(re.sub(r"^#([A-Z_]+=)", r"\1", text, flags=re.MULTILINE))
    assert load_settings().model_dump(exclude={"rig_file"}) == Settings().model_dump(
        exclude={"rig_file"}
    )


@pytest.mark.parametrize("name", [name.upper() for name in Settings.model_fields])
def test_the_readme_has_a_row_for(name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{name}` \| (?:none|`([^`]+)`) \| (.+) \|$", text, re.MULTILINE)
    assert row, f"no row | `{name}` | `default` | description | in README.md"
    assert (row[1] or "") == DEFAULTS[name]
