"""Commands that the documentation names."""

import shlex
import subprocess
import sys

from tests.services.server import ROOT


def unknown_options(command: str) -> list[str]:
    """Options of a documented `script --option ...` that the script's `--help` does not have."""
    script, *arguments = shlex.split(command)
    done = subprocess.run(
        [sys.executable, ROOT / script, *arguments, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    options = [argument for argument in arguments if argument.startswith("--")]
    return [option for option in options if option not in done.stdout]
