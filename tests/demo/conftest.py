"""A checkout to run the demo from."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.demo.process import SAMPLE


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A checkout in which the chart libraries have not been built."""
    tree = tmp_path / "checkout"
    shutil.copytree(ROOT / "demo", tree / "demo", ignore=shutil.ignore_patterns("__pycache__"))
    (tree / "data").mkdir()
    shutil.copy(SAMPLE, tree / "data")
    return tree
