"""What all tests share: settings that lead nowhere near real data, a rig, a store, a command."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.configuration import set_hypothesis_home_dir

from pipeline import db_utils
from pipeline.rig import Rig, load_rig
from pipeline.settings import Settings, default_rig_file, get_settings, load_settings
from pipeline.stores import Store, open_store

pytest_plugins = ["tests.services.browser", "tests.services.databases"]

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"

set_hypothesis_home_dir(ROOT / ".hypothesis")
# pytest --hypothesis-profile=thorough looks further.
for _profile, _examples in (("default", 100), ("ci", 100), ("thorough", 2000)):
    hypothesis_settings.register_profile(
        _profile,
        max_examples=_examples,
        deadline=None,
        derandomize=_profile == "ci",
        suppress_health_check=[HealthCheck.too_slow],
    )
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever the environment of whoever runs the tests says, settings are the defaults."""
    for name in [*Settings.model_fields, "smart_sensor_home"]:
        monkeypatch.delenv(name.upper(), raising=False)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()
    db_utils.dispose_engines()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that stands for the project: relative paths and `.env` belong to it."""
    monkeypatch.setattr("pipeline.settings.checkout", lambda: tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/processed.db")
    return tmp_path


@pytest.fixture
def settings(home: Path) -> Settings:
    """Defaults, with a database in `home`."""
    return load_settings()


@pytest.fixture(scope="session")
def rig() -> Rig:
    """The default rig as its file says."""
    return load_rig(default_rig_file())


@pytest.fixture(scope="session")
def static_fire() -> Rig:
    """The rig of the recording in tests/data: `RECORDING`."""
    return load_rig(ROOT / "rigs" / "static-fire.toml")


@pytest.fixture(scope="session")
def vibration() -> Rig:
    """A second rig that shares nothing with the default one, not even how it writes numbers."""
    return load_rig(DATA / "vibration.toml")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """An empty store in `home`."""
    opened = open_store(settings)
    yield opened
    opened.close()


@dataclass(frozen=True)
class Finished:
    """A command that has run: its exit code and what it wrote."""

    code: int
    out: str
    err: str


Command = Callable[..., Finished]


@pytest.fixture
def smart_sensor(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The `smart-sensor` command in this process, with `home` as project and current folder."""
    from pipeline.cli import run

    monkeypatch.chdir(home)
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Finished:
        get_settings.cache_clear()
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            run([str(argument) for argument in arguments])
        written = capfd.readouterr()
        return Finished(int(stopped.value.code or 0), written.out, written.err)

    return call
