"""One plain record, the usual request: bytes to bytes with one small array and nothing else in between.

Whatever is not plain (a wrong value, an unknown name, a list) is left to `app.prediction.scoring.rows`,
which takes the time to say what is wrong.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from app.prediction.scoring.live_stats import LiveStats
from app.prediction.scoring.model import Model
from app.prediction.scoring.responses import build_response
from app.prediction.scoring.rows import UNREADABLE, row_type
from pipeline.core.manifest import CATEGORICAL_INPUT, NUMERIC_INPUT

_encode = msgspec.json.Encoder().encode


class SingleRowPredictor:
    """Predicts plain records with one model."""

    def __init__(self, model: Model, stats: LiveStats) -> None:
        self._model = model
        self._stats = stats
        row = row_type(model)
        self._decode: Callable[[bytes], Any] | None = None if row is None else msgspec.json.Decoder(row).decode
        self._names = [feature.name for feature in (*model.numeric, *model.categorical)]
        self._k = len(model.numeric)
        self._text_cells = model.text_cells
        self._score_bound = model.bind_single_row()

    def answer(self, raw: bytes, request_id: str, *, is_live: bool = True) -> bytes | None:
        """Return the JSON response for one record; None if the body is anything else, or a score is not finite.

        `is_live`: the record counts as live data.
        """
        if self._decode is None:
            return None
        try:
            values = msgspec.structs.astuple(self._decode(raw))
        except UNREADABLE:
            return None
        unseen: list[str] = []
        if self._text_cells:
            try:
                values = (*values[: self._k], *self._texts(values))
            except ValueError:  # a date that is none
                return None
            unseen = [
                name
                for name, cells, text in zip(self._names[self._k :], self._text_cells, values[self._k :], strict=True)
                if cells.is_unseen(text)
            ]
        imputed = (
            [self._names[i] for i, value in enumerate(values) if value is None or value == ""]
            if (None in values or "" in values)
            else []
        )
        scores = self._score_bound(values) if self._score_bound is not None else self._score_with_texts(values)
        if not -3.5e38 < sum(scores) < 3.5e38:
            return None
        if is_live:
            self._stats.record(values, scores)
        return _encode(build_response(self._model, scores, imputed, unseen, request_id))

    def _texts(self, values: tuple[Any, ...]) -> list[str]:
        texts = zip(self._text_cells, values[self._k :], strict=True)
        return ["" if text is None else cells.text(text) for cells, text in texts]

    def _score_with_texts(self, values: tuple[Any, ...]) -> list[float]:
        k = self._k
        texts = np.array((values[k:],), dtype=object)
        feed: dict[str, Any] = {CATEGORICAL_INPUT: texts}
        if k:
            feed[NUMERIC_INPUT] = np.array((values[:k],), dtype=np.float32)
        scores: list[float] = self._model.run(feed)[0].tolist()
        return scores
