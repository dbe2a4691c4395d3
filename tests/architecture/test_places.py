"""Each module's test is where it is looked for."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
TESTS: Final = ROOT / "tests"

# These are about a whole folder: several of its modules at work together.
ABOUT_A_FOLDER: Final = {
    "app/panel/pages/test_closed.py",
    "app/panel/test_canary.py",
    "app/prediction/http/test_predict.py",
    "app/prediction/protocols/test_protocols.py",
    "app/prediction/reload/test_swap.py",
    "app/prediction/test_contract.py",
    "app/prediction/test_hostile.py",
    "app/tracking_server/test_server.py",
}


def _module(test: Path) -> Path:
    """Return the module that a test file in `tests/app` or `tests/pipeline` is about."""
    return ROOT / test.relative_to(TESTS).with_name(test.name.removeprefix("test_"))


def _without_module() -> set[str]:
    files = [test for folder in ("app", "pipeline") for test in (TESTS / folder).rglob("test_*.py")]
    return {test.relative_to(TESTS).as_posix() for test in files if not _module(test).is_file()}


def test_a_test_lies_where_its_module_lies() -> None:
    """`app/x/y.py` is tested in `tests/app/x/test_y.py`, `pipeline/x/y.py` in `tests/pipeline/x/test_y.py`.

    So each `tests/**/test_y.py` there has its module `y.py` in the folder of the same path. Exceptions are tests about a
    whole folder; they are listed above, and their folder exists.
    """
    assert _without_module() - ABOUT_A_FOLDER == set()


def test_an_exception_is_listed_only_when_it_is_one() -> None:
    assert ABOUT_A_FOLDER - _without_module() == set()
    assert [name for name in sorted(ABOUT_A_FOLDER) if not (ROOT / name).parent.is_dir()] == []
