"""A store of which only the version matters, and the answers that are kept of it: fixtures."""

from typing import cast

import pytest

from dashboard.kept import Answers
from pipeline.errors import DatabaseUnavailable
from pipeline.stores import Store


class Versioned:
    """A store of which only the version matters."""

    def __init__(self) -> None:
        self.now = 1
        self.is_known = True
        self.asked = 0
        self.is_away = False

    def version(self) -> int:
        self.asked += 1
        if self.is_away:
            raise DatabaseUnavailable("away")
        return self.now

    def version_at_once(self) -> int | None:
        return self.now if self.is_known else None


@pytest.fixture
def store() -> Versioned:
    return Versioned()


@pytest.fixture
def answers(store: Versioned) -> Answers:
    return Answers(cast("Store", store))
