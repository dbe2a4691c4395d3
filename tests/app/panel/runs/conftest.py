"""A panel without pages for each test, closed after it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.panel.runs.panel_harness import House

MakeHouse = Callable[..., House]


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[MakeHouse]:
    """`make_house(stages, retries=..., ...)`, see House."""
    houses: list[House] = []

    def make(stages: dict[str, str] | None = None, **more: Any) -> House:
        houses.append(House(tmp_path, stages, **more))
        return houses[-1]

    yield make
    for house in houses:
        house.close()
