"""A bundle and its pointer are read whole or refused by name."""

import hashlib
import json
from pathlib import Path

import pytest

from bench.bundles import Built, make_bundle
from pipeline.core.bundle import (
    MANIFEST_FILE,
    MODEL_FILE,
    check_bundle,
    publish,
    read_manifest,
    read_model,
    write_bundle,
)
from pipeline.core.manifest import digest_of
from pipeline.core.problems import BundleError


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return make_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture
def folder(built: Built, tmp_path: Path) -> Path:
    """Return a bundle of its own for each test, in a folder called `b`."""
    write_bundle(tmp_path / "b", built.manifest, built.model)
    return tmp_path / "b"


def test_a_bundle_is_read_back_when_it_was_published_twice(tmp_path: Path, folder: Path) -> None:
    pointer = publish(tmp_path, folder, "r3")
    assert publish(tmp_path, folder, "r3") == pointer
    published = tmp_path / "versions" / "r3"
    manifest = read_manifest(published, pointer.sha256)
    assert manifest == read_manifest(folder)
    assert read_model(published, manifest) == read_model(folder, manifest)
    assert [path.name for path in published.parent.iterdir()] == ["r3"]


@pytest.mark.parametrize(
    ("name", "word"), [(MANIFEST_FILE, "manifest of bundle b is not valid"), (MODEL_FILE, "was changed")]
)
def test_a_bundle_is_refused_when_a_file_was_changed(tmp_path: Path, folder: Path, name: str, word: str) -> None:
    (folder / name).write_bytes(b"{}")
    with pytest.raises(BundleError, match=word) as caught:
        publish(tmp_path, folder, "r3")
    assert caught.value.id == "MODEL-02"


@pytest.mark.parametrize("name", [MANIFEST_FILE, MODEL_FILE])
def test_a_bundle_is_refused_when_a_file_is_gone(tmp_path: Path, folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match="cannot be read") as caught:
        publish(tmp_path, folder, "r3")
    assert caught.value.id == "MODEL-02"


def test_a_bundle_is_refused_when_its_model_is_larger_than_allowed(folder: Path) -> None:
    with pytest.raises(BundleError, match="too large"):
        read_model(folder, read_manifest(folder), max_bytes=10)


def test_nothing_is_left_when_a_bundle_cannot_be_written(tmp_path: Path, built: Built) -> None:
    with pytest.raises(TypeError):
        write_bundle(tmp_path / "b", built.manifest, "text, not bytes")  # type: ignore[arg-type]  # makes the write fail
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_is_refused_when_a_value_in_it_was_changed(folder: Path) -> None:
    assert check_bundle(folder).version == 1
    path = folder / MANIFEST_FILE
    text = path.read_text("utf-8")
    path.write_text(text.replace('"n_train": ', '"n_train": 1'))
    read_manifest(folder)
    with pytest.raises(BundleError, match="does not have the digest") as caught:
        check_bundle(folder)
    assert caught.value.id == "MODEL-02"


def test_a_manifest_keeps_its_digest_when_an_older_version_wrote_it(folder: Path) -> None:
    fields = {
        name: value for name, value in json.loads((folder / MANIFEST_FILE).read_text()).items() if name != "delimiter"
    }
    shaping = {name: fields[name] for name in fields if name not in {"digest", "version", "run_id", "created_at"}}
    fields["digest"] = hashlib.sha256(json.dumps(shaping, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    (folder / MANIFEST_FILE).write_text(json.dumps(fields))
    assert check_bundle(folder).digest == fields["digest"] != digest_of(read_manifest(folder))
