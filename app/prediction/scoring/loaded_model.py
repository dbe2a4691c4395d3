"""The live model with everything that belongs to it, switched as one."""

from dataclasses import dataclass, replace
from typing import Self

from app.prediction.scoring.live_stats import LiveStats
from app.prediction.scoring.model import Model
from app.prediction.scoring.rows import RowReader
from app.prediction.scoring.single_row import SingleRowPredictor


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model, the reader of its rows, and the counts of what it has predicted since it went live."""

    model: Model
    reader: RowReader
    stats: LiveStats
    single_row: SingleRowPredictor

    @classmethod
    def of(cls, model: Model, max_rows: int) -> Self:
        """Return `model`, ready and warm: the graph has run once."""
        model.warm_up()
        stats = LiveStats(model)
        return cls(model, RowReader(model, max_rows), stats, SingleRowPredictor(model, stats))

    def with_fresh_stats(self) -> Self:
        """Return the same model with counts that start at zero, for when it goes live again."""
        stats = LiveStats(self.model)
        return replace(self, stats=stats, single_row=SingleRowPredictor(self.model, stats))
