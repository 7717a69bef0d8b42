"""compose.yaml, as Docker Compose itself reads it: no engine is needed for that, only its schema.

What it says of each profile is compared with the settings, the Dockerfile and the images' rules.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from pipeline import __version__
from pipeline.settings import Settings, load_settings
from tests.services.dockerfile import is_sent, stages
from tests.test_locks import ROOT

COMPOSE = Path(sys.executable).with_name("docker-compose")
pytestmark = pytest.mark.skipif(
    os.name == "nt" or not COMPOSE.exists(), reason="Docker Compose is not installed"
)
PROFILES = {
    "sqlite": {"dashboard-sqlite"},
    "postgres": {"dashboard-postgres", "postgres"},
    "timescale": {"dashboard-timescale", "timescale"},
}
DASHBOARDS = {profile: f"dashboard-{profile}" for profile in PROFILES}
SERVERS = ("postgres", "timescale")
SERVICES = sorted(set.union(*PROFILES.values()))
PASSWORD = "correct horse/battery:staple@"
IMAGE = re.compile(r"(?P<name>[a-z/-]+):(?P<version>\d+\.\d+(\.\d+)?)(-(?P<variant>[a-z0-9]+))?")


def config(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` in a folder; of our environment nothing but PATH."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        [COMPOSE, *arguments, "config", "--format=json"],
        cwd=folder,
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with compose.yaml and nothing else: no settings of whoever runs the tests."""
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    return tmp_path


