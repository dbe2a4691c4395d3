"""The documentation says what is true: each error id and each setting is in it."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_SPEC = spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
generate = module_from_spec(_SPEC)
_SPEC.loader.exec_module(generate)
ID = re.compile(r'"([A-Z]{2,7}-\d{2})"')


def _ids(folder: str) -> set[str]:
    return {each for path in (ROOT / folder).rglob("*.py") for each in ID.findall(path.read_text("utf-8"))}


def test_each_error_is_documented_when_code_raises_it() -> None:
    documented = set(re.findall(r"^### ([A-Z]+-\d{2})\b", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE))
    assert sorted((_ids("app") | _ids("pipeline")) - documented) == []


def test_no_error_is_documented_when_no_code_raises_it() -> None:
    documented = set(re.findall(r"^### ([A-Z]+-\d{2})\b", (ROOT / "docs/errors.md").read_text("utf-8"), re.MULTILINE))
    assert sorted(documented - _ids("app") - _ids("pipeline")) == []


def test_each_error_is_named_by_a_test_when_code_raises_it() -> None:
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert [each for each in sorted(_ids("app") | _ids("pipeline")) if each not in tests] == []


def test_errors_page_is_what_the_classes_say_when_it_is_committed() -> None:
    assert generate.ERRORS.read_text("utf-8") == generate.errors_page(), "run: make docs"


def test_each_setting_is_documented_when_it_can_be_set() -> None:
    assert generate.SETTINGS.read_text("utf-8") == generate.settings_page(), "run: make docs"


def test_each_test_that_the_security_page_names_exists() -> None:
    named = re.findall(
        r"`((?:[a-z_]+/)*[a-z_]+(?:\.py)?)(?:::(test_\w+))?`", (ROOT / "docs/security.md").read_text("utf-8")
    )
    assert len(named) > 40
    for path, function in named:
        place = ROOT / "tests" / path
        assert place.exists(), path
        assert not function or f"def {function}(" in place.read_text("utf-8"), f"{path}::{function}"


def test_no_registry_or_machine_is_named_when_files_are_committed() -> None:
    words = re.compile("py" + r"pi\.org|python" + r"hosted|registry\.npm" + r"js|/roo" + r"t/\.")
    places = [ROOT / name for name in ("app", "pipeline", "docs", "requirements", "templates", "static", ".ci")]
    files = [path for place in places for path in place.rglob("*")] + [*ROOT.glob("*.*")]
    texts = [path for path in files if path.is_file() and path.suffix not in {".png", ".pyc"}]
    assert [str(path) for path in texts if words.search(path.read_text("utf-8", errors="replace"))] == []
