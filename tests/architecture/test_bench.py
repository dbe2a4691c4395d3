"""The measurements stand on their own: tests use their builders, never the other way round."""

import re
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent.parent / "bench"


@pytest.mark.parametrize("path", sorted(BENCH.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_of_the_tests_is_named_when_a_file_is_in_bench(path: Path) -> None:
    # also not as text: a stage is named `module:function`
    assert re.findall(r"\btests[.:]\w+|\bimport tests\b", path.read_text("utf-8")) == []
