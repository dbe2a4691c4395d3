"""Another version of what services are made of is told from the same one."""

import shutil
import sys
from pathlib import Path

import pytest

from app.panel.services.process.code_version import PACKAGES, code_version
from app.processes.child import CODE_DIR


@pytest.fixture
def code(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(CODE_DIR / package, tmp_path / package)
    return tmp_path


def test_it_is_the_same_when_the_code_is_a_copy(code: Path) -> None:
    assert code_version(code) == code_version()
    cached = code / "app" / "web" / "__pycache__" / "x.pyc"
    cached.parent.mkdir(exist_ok=True)
    cached.write_bytes(b"x")
    (code / "app" / "web" / ".#lock").symlink_to("nowhere")
    assert code_version(code) == code_version()


@pytest.mark.parametrize("package", PACKAGES)
def test_it_is_another_when_a_package_of_services_changed(code: Path, package: str) -> None:
    (code / package / "__init__.py").write_text("# changed")
    assert code_version(code) != code_version()


def test_it_is_another_when_a_file_got_another_name(code: Path) -> None:
    (code / "app" / "web" / "sse.py").rename(code / "app" / "web" / "events.py")
    assert code_version(code) != code_version()


def test_it_is_another_when_a_package_was_updated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "somelib-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    before = code_version()
    (tmp_path / "somelib-1.0.dist-info").rename(tmp_path / "somelib-1.1.dist-info")
    assert code_version() != before


def test_it_is_another_when_libraries_are_set_otherwise_and_not_when_the_terminal_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = code_version()
    monkeypatch.setenv("TERM", "another")
    assert code_version() == before
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert code_version() != before
