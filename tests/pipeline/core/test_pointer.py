"""The pointer names the live bundle, says that there is none, or is refused."""

from pathlib import Path

import pytest

from pipeline.core.pointer import Pointer, find_pointer, read_pointer, says_no_model, write_pointer
from pipeline.core.problems import BundleError

POINTER = Pointer(version=3, bundle="r3", sha256="0" * 64)


def test_the_pointer_is_read_back_when_it_was_written(tmp_path: Path) -> None:
    assert read_pointer(tmp_path) is None
    write_pointer(tmp_path, POINTER)
    assert read_pointer(tmp_path) == POINTER


def test_a_model_is_out_of_service_only_when_the_pointer_says_so(tmp_path: Path) -> None:
    assert not says_no_model(tmp_path)
    write_pointer(tmp_path, POINTER)
    assert not says_no_model(tmp_path)
    write_pointer(tmp_path, None)
    assert read_pointer(tmp_path) is None
    assert says_no_model(tmp_path)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("{", "not valid"),
        ('{"version": 1}', "not valid"),
        (POINTER.model_copy(update={"bundle": "../r3"}).model_dump_json(), "points outside the models folder"),
        (POINTER.model_copy(update={"bundle": ".."}).model_dump_json(), "points outside the models folder"),
    ],
)
def test_a_pointer_is_refused_when_it_cannot_be_used(tmp_path: Path, content: str, word: str) -> None:
    (tmp_path / "current.json").write_text(content)
    with pytest.raises(BundleError, match=word) as caught:
        read_pointer(tmp_path)
    assert caught.value.id == "MODEL-01"
    assert find_pointer(tmp_path) is None
