"""Settings: the environment and `.env`, checked once at the start, in one frozen object.

No other file reads the environment.
"""

import hashlib
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL, make_url

from pipeline.database_urls import masked, parsed
from pipeline.durations import ALLOWED as DURATIONS_ALLOWED
from pipeline.durations import LEVEL_AGES_ALLOWED, parse_duration, parse_level_ages
from pipeline.errors import SettingsError
from pipeline.hosts import (
    HOSTS_ALLOWED,
    NETWORKS_ALLOWED,
    ORIGINS_ALLOWED,
    parse_hosts,
    parse_networks,
    parse_origins,
)
from pipeline.password_file import with_password
from pipeline.paths import checkout, resource

# 48 leaves room for `_migrations` within the 63 bytes that PostgreSQL keeps of a name.
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,47}")
_PARSERS: dict[str, Callable[[str], object]] = {
    "allowed_hosts": parse_hosts,
    "allowed_origins": parse_origins,
    "trusted_proxies": parse_networks,
}
Limit = Annotated[float, Field(allow_inf_nan=False)]
ZScore = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def project_home() -> Path:
    """What relative paths are relative to: the checkout, else SMART_SENSOR_HOME, else here."""
    return checkout() or Path(os.environ.get("SMART_SENSOR_HOME") or Path.cwd()).resolve()


def _setting(default: Any, description: str, allowed: str) -> Any:
    """A field whose documentation and error message come from one place."""
    return Field(default, description=description, json_schema_extra={"allowed": allowed})


