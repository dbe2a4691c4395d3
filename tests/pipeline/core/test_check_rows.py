"""The rows with which a live model is checked."""

from pipeline.core.check_rows import check_rows
from pipeline.core.manifest import Feature
from tests.app.panel.registry.conftest import manifest_of


def test_the_check_rows_hold_what_a_model_meets_when_it_is_used() -> None:
    features = [
        Feature(name="x", kind="numeric", nullable=True),
        Feature(name="city", kind="categorical", nullable=True, categories=["Paris"]),
    ]
    manifest = manifest_of(1, "run-1", b"graph").model_copy(update={"features": features})
    *golden, empty, unseen = check_rows(manifest)
    assert golden == [row.record for row in manifest.golden]
    assert empty == {}
    assert unseen["x"] is None
    assert unseen["city"] != "Paris"
