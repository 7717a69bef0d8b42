"""The `smart-sensor` command: from a line of arguments to an exit status."""

import atexit
import gc
import os
import signal
import sys
from collections.abc import Sequence

from pipeline.errors import SmartSensorError

# What is left behind when somebody presses Ctrl+C.
INTERRUPTED = {
    "backup": "no file was written",
    "etl": "what was not finished is not stored",
    "export": "no file was written",
    "import": "nothing was stored",
    "migrate": "the same command goes on from here",
    "prune": "what was deleted is accounted for",
    "restore": "nothing was changed",
    "simulate": "no file was written",
}


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl+C does: nothing is left half done."""


def main() -> None:
    """Entry point of the `smart-sensor` command."""
    # Imports and frames make many objects and hardly any garbage; looking for it, and at the end
    # for what is left of it, takes a tenth of a load of a million rows.
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    if INTERRUPTED.keys() & sys.argv[1:2]:
        signal.signal(signal.SIGTERM, _terminate)
    run(sys.argv[1:])


def _terminate(_number: int, _frame: object) -> None:
    raise _Terminated


def run(arguments: Sequence[str]) -> None:
    """Run a command line and exit: 0 done, 1 nothing accepted, 2 bad use, 130 or 143 stopped."""
    from pipeline.commands import app
    from pipeline.terminal import errors

    try:
        app(list(arguments), prog_name="smart-sensor")
    except SmartSensorError as error:
        errors.print(f"smart-sensor: {error}")
        sys.exit(2)
    except SystemExit as stop:
        # Typer makes exits of these two by itself.
        if isinstance(stop.__context__, BrokenPipeError):
            # The reader of our output has gone (`| head`): nothing is left to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        if stop.code == 130 and arguments and arguments[0] in INTERRUPTED:
            errors.print(f"smart-sensor: interrupted; {INTERRUPTED[arguments[0]]}")
            if isinstance(getattr(stop.__context__, "__cause__", None), _Terminated):
                sys.exit(143)
        raise


if __name__ == "__main__":
    main()
