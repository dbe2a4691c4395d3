"""Recognises the rows with which the panel checks a model: their answers are known, so nobody gains by sending them."""

from collections.abc import Iterator

from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import Rows
from pipeline.core.check_rows import check_rows


class FreeRows:
    """The check rows of one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self._keys = frozenset(_keys(Rows(*model.rows(check_rows(model.manifest)))))

    def include(self, rows: Rows) -> bool:
        """Return whether each of `rows` is a check row, and there are not many more of them than that."""
        return len(rows) <= 2 * len(self._keys) and all(key in self._keys for key in _keys(rows))


def _keys(rows: Rows) -> Iterator[tuple[bytes, tuple[str, ...]]]:
    for i in range(len(rows)):
        texts = () if rows.categorical is None else tuple(rows.categorical[i].tolist())
        yield rows.numeric[i].tobytes(), texts
