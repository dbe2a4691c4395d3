"""Scores rows with the live model. One object serves all protocols, so all give the same numbers."""

from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np
import numpy.typing as npt

from app.prediction.availability_problems import NoModelError, NothingIntactError, StartingError
from app.prediction.http.request_metrics import RequestMetrics
from app.prediction.problems import NonFiniteScoreError, RequestTooLargeError, SlowBodyError
from app.prediction.reload.reloader import ModelReloader
from app.prediction.scoring.free_rows import FreeRows
from app.prediction.scoring.loaded_model import LoadedModel
from app.prediction.scoring.rows import Rows
from app.prediction.settings import ApiSettings
from app.web.body_limit import BODY_BYTES_PER_S, BodyLimits
from app.web.dependencies import provided
from pipeline.core.problems import ProblemError
from pipeline.onnx.session import Floats

if TYPE_CHECKING:
    from app.prediction.http.row_quota import RowQuota

Bools = npt.NDArray[np.bool_]


class Sender(NamedTuple):
    """Who sent a request. `caller`: whose quota its rows count against. `is_live`: they count as live data."""

    caller: str = ""
    is_live: bool = True


class PredictionService:
    """The live model, the limits and the metrics of all routes. Belongs to one event loop."""

    def __init__(self, settings: ApiSettings, reloader: ModelReloader, metrics: RequestMetrics) -> None:
        self.settings = settings
        self.reloader = reloader
        self.metrics = metrics
        self.quota = _quota(settings.rows_per_minute)
        self._free_rows: FreeRows | None = None
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

        Raises ProblemError (503), see `no_model_problem`.
        """
        loaded = self.reloader.live_model
        if loaded is None:
            raise self.no_model_problem()
        return loaded

    def no_model_problem(self) -> ProblemError:
        """Return why there is no model: API-21 it is being loaded, API-22 it cannot be, API-05 none was ever live."""
        reloader = self.reloader
        if reloader.is_loading:
            return StartingError()
        if reloader.problem is not None:
            return NothingIntactError(reloader.problem)
        return NoModelError(self.settings.panel_url)

    def spend(self, sender: Sender, n_rows: int) -> None:
        """Count rows against the quota of their sender, if there is one. Raises RowQuotaError API-19 (429)."""
        if self.quota is not None:
            self.quota.spend(sender.caller, n_rows)

    def score_now(self, loaded: LoadedModel, rows: Rows, sender: Sender) -> Floats:
        """Return the scores of valid rows, computed in this thread, and record them if they are live data.

        Raises NonFiniteScoreError API-15 (422) if one of them is not finite, and RowQuotaError API-19 (429); then none is
        recorded.
        """
        if sender.is_live or not self._is_free(loaded, rows):
            self.spend(sender, len(rows))
        scores = loaded.model.score(rows.numeric, rows.categorical)
        check_finite(scores)
        self._record(loaded, rows, scores, sender)
        return scores

    def score_each(self, loaded: LoadedModel, rows: Rows, sender: Sender) -> tuple[Floats, Bools]:
        """Return the scores of valid rows, and which of them are finite: the others are 0 and are not recorded.

        Raises RowQuotaError API-19 (429).
        """
        self.spend(sender, len(rows))
        scores = loaded.model.score(rows.numeric, rows.categorical)
        finite = np.asarray(np.isfinite(scores).all(axis=1))
        if finite.all():
            self._record(loaded, rows, scores, sender)
        else:
            texts = None if rows.categorical is None else rows.categorical[finite]
            self._record(loaded, Rows(rows.numeric[finite], texts), scores[finite], sender)
            scores[~finite] = 0
        return scores, finite

    def _is_free(self, loaded: LoadedModel, rows: Rows) -> bool:
        """Return whether rows that are no live data are those with which the panel checks this model: it does so however
        much others send from its address, or with its key."""
        if self.quota is None:
            return True
        free = self._free_rows
        if free is None or free.model is not loaded.model:
            free = self._free_rows = FreeRows(loaded.model)
        return free.include(rows)

    def _record(self, loaded: LoadedModel, rows: Rows, scores: Floats, sender: Sender) -> None:
        if not sender.is_live:
            return
        loaded.stats.record_batch(rows.numeric, rows.categorical, scores)
        self.metrics.count_rows(len(rows))


Service = Annotated[PredictionService, provided(PredictionService)]  # as routes take it


def _quota(rows_per_minute: int) -> "RowQuota | None":
    if not rows_per_minute:
        return None
    from app.prediction.http.row_quota import RowQuota  # noqa: PLC0415 - it would slow each start

    return RowQuota(rows_per_minute)


def check_finite(scores: Floats, where: str = "") -> None:
    """Raise NonFiniteScoreError API-15 (422) if a score is infinite or NaN; `where` instead of the number of its row."""
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        raise NonFiniteScoreError(where or f"In row {int(np.flatnonzero(~finite)[0])}")
