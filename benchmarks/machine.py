"""Where something was measured: the machine and the versions that matter."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("numpy", "pandas", "polars", "sqlalchemy", "psycopg", "adbc-driver-postgresql")


def print_machine(rows: int) -> None:
    print(f"{rows:,} rows")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    print(
        f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB of memory, "
        f"{platform.system()} {platform.release()}"
    )
    versions = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {versions}")


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    names = [line for line in text.splitlines() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else ""
    return f"{platform.machine()} ({name})" if name else platform.machine()
