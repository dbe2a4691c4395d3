"""The rows with which the panel checks a live model; the prediction API answers them whatever quota is set."""

from typing import Final

from pipeline.core.manifest import Manifest, Scalar

UNSEEN: Final = "a category that no row of the table has"


def check_rows(manifest: Manifest) -> list[dict[str, Scalar]]:
    """Return rows that the model must answer: its golden ones, one without any value, one with categories never seen."""
    unseen: dict[str, Scalar] = {
        feature.name: UNSEEN if feature.kind == "categorical" else None for feature in manifest.features
    }
    return [*(golden.record for golden in manifest.golden), {}, unseen]
