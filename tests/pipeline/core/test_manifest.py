"""The digest of a manifest is the identity of the model."""

from pathlib import Path

from bench.bundles import make_bundle
from pipeline.core.manifest import digest_of


def test_the_digest_is_the_same_when_only_number_run_and_time_differ(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path).manifest
    other = {"version": 99, "run_id": "r99", "created_at": "2030-01-01T00:00:00Z", "digest": "x"}
    assert digest_of(manifest.model_copy(update=other)) == digest_of(manifest)
    assert digest_of(manifest.model_copy(update={"seed": manifest.seed + 1})) != digest_of(manifest)
