"""The live model with what belongs to it, switched as one."""

from dataclasses import dataclass, replace
from typing import Self

from app.prediction.live import LiveStats
from app.prediction.model import Model
from app.prediction.rows import Reader


@dataclass(frozen=True, slots=True)
class Served:
    """A model, how rows for it are read, and what it has seen since it is live."""

    model: Model
    reader: Reader
    live: LiveStats

    @classmethod
    def of(cls, model: Model, max_rows: int) -> Self:
        """Ready and warm: a first row went all the way through."""
        served = cls(model, Reader(model, max_rows), LiveStats(model))
        model.warm()
        return served

    def anew(self) -> Self:
        """The same model, live again: its counts begin again."""
        return replace(self, live=LiveStats(self.model))