def resolved(folder: Path, profile: str, **environment: str) -> dict[str, Any]:
    done = config(folder, f"--profile={profile}", **environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    model: dict[str, Any] = json.loads(done.stdout)
    return model


@cache
def everything() -> dict[str, Any]:
    """All services of all profiles, without a `.env` beside them."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "compose.yaml", folder)
        done = config(Path(folder), "--profile=*")
    assert done.returncode == 0, done.stderr
    model: dict[str, Any] = json.loads(done.stdout)
    return model


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = everything()["services"][name]
    return found


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_has_its_services(profile: str, folder: Path) -> None:
    assert set(resolved(folder, profile)["services"]) == PROFILES[profile]


def test_without_a_profile_nothing_starts(folder: Path) -> None:
    done = config(folder)
    assert json.loads(done.stdout or '{"services": {}}')["services"] == {}
    assert set(everything()["services"]) == set(SERVICES)


def test_compose_would_have_noticed_a_wrong_key(folder: Path) -> None:
    text = (folder / "compose.yaml").read_text(encoding="utf-8")
    (folder / "compose.yaml").write_text(text.replace("read_only:", "readonly:"))
    assert config(folder, "--profile=sqlite").returncode != 0


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_only_what_it_needs(name: str) -> None:
    found = service(name)
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["restart"] == "unless-stopped"
    assert found["pids_limit"] > 0
    assert set(found["logging"]["options"]) == {"max-size", "max-file"}
    assert any(mount.split(":")[0] == "/tmp" for mount in found["tmpfs"])  # noqa: S108  # its own
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(found)
    if name in SERVERS:
        user = found["user"].split(":")
        assert all(int(each) > 0 for each in user)
        assert f"uid={user[0]},gid={user[1]}" in found["tmpfs"][1]


@pytest.mark.parametrize("name", SERVICES)
def test_data_are_in_named_volumes(name: str) -> None:
    """Nothing of the host is mounted."""
    (volume,) = service(name)["volumes"]
    assert volume["type"] == "volume"
    assert volume["source"] in everything()["volumes"]
    assert volume["source"] == (name if name in SERVERS else "home")


def test_the_dashboards_volume_is_the_home_of_the_image() -> None:
    last = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))[-1]
    home = last.one("ENV").pairs["SMART_SENSOR_HOME"]
    assert home == last.one("VOLUME").text
    for name in DASHBOARDS.values():
        assert service(name)["volumes"][0]["target"] == home
        assert service(name)["environment"]["SMART_SENSOR_HOME"] == home


@pytest.mark.parametrize("name", SERVERS)
def test_a_servers_volume_is_where_its_image_keeps_data(name: str) -> None:
    """From PostgreSQL 18 on the image wants the folder above; an older place stops its start."""
    image = IMAGE.fullmatch(service(name)["image"])
    assert image
    major = image["version"].split(".")[0] if name == "postgres" else image["variant"][2:]
    expected = "/var/lib/postgresql" if int(major) >= 18 else "/var/lib/postgresql/data"
    assert service(name)["volumes"][0]["target"] == expected
    assert (name, major) in {("postgres", "18"), ("timescale", "17")}


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_a_full_version(name: str) -> None:
    image = IMAGE.fullmatch(service(name)["image"])
    assert image, service(name)["image"]
    if name not in SERVERS:
        assert (image["name"], image["version"]) == ("smart-sensor", __version__)
        assert service(name)["pull_policy"] == "build"


@pytest.mark.parametrize("name", SERVICES)
def test_health_is_checked(name: str) -> None:
    """The dashboards' check is that of the image that is built here."""
    if name not in SERVERS:
        last = stages((ROOT / "Dockerfile").read_text(encoding="utf-8"))[-1]
        assert last.one("HEALTHCHECK").command
        assert service(name)["build"]["dockerfile"] == "Dockerfile"
        return
    check = service(name)["healthcheck"]
    variables = service(name)["environment"]
    assert check["test"] == [
        "CMD",
        "pg_isready",
        "--host=127.0.0.1",  # while it is set up, the server listens on its socket only
        f"--username={variables['POSTGRES_USER']}",
        f"--dbname={variables['POSTGRES_DB']}",
    ]


@pytest.mark.parametrize("profile", SERVERS)
def test_the_dashboard_waits_for_a_healthy_database(profile: str) -> None:
    needed = service(DASHBOARDS[profile])["depends_on"]
    assert needed == {profile: {"condition": "service_healthy", "restart": True, "required": True}}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_environment_is_a_set_of_settings(
    profile: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that exist, values that are allowed, and the database that stands beside it."""
    variables = dict(service(DASHBOARDS[profile])["environment"])
    assert variables.pop("SMART_SENSOR_HOME") == "/data"
    assert set(variables) <= {name.upper() for name in Settings.model_fields}
    if profile in SERVERS:
        secret = home / Path(variables["DATABASE_PASSWORD_FILE"]).name
        secret.write_text(f"{PASSWORD}\n")
        variables["DATABASE_PASSWORD_FILE"] = str(secret)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    url = make_url(load_settings().database_url)
    if profile == "sqlite":
        assert url.database == f"{home}/data/processed.db"
        return
    server = service(profile)["environment"]
    assert (url.host, url.username, url.database, url.password) == (
        profile,
        server["POSTGRES_USER"],
        server["POSTGRES_DB"],
        PASSWORD,
    )


@pytest.mark.parametrize("name", SERVICES)
def test_the_password_comes_from_a_file(name: str) -> None:
    found = service(name)
    secrets = [secret["target"] for secret in found.get("secrets", [])]
    named = [value for key, value in found["environment"].items() if key.endswith("_FILE")]
    assert [value for value in named if value] == secrets
    assert len(secrets) == (0 if name == "dashboard-sqlite" else 1)
    assert not {"POSTGRES_PASSWORD", "PGPASSWORD"} & set(found["environment"])


def test_the_secret_is_known_to_neither_git_nor_the_image() -> None:
    (secret,) = everything()["secrets"].values()
    folder = service("dashboard-sqlite")["build"]["context"]
    name = Path(secret["file"]).relative_to(folder).as_posix()
    ignored = ["git", "check-ignore", "--quiet", name]
    assert subprocess.run(ignored, cwd=ROOT, check=False).returncode == 0
    assert not is_sent(name, (ROOT / ".dockerignore").read_text(encoding="utf-8"))


def test_only_dashboards_are_published_and_databases_stand_apart() -> None:
    assert everything()["networks"]["database"]["internal"] is True
    for name in SERVERS:
        assert "ports" not in service(name)
        assert set(service(name)["networks"]) == {"database"}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("where", ["environment", ".env"])
def test_the_published_address_can_be_chosen(profile: str, where: str, folder: Path) -> None:
    chosen = {
        "SMART_SENSOR_ADDRESS": "0.0.0.0",  # noqa: S104  # what a user may choose
        "SMART_SENSOR_PORT": "8080",
        "SMART_SENSOR_MEMORY": "2g",
    }
    name = DASHBOARDS[profile]
    (port,) = resolved(folder, profile)["services"][name]["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("127.0.0.1", "8000", 8000)
    if where == ".env":
        lines = (f"{variable}={value}\n" for variable, value in chosen.items())
        (folder / ".env").write_text("".join(lines))
        chosen = {}
    found = resolved(folder, profile, **chosen)["services"][name]
    (port,) = found["ports"]
    assert (port["host_ip"], port["published"], port["target"]) == ("0.0.0.0", "8080", 8000)  # noqa: S104
    assert found["mem_limit"] == str(2 * 1024**3)


@pytest.mark.parametrize("profile", PROFILES)
def test_settings_of_the_env_file_count_but_not_those_of_the_container(
    profile: str, folder: Path
) -> None:
    before = resolved(folder, profile)["services"][DASHBOARDS[profile]]["environment"]
    (folder / ".env").write_text(
        "OUTLIERS=reject\nHOST=127.0.0.1\nPORT=9000\nSMART_SENSOR_HOME=/elsewhere\n"
        "DATABASE_URL=sqlite:////tmp/x.db\nDATABASE_PASSWORD_FILE=/tmp/password\n"
    )
    after = resolved(folder, profile)["services"][DASHBOARDS[profile]]["environment"]
    assert after == before | {"OUTLIERS": "reject"}
