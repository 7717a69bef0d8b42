"""The demo in a process of its own, isolated from every installed package."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from demo.readings import COLUMNS
from tests.conftest import ROOT

SAMPLE = ROOT / "data" / "simulated_processed.csv"
BUNDLE = Path("dashboard", "static", "vendor", "charts.bundle.min.js")
HEADER = ",".join(COLUMNS)
ROW = "2025-07-13T00:00:00Z,54.8,1033.0,0.0,-0.5,0.5,normal,normal"

Finished = subprocess.CompletedProcess[str]


def command(tree: Path, *arguments: object) -> list[str]:
    script = tree / "demo" / "run_demo.py"
    return [sys.executable, "-I", "-S", "-B", str(script), *map(str, arguments)]


def run(*arguments: object, tree: Path = ROOT, **options: Any) -> Finished:
    return subprocess.run(
        command(tree, *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def with_bundle(tree: Path, code: str) -> Path:
    path = tree / BUNDLE
    path.parent.mkdir(parents=True)
    path.write_text(code, encoding="utf-8")
    return tree


def page_of(tree: Path, folder: Path, *arguments: object) -> str:
    """The text of the page that the demo of `tree` writes."""
    output = folder / "page.html"
    done = run("--output", output, *arguments, tree=tree)
    assert (done.returncode, done.stderr) == (0, "")
    return output.read_text(encoding="utf-8")


def csv_file(folder: Path, *lines: str, name: str = "some.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
