"""Answers rows with the live model. One object of this class serves all protocols, so all give the same numbers."""

import numpy as np
import numpy.typing as npt

from app.prediction.loaded_model import Served
from app.prediction.model import Floats
from app.prediction.reloader import Keeper
from app.prediction.request_metrics import Meter
from app.prediction.rows import Rows
from app.prediction.settings import ApiSettings
from pipeline.core.problems import ProblemError

Bools = npt.NDArray[np.bool_]


class NoModelError(ProblemError):
    """API-05: there is no model yet. 503 with `Retry-After`; `run_url` is where the first one is being made."""

    def __init__(self, panel_url: str) -> None:
        super().__init__(
            "API-05",
            "There is no model yet.",
            why="No run has put one live so far.",
            fix="Start a run in the panel, or wait for the one that is going on.",
            command="ml-pipeline run --follow",
            retryable=True,
            status=503,
        )
        self.run_url = f"{panel_url}/runs" if panel_url else ""


class PredictionService:
    """The live model for whoever answers requests. Belongs to one event loop."""

    def __init__(self, settings: ApiSettings, keeper: Keeper, meter: Meter) -> None:
        self.settings = settings
        self.keeper = keeper
        self.meter = meter

    @property
    def served(self) -> Served:
        """The live model. Take it once a request, so that the whole answer comes from one model.

        Raises NoModelError API-05 (503) before the first.
        """
        served = self.keeper.served
        if served is None:
            raise NoModelError(self.settings.panel_url)
        return served

    def score_now(self, served: Served, rows: Rows) -> Floats:
        """Scores of valid rows, in this very thread; they count as seen.

        Raises ProblemError API-15 (422) if the model has no finite answer to one of them; then none counts.
        """
        scores = served.model.score(rows.numeric, rows.categorical)
        check_finite(scores)
        self._seen(served, rows, scores)
        return scores

    def score_each(self, served: Served, rows: Rows) -> tuple[Floats, Bools]:
        """Scores of valid rows, and which of them are finite: the others have 0, and do not count as seen."""
        scores = served.model.score(rows.numeric, rows.categorical)
        finite = np.asarray(np.isfinite(scores).all(axis=1))
        if finite.all():
            self._seen(served, rows, scores)
        else:
            texts = None if rows.categorical is None else rows.categorical[finite]
            self._seen(served, Rows(rows.numeric[finite], texts), scores[finite])
            scores[~finite] = 0
        return scores, finite

    def _seen(self, served: Served, rows: Rows, scores: Floats) -> None:
        served.live.add(rows.numeric, rows.categorical, scores)
        self.meter.count_rows(len(rows))


def check_finite(scores: Floats, where: str = "") -> None:
    """Raise ProblemError API-15 (422) if a score is infinite or none; `where` instead of the number of its row."""
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        where = where or f"In row {int(np.flatnonzero(~finite)[0])}"
        raise ProblemError(
            "API-15",
            "The model has no finite answer for this input.",
            why=f"{where} its result is too large to be a number.",
            fix="Send values of the size that the training data had; GET /model shows their ranges.",
            status=422,
        )
