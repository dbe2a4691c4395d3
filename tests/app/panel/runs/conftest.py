"""A panel without pages for each test, closed after it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.panel.runs.panel_harness import PanelHarness

MakeHarness = Callable[..., PanelHarness]


@pytest.fixture
def make_harness(tmp_path: Path) -> Iterator[MakeHarness]:
    """Yield `make_harness(stages, retries=..., ...)`, see PanelHarness."""
    harnesses: list[PanelHarness] = []

    def make(stages: dict[str, str] | None = None, **more: Any) -> PanelHarness:
        harnesses.append(PanelHarness(tmp_path, stages, **more))
        return harnesses[-1]

    yield make
    for harness in harnesses:
        harness.close()
