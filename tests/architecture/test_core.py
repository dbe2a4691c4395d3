"""The core of the pipeline stays light: every process imports it, also those that must start fast."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CORE = ROOT / "pipeline/core"
ALLOWED = sys.stdlib_module_names | {"pydantic", "pydantic_core", "pydantic_settings", "msgspec"}


def imports(source: str) -> Iterator[str]:
    """Yield the modules that a file imports, also inside functions and for type checking."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", sorted(CORE.rglob("*.py")), ids=lambda path: path.relative_to(CORE).as_posix())
def test_only_light_modules_are_imported_when_a_file_is_in_core(path: Path) -> None:
    modules = set(imports(path.read_text("utf-8")))
    assert {
        module
        for module in modules
        if module.partition(".")[0] not in ALLOWED and not f"{module}.".startswith("pipeline.core.")
    } == set()