class Settings(BaseSettings):
    """All settings. Upper-case environment variables of the same names set them."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    # Before the URL that it belongs to: fields are checked in this order.
    database_password_file: Path | None = _setting(
        None,
        "File with the password of DATABASE_URL, on one line.",
        "a file's path, for PostgreSQL; the URL then has no password",
    )
    database_url: str = Field(
        "sqlite:///data/processed.db",
        repr=False,
        description="Where the readings are stored.",
        json_schema_extra={
            "allowed": "sqlite:///path/to/file.db, or postgresql://user:password@host:5432/database"
        },
    )
    timescale: Literal["auto", "on", "off"] = _setting(
        "auto",
        "Whether a PostgreSQL database is used as TimescaleDB; auto: where it has the extension.",
        "auto, on or off",
    )
    database_pool_size: Annotated[int, Field(ge=0, le=1000)] = _setting(
        8,
        "Connections kept open by a process; 0: none, each question opens its own.",
        "a whole number, 0 to 1000",
    )
    database_max_overflow: Annotated[int, Field(ge=0, le=1000)] = _setting(
        8,
        "Connections beyond those, closed when they are no longer needed.",
        "a whole number, 0 to 1000",
    )
    database_pool_recycle_s: Annotated[int, Field(ge=-1)] = _setting(
        1800,
        "Seconds after which a kept connection is opened anew; -1: never.",
        "a whole number of seconds, or -1",
    )
    database_pool_pre_ping: bool = _setting(
        True,
        "Whether a kept connection that has rested is tried before it is used.",
        "true or false",
    )
    database_connect_timeout_s: Annotated[int, Field(ge=2, le=3600)] = _setting(
        10,
        "Seconds to wait for a server to answer.",
        "a whole number of seconds, 2 to 3600",
    )
    database_statement_timeout_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = _setting(
        60.0,
        "Seconds that a question to a server may take; 0: no limit. Loads have none.",
        "a number of seconds",
    )
    database_retry_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] = _setting(
        60.0,
        "Seconds for which a write is tried again after an error that may pass; 0: not at all.",
        "a number of seconds",
    )
    table_name: str = _setting(
        "sensor_data",
        "Table of the readings; the other tables are named after it.",
        "a letter or underscore, then letters, digits and underscores; at most 48; "
        "not beginning with sqlite_",
    )
    data_path: Path = _setting(
        Path("data/simulated_raw.csv"),
        "The file that the ETL reads by default.",
        "a file's path",
    )
    processed_data_path: Path = _setting(
        Path("data/simulated_processed.csv"),
        "Where the scored readings of DATA_PATH are written.",
        "a file's path",
    )
    rig_file: Path = _setting(
        Path("rigs/propulsion.toml"),
        "The rig: its channels, units, limits, and how its files are written.",
        "the path of a rig file (TOML)",
    )
    host: str = _setting(
        "0.0.0.0",  # noqa: S104  # reading is open to the network; writing is not
        "Address that the server listens on.",
        "an address or name",
    )
    port: Annotated[int, Field(ge=0, le=65535)] = _setting(
        8000,
        "Port that the server listens on; 0 takes a free one.",
        "a whole number, 0 to 65535",
    )
    workers: Annotated[int, Field(ge=1, le=64)] = _setting(
        1, "Processes that serve the dashboard together.", "a whole number, 1 to 64"
    )
    allowed_hosts: str = _setting(
        "",
        "Names by which browsers may reach the server, besides those of the machine itself.",
        HOSTS_ALLOWED,
    )
    allowed_origins: str = _setting(
        "", "Other sites whose pages may ask the API; empty: none.", ORIGINS_ALLOWED
    )
    trusted_proxies: str = _setting(
        "", "Proxies whose X-Forwarded-For is believed; empty: none.", NETWORKS_ALLOWED
    )
    require_token_to_read: bool = _setting(
        False, "Whether other machines need a token to read, too.", "true or false"
    )
    max_request_kb: Annotated[int, Field(ge=1, le=1_048_576)] = _setting(
        1024,
        "Most kilobytes (of 1024 bytes) of a request's body.",
        "a whole number, 1 to 1048576",
    )
    requests_per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = _setting(
        6000,
        "Requests that each other machine may make in a minute; 0: any number.",
        "a whole number, 0 to 1000000",
    )
    max_upload_mb: Annotated[int, Field(ge=1, le=1_000_000)] = _setting(
        2048,
        "Most megabytes (of 1024 * 1024 bytes) of a file that is loaded in the browser, also when "
        "it is unpacked.",
        "a whole number, 1 to 1000000",
    )
    dashboard_refresh_interval: Annotated[int, Field(ge=1, le=86400)] = _setting(
        30,
        "Seconds between polls while the WebSocket is down.",
        "a whole number of seconds, 1 to 86400",
    )
    temperature_threshold_high: Limit = _setting(
        80.0,
        "High limit of temperature, in the default rig.",
        "a number above the low limit",
    )
    temperature_threshold_low: Limit = _setting(
        10.0,
        "Low limit of temperature, in the default rig.",
        "a number below the high limit",
    )
    pressure_threshold_high: Limit = _setting(
        1100.0,
        "High limit of pressure, in the default rig.",
        "a number above the low limit",
    )
    pressure_threshold_low: Limit = _setting(
        900.0,
        "Low limit of pressure, in the default rig.",
        "a number below the high limit",
    )
    z_score_threshold_temperature: ZScore = _setting(
        2.0,
        "Absolute z-score above which a temperature is red, in the default rig.",
        "a number above the yellow threshold of the rig file (1.5)",
    )
    z_score_threshold_pressure: ZScore = _setting(
        2.5,
        "Absolute z-score above which a pressure is red, in the default rig.",
        "a number above the yellow threshold of the rig file (1.5)",
    )
    outliers: Literal["flag", "reject"] = _setting(
        "flag",
        "Readings with a red z-score: kept and flagged, or moved to the rejects.",
        "flag or reject",
    )
    retention: str = _setting(
        "",
        "Age beyond which readings and rejects are deleted, after loads and hourly while the "
        "server runs; empty: never.",
        f"empty, or {DURATIONS_ALLOWED}",
    )
    retention_rollups: str = _setting(
        "",
        "Ages beyond which roll-ups of a level are deleted, where what is shorter is gone already; "
        "empty: never. Those of 6 hours are always kept.",
        f"empty, or {LEVEL_AGES_ALLOWED}",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting(
        "INFO", "How much is logged.", "DEBUG, INFO, WARNING or ERROR"
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("retention")
    @classmethod
    def _duration(cls, value: str) -> str:
        if value.strip():
            parse_duration(value)
        return value.strip()

    @field_validator("retention_rollups")
    @classmethod
    def _level_ages(cls, value: str) -> str:
        parse_level_ages(value)
        return value.strip()

    @field_validator("allowed_hosts", "allowed_origins", "trusted_proxies")
    @classmethod
    def _list(cls, value: str, info: ValidationInfo) -> str:
        _PARSERS[str(info.field_name)](value)
        return value

    @field_validator("table_name")
    @classmethod
    def _identifier(cls, value: str) -> str:
        if not _IDENTIFIER.fullmatch(value) or value.lower().startswith("sqlite_"):
            raise ValueError("not a name for a table")
        return value

    @field_validator("database_password_file")
    @classmethod
    def _absolute_or_none(cls, value: Path | None) -> Path | None:
        # load_settings(database_password_file="") is "none" as well: Path("") is ".".
        return project_home() / value.expanduser() if value and value.parts else None

    @field_validator("database_url")
    @classmethod
    def _absolute_url(cls, value: str, info: ValidationInfo) -> str:
        url = parsed(value)
        if url.drivername == "sqlite":
            path = project_home() / Path(str(url.database)).expanduser()
            url = URL.create("sqlite", database=str(path), query=url.query)
        password_file = info.data.get("database_password_file")
        if password_file is not None:
            url = with_password(url, password_file)
        return url.render_as_string(hide_password=False)

    @field_validator("data_path", "processed_data_path")
    @classmethod
    def _absolute_path(cls, value: Path) -> Path:
        return project_home() / value.expanduser()

    @field_validator("rig_file")
    @classmethod
    def _own_or_bundled(cls, value: Path) -> Path:
        own = project_home() / value.expanduser()
        bundled = resource("rigs") / value.name
        return own if own.exists() or not bundled.exists() else bundled

    @model_validator(mode="after")
    def _low_below_high(self) -> "Settings":
        for channel in ("temperature", "pressure"):
            low = getattr(self, f"{channel}_threshold_low")
            high = getattr(self, f"{channel}_threshold_high")
            if low >= high:
                name = channel.upper()
                raise SettingsError(
                    f"{name}_THRESHOLD_LOW={low:g} is not below {name}_THRESHOLD_HIGH={high:g}; "
                    "set both so that low is below high"
                )
        return self

    @property
    def uploads_folder(self) -> Path:
        """Where files that are sent to the server wait for their load: one a database."""
        url = make_url(self.database_url)
        beside = Path(str(url.database)).parent
        if url.drivername != "sqlite":
            beside = project_home() / "data"
        identity = url.set(password=None).render_as_string() + self.table_name
        return beside / f"uploads-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"

    @property
    def masked_database_url(self) -> str:
        """DATABASE_URL as it may be shown: without its password."""
        return masked(make_url(self.database_url).render_as_string(hide_password=True))

    @property
    def channel_overrides(self) -> dict[str, dict[str, float]]:
        """What the environment says of the default rig: channel -> {limit_low, limit_high, z_red}.

        Only what was really set is in it: a default never overrides the rig file.
        """
        overrides: dict[str, dict[str, float]] = {}
        for channel in ("temperature", "pressure"):
            names = {
                "limit_high": f"{channel}_threshold_high",
                "limit_low": f"{channel}_threshold_low",
                "z_red": f"z_score_threshold_{channel}",
            }
            found = {
                key: getattr(self, field)
                for key, field in names.items()
                if field in self.model_fields_set
            }
            if found:
                overrides[channel] = found
        return overrides


def _one_line(error: ValidationError, given: dict[str, Any]) -> str:
    """The first failing setting: its variable, its value, what is allowed."""
    first = error.errors(include_url=False, include_context=False)[0]
    field = str(first["loc"][0])
    extra = Settings.model_fields[field].json_schema_extra
    allowed = extra["allowed"] if isinstance(extra, dict) else ""
    value = given.get(field)
    if field == "database_url":
        value = masked(str(value))
        allowed = f"{allowed}; {first['msg'].removeprefix('Value error, ')}"
    return f"{field.upper()}={value}: not allowed; allowed is {allowed}"


def load_settings(**overrides: Any) -> Settings:
    """Read and check the settings; `overrides` (lower-case names) win over the environment.

    Raises SettingsError with one line that names the variable, its value and what is allowed.
    """
    env_file = project_home() / ".env"
    try:
        return Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        raise SettingsError(_one_line(error, _given(env_file, overrides))) from None
    except UnicodeDecodeError:
        raise SettingsError(f"{env_file}: not UTF-8 text; save it as UTF-8") from None


def _given(env_file: Path, overrides: dict[str, Any]) -> dict[str, Any]:
    """The values as somebody wrote them, by field name, for an error message."""
    from dotenv import dotenv_values

    written = dotenv_values(env_file) if env_file.is_file() else {}
    merged = {key.lower(): value for key, value in {**written, **os.environ}.items()}
    return {**merged, **overrides}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()


def default_rig_file() -> Path:
    """The rig file that the threshold settings belong to."""
    return resource("rigs") / "propulsion.toml"
