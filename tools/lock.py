"""Compiles the pinned requirements from pyproject.toml, or checks that they are up to date.

`python -m tools.lock` keeps every pin that still fits; `--upgrade` moves all of them;
`--check` compiles again, starting from the committed pins, and compares: a lock is fresh
when that changes nothing. The answer of the local cache counts when it agrees (no network
needed); before a lock is called stale, the package index is asked.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROJECT_LINE = "-e .\n"
COMMAND = (
    sys.executable,
    "-m",
    "uv",
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--python-version=3.11",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-build",
    "--custom-compile-command=make lock",
)


class LockError(Exception):
    """A lock could not be compiled; the message is what uv said."""


@dataclass(frozen=True, slots=True)
class Lock:
    """One file of pinned requirements: what goes in, and whether the project itself follows."""

    name: str
    options: tuple[str, ...]
    with_project: bool


PROJECT = "pyproject.toml"
LOCKS = (
    Lock("requirements.txt", (PROJECT, "--extra=all"), with_project=True),
    Lock("requirements_simple.txt", (PROJECT,), with_project=True),
    Lock("requirements.lock", (PROJECT, "--extra=all", "--group=dev", "--generate-hashes"), False),
    # tools/install.sh: what runs is what requirements.txt names, with hashes; nothing of the build.
    Lock("requirements_runtime.lock", (PROJECT, "--extra=all", "--generate-hashes"), False),
    Lock("requirements_build.lock", ("--group=build", "--generate-hashes"), False),
)


def compile_lock(lock: Lock, root: Path = ROOT, *options: str) -> str:
    """The text of `lock` compiled from `root`, starting from the pins that it has now.

    Raises `LockError` when uv finds no solution or cannot reach the index.
    """
    committed = root / lock.name
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, lock.name)
        if committed.exists():
            pins = committed.read_text(encoding="utf-8").removesuffix(PROJECT_LINE)
            copy.write_text(pins, encoding="utf-8")
        done = subprocess.run(
            [*COMMAND, *lock.options, *options, f"--output-file={copy}"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LockError(f"{lock.name}: {done.stderr.strip()}")
        return copy.read_text(encoding="utf-8") + (PROJECT_LINE if lock.with_project else "")


def is_fresh(lock: Lock, root: Path = ROOT) -> bool:
    """Whether compiling again would change nothing. Raises `LockError` like `compile_lock`."""
    path = root / lock.name
    committed = path.read_text(encoding="utf-8") if path.exists() else None
    try:
        if compile_lock(lock, root, "--offline") == committed:
            return True
    except LockError:
        pass  # not everything is in the cache
    return compile_lock(lock, root) == committed


def check() -> int:
    """Name each stale lock; exit code 1 when there is one."""
    stale = [lock.name for lock in LOCKS if not is_fresh(lock)]
    for name in stale:
        print(f"{name} does not fit pyproject.toml: run `make lock` and commit it", file=sys.stderr)
    return 1 if stale else 0


def write(*options: str) -> int:
    """Compile all first, then write, so that a failure leaves the old set."""
    texts = {lock.name: compile_lock(lock, ROOT, *options) for lock in LOCKS}
    for name, text in texts.items():
        (ROOT / name).write_text(text, encoding="utf-8", newline="\n")
        print(f"{name}: {text.count('==')} packages")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module."""
    parser = argparse.ArgumentParser(prog="python -m tools.lock", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="say which locks are stale")
    mode.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            return check()
        return write(*(["--upgrade"] if options.upgrade else []))
    except LockError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
