"""docs/deployment.md: its names are those of compose.yaml and the settings, its command works."""

import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.settings import Settings, load_settings
from tests.services.dockerfile import stages
from tests.test_locks import ROOT

TEXT = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (.+)$", TEXT, re.MULTILINE)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
(UNIT,) = re.findall(r"```ini\n(.*?)```", TEXT, re.DOTALL)


def test_every_profile_and_volume_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+ \| volume `smart-sensor_(\w+)`", TEXT, re.MULTILINE)
    profiles = {profile for each in COMPOSE["services"].values() for profile in each["profiles"]}
    assert {profile for profile, _ in rows} == profiles
    assert {volume for _, volume in rows} == set(COMPOSE["volumes"])


def test_every_variable_of_compose_has_a_row_with_its_default() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    used = dict(re.findall(r"\$\{(\w+):-([^}]+)\}", text))
    documented = dict(re.findall(r"^\| `(SMART_SENSOR_\w+)` \| `([^`]+)` \|", TEXT, re.MULTILINE))
    assert documented == used
    assert all(f"#   {name} " in text for name in used), "compose.yaml explains them as well"


def test_commands_name_services_that_exist() -> None:
    named = re.findall(r"docker compose (?:exec (?:-T )?([\w-]+)|cp (?:\S+ )?([\w-]+):/)", TEXT)
    services = {first or second for first, second in named}
    assert {"dashboard-sqlite", "postgres"} <= services <= set(COMPOSE["services"])


def test_versions_are_those_of_the_images() -> None:
    images = {name: each["image"] for name, each in COMPOSE["services"].items() if "image" in each}
    assert images["postgres"].startswith("postgres:18.")
    assert "PostgreSQL 18 |" in TEXT
    assert images["timescale"].endswith("-pg17")
    assert "TimescaleDB on PostgreSQL 17 |" in TEXT


def test_the_command_for_the_password_makes_one_that_is_accepted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (command,) = (each for each in COMMANDS if "/dev/urandom" in each)
    subprocess.run(["/bin/sh", "-c", f"umask 077; {command}"], cwd=home, check=True)
    file = home / COMPOSE["secrets"]["database_password"]["file"]
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o644, "the containers' users have to read it"
    settings = load_settings(
        database_url="postgresql://smart_sensor@postgres/smart_sensor", database_password_file=file
    )
    assert len(file.read_text().strip()) >= 32
    assert settings.database_url != load_settings().database_url


def test_the_unit_starts_what_the_image_starts() -> None:
    """The same program in the place where the documented command puts it, with real settings."""
    last = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))[-1]
    (start,) = re.findall(r"^ExecStart=(.+)$", UNIT, re.MULTILINE)
    program, *arguments = start.split()
    assert [Path(program).name, *arguments] == last.one("CMD").command
    assert f"sudo tools/install.sh {Path(program).parents[1]}" in COMMANDS
    lines = re.findall(r"^#?Environment=(.+)$", UNIT, re.MULTILINE)
    variables = dict(pair.split("=", 1) for line in lines for pair in line.split())
    known = {name.upper() for name in Settings.model_fields} | set(last.one("ENV").pairs)
    assert set(variables) <= known
    (state,) = re.findall(r"^StateDirectory=(.+)$", UNIT, re.MULTILINE)
    assert variables["SMART_SENSOR_HOME"] == f"/var/lib/{state}"


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
