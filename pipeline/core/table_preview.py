"""What a run would make of the tables, before there is one: a child process writes it, the panel's Data page shows it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.core.params import Params
from pipeline.core.table_profile import ColumnReport


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RawFile(_Record):
    """A file to read, and the name that people know it by."""

    path: Path
    name: str


class PreviewRequest(_Record):
    """The files of one table, and the parameters of the run that is looked ahead to; `scratch` is an empty folder that
    whoever asks removes afterwards."""

    files: list[RawFile]
    params: Params
    scratch: Path
    max_table_cells: int = 0


class PreviewColumn(_Record):
    """One column of the files: how it is read, and what training does with it, with the reason if it drops it.

    `leakage` says how it gives the target away, "" if it does not.
    """

    report: ColumnReport
    role: Literal["target", "feature", "dropped", "unknown"]
    reason: str = ""
    leakage: str = ""


class TablePreview(_Record):
    """The whole table. `problem` is a problem's members if no model can be made of it: `target` may then be "".

    `task` is that of the model, "" if unknown. `target_is_guess`: nobody named it, and its name often means something else.
    """

    n_rows: int
    columns: list[PreviewColumn]
    notes: list[str]
    warnings: list[str]
    target: str = ""
    target_is_guess: bool = False
    task: str = ""
    problem: dict[str, object] | None = None


class PreviewResult(_Record):
    """What the process wrote: the preview, or the members of the problem for which the files are no table."""

    preview: TablePreview | None = None
    problem: dict[str, object] | None = None
