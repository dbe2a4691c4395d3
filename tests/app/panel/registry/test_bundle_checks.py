"""A bundle is read once, and again when its files change."""

from pathlib import Path

import pytest

from app.panel.registry import bundle_checks
from app.panel.registry.bundle_checks import BundleChecks
from pipeline.core.bundle import check_bundle, write_bundle
from pipeline.core.manifest import Manifest
from tests.app.panel.registry.conftest import manifest_of


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the bundles that were read."""
    names: list[str] = []

    def counted(folder: Path, sha256: str | None = None) -> Manifest:
        names.append(folder.name)
        return check_bundle(folder, sha256)

    monkeypatch.setattr(bundle_checks, "check_bundle", counted)
    return names


def test_a_bundle_is_read_again_only_when_its_files_changed(tmp_path: Path, read: list[str]) -> None:
    for number in (1, 2):
        graph = f"graph {number}".encode()
        write_bundle(tmp_path / "versions" / f"b{number}", manifest_of(number, f"b{number}", graph), graph)
    checks = BundleChecks(tmp_path)
    assert not checks.is_damaged("b1")
    assert read == []
    for _ in range(4):
        checks.check_next()
    assert read == ["b1", "b2"]
    assert checks.problem("b1") is None
    (tmp_path / "versions" / "b1" / "model.onnx").write_bytes(b"another")
    assert not checks.is_damaged("b1")
    checks.check_next()
    assert checks.is_damaged("b1")
    problem = checks.problem("b1")
    assert problem is not None
    assert problem.id == "MODEL-02"
    assert read == ["b1", "b2", "b1"]


def test_a_bundle_is_damaged_without_being_read_when_a_file_is_gone(tmp_path: Path, read: list[str]) -> None:
    assert BundleChecks(tmp_path).is_damaged("b1")
    assert read == []
