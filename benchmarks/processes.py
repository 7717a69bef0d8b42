"""Processes of their own: how long they take, start-up included, and how much memory they use."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """What a process took: `peak_mb` is of that process alone, not of a server that it asked."""

    seconds: float
    peak_mb: float
    answer: Any


def run_module(module: str, *arguments: str | Path, environment: dict[str, str]) -> Run:
    """Run `python -m module` to its end; `answer` is the JSON that it prints, if any.

    Exits when it fails. Keep the calling process small: the system counts its peak of memory as
    that of the processes that it starts.
    """
    # Modules are compiled once, as on anybody's machine, and not anew in every run.
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments)],
            stdout=output,
            env=inherited | environment,
            cwd=ROOT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            sys.exit(f"{module} failed with status {process.returncode}")
        output.seek(0)
        text = output.read()
    unit = 1024 if sys.platform == "linux" else 1024**2
    return Run(seconds, usage.ru_maxrss / unit, json.loads(text) if text.strip() else None)


def simulated(path: Path, rows: int) -> Path:
    """A raw file of so many rows, one a second; made by another process, to keep this one small."""
    run_module("benchmarks.processes", path, str(rows), environment={})
    return path


def _simulate(path: str, rows: str) -> None:
    from pipeline.simulate import write_csv

    write_csv(Path(path), int(rows))


if __name__ == "__main__":
    _simulate(*sys.argv[1:])
