"""Scores rows with the live model. One object serves all protocols, so all give the same numbers."""

from typing import Annotated

import numpy as np
import numpy.typing as npt
from starlette.requests import Request

from app.prediction.http.request_metrics import RequestMetrics
from app.prediction.problems import NoModelError, NonFiniteScoreError, RequestTooLargeError, SlowBodyError
from app.prediction.reload.reloader import ModelReloader
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.rows import Rows
from app.prediction.settings import ApiSettings
from app.web.body_limit import BODY_BYTES_PER_S, BodyLimits
from app.web.dependencies import provided
from pipeline.core.prediction_api import LIVE_DATA_HEADER
from pipeline.onnx.session import Floats

Bools = npt.NDArray[np.bool_]


class PredictionService:
    """The live model, the limits and the metrics of all routes. Belongs to one event loop."""

    def __init__(self, settings: ApiSettings, reloader: ModelReloader, metrics: RequestMetrics) -> None:
        self.settings = settings
        self.reloader = reloader
        self.metrics = metrics
        timeout_s = settings.body_timeout_s
        self.body_limits = BodyLimits(
            max_bytes=settings.max_body_bytes,
            timeout_s=timeout_s,
            too_large=RequestTooLargeError.too_many_bytes,
            too_slow=lambda: SlowBodyError(f"It took more than {timeout_s:g} s."),
        )
        # A table may have any length; its client only has to keep sending.
        self.stream_limits = BodyLimits(
            timeout_s=timeout_s,
            bytes_per_s=BODY_BYTES_PER_S,
            too_large=RequestTooLargeError.too_many_bytes,
            too_slow=lambda: SlowBodyError(f"It arrived at less than {BODY_BYTES_PER_S // 1024} KB per second."),
        )

    @property
    def live_model(self) -> LoadedModel:
        """Return the live model. Read it once per request, so that the whole response comes from one model.

        Raises NoModelError API-05 (503) before the first.
        """
        loaded = self.reloader.live_model
        if loaded is None:
            raise NoModelError(self.settings.panel_url)
        return loaded

    def score_now(self, loaded: LoadedModel, rows: Rows, *, is_live: bool) -> Floats:
        """Return the scores of valid rows, computed in this thread, and record them if they are live data.

        Raises NonFiniteScoreError API-15 (422) if one of them is not finite; then none is recorded.
        """
        scores = loaded.model.score(rows.numeric, rows.categorical)
        check_finite(scores)
        self._record(loaded, rows, scores, is_live=is_live)
        return scores

    def score_each(self, loaded: LoadedModel, rows: Rows, *, is_live: bool) -> tuple[Floats, Bools]:
        """Return the scores of valid rows, and which of them are finite: the others are 0 and are not recorded."""
        scores = loaded.model.score(rows.numeric, rows.categorical)
        finite = np.asarray(np.isfinite(scores).all(axis=1))
        if finite.all():
            self._record(loaded, rows, scores, is_live=is_live)
        else:
            texts = None if rows.categorical is None else rows.categorical[finite]
            self._record(loaded, Rows(rows.numeric[finite], texts), scores[finite], is_live=is_live)
            scores[~finite] = 0
        return scores, finite

    def _record(self, loaded: LoadedModel, rows: Rows, scores: Floats, *, is_live: bool) -> None:
        if not is_live:
            return
        loaded.stats.record_batch(rows.numeric, rows.categorical, scores)
        self.metrics.count_rows(len(rows))


Service = Annotated[PredictionService, provided(PredictionService)]  # as routes take it


def is_live(request: Request) -> bool:
    """Return whether the rows of a request are live data, which count in the statistics."""
    return request.headers.get(LIVE_DATA_HEADER) != "no"


def check_finite(scores: Floats, where: str = "") -> None:
    """Raise NonFiniteScoreError API-15 (422) if a score is infinite or NaN; `where` instead of the number of its row."""
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        raise NonFiniteScoreError(where or f"In row {int(np.flatnonzero(~finite)[0])}")
