"""A store of which only the version matters, and the answers that are kept of it: fixtures."""

from typing import cast

import pytest

from dashboard.kept import Answers
from pipeline.stores import Store


class Versioned:
    """A store of which only the version matters."""

    def __init__(self) -> None:
        self.now = 1

    def version(self) -> int:
        return self.now

    def version_at_once(self) -> int | None:
        return self.version()


@pytest.fixture
def store() -> Versioned:
    return Versioned()


@pytest.fixture
def answers(store: Versioned) -> Answers:
    return Answers(cast("Store", store))
