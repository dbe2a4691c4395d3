"""The live model with what belongs to it, switched as one."""

from dataclasses import dataclass, replace
from typing import Self

from app.prediction.live_stats import LiveStats
from app.prediction.model import Model
from app.prediction.rows import Reader
from app.prediction.single_row import OneRow


@dataclass(frozen=True, slots=True)
class Served:
    """A model, how rows for it are read, and what it has seen since it is live."""

    model: Model
    reader: Reader
    live: LiveStats
    one: OneRow

    @classmethod
    def of(cls, model: Model, max_rows: int) -> Self:
        """Ready and warm: the graph has answered once."""
        model.warm()
        live = LiveStats(model)
        return cls(model, Reader(model, max_rows), live, OneRow(model, live))

    def anew(self) -> Self:
        """The same model, live again: its counts begin again."""
        live = LiveStats(self.model)
        return replace(self, live=live, one=OneRow(self.model, live))
