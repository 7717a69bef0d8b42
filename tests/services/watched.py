"""Runs a server that must not outlive whoever started it, even if that one is killed.

`python watched.py FOLDERS USER COMMAND...` runs COMMAND, as USER unless that is empty. Signals go
on to it. When standard input ends while it runs, because whoever holds the other end is gone, it
gets SIGQUIT, and FOLDERS are removed. Needs nothing but the standard library.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


def run_as(user: str) -> dict[str, Any]:
    """What `subprocess` needs to run something as `user`; nothing for the empty name."""
    if not user:
        return {}
    import pwd  # does not exist on Windows, where this is never called

    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def main(folders: str, user: str, *command: str) -> int:
    """Run it to its end, and return its exit code."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, **run_as(user))
    abandoned = threading.Event()

    def forward(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    def wait_for_end_of_input() -> None:
        os.read(0, 1)  # not sys.stdin, whose lock would still be held at exit
        abandoned.set()
        child.send_signal(signal.SIGQUIT)

    for number in FORWARDED:
        signal.signal(number, forward)
    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    code = child.wait()
    if abandoned.is_set():
        for folder in folders.split(os.pathsep):
            shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
