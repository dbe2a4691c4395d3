"""The views that the pages are rendered from: frozen, typed, ready to print."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.frontend.chart_layout import CurveLine, Distribution, Gauge
from app.frontend.form import Field, Option
from app.web.templating import View
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class ModelSummary:
    """The live model, as each page describes it."""

    version: int
    target: str
    estimator: str
    trained_at: datetime
    n_train: int
    n_test: int
    metrics: tuple[tuple[str, float], ...]
    importances: tuple[tuple[str, str, float], ...]  # label, name, share of the largest in percent


@dataclass(frozen=True)
class ClassBar:
    """A class with its probability; `width` in percent."""

    label: str
    text: str
    width: float
    is_top: bool


@dataclass(frozen=True)
class Reason:
    """One feature's contribution to the score; the bar starts at the middle, `x` and `width` are in percent."""

    label: str
    name: str
    value: str
    typical: str
    effect: str
    is_up: bool
    x: float
    width: float


@dataclass(frozen=True)
class Reasons:
    """The contributions to the score; `rest` are those of the features that hardly mattered."""

    intro: str
    top: tuple[Reason, ...]
    rest: tuple[Reason, ...]


@dataclass(frozen=True)
class CurveRow:
    """One value of the feature and the score that the row would have with it."""

    value: str
    input_text: str
    score_text: str
    x: float | None
    score: float
    width: float  # of a bar, in percent
    is_current: bool


@dataclass(frozen=True)
class WhatIf:
    """The score over one feature: a line for a number, bars for a category."""

    options: tuple[Option, ...]
    field_id: str
    label: str
    unit: str
    summary: str
    score_name: str
    line: CurveLine | None
    rows: tuple[CurveRow, ...]
    current_text: str
    threshold: float | None
    threshold_text: str


@dataclass(frozen=True)
class Result:
    """One prediction, ready to read."""

    sentence: str
    score_text: str
    caption: str
    gauge: Gauge | None
    threshold_text: str
    classes: tuple[ClassBar, ...]
    distribution: Distribution | None
    imputed: tuple[tuple[str, str], ...]
    unseen: tuple[str, ...]
    unknown_texts: tuple[str, ...]
    version: int
    request_id: str
    link: str
    reasons: Reasons | None
    what_if: WhatIf | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldsChanged:
    """The fields of the live model differ from those of the form or link that was submitted."""

    version: int
    removed: tuple[str, ...]
    added: tuple[str, ...]


@dataclass(frozen=True)
class PredictPage(View):
    """The form and, once it was submitted, the result beside it."""

    TEMPLATE: ClassVar[str] = "frontend/predict.html"

    model: ModelSummary
    fields: tuple[Field, ...]
    n_errors: int
    method: str
    example_index: int
    example_url: str
    n_examples: int
    result: Result | None = None
    changed: FieldsChanged | None = None
    problem: ProblemError | None = None


@dataclass(frozen=True)
class RowError:
    """A row of a table that could not be predicted."""

    row: int  # 1 is the first below the header
    text: str


@dataclass(frozen=True)
class Preview:
    """The first rows of a table with predictions, and a summary of all rows."""

    header: tuple[str, ...]
    n_input_columns: int  # the columns after them are the API's
    is_numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    n_rows: int
    n_failed: int
    errors: tuple[RowError, ...]
    counts: tuple[tuple[str, int, float], ...]  # prediction, rows, percent
    prediction_range: str
    download_url: str
    size_bytes: int
    remark: str = ""  # how the table was understood
    n_remarks: int = 0  # rows with a remark


@dataclass(frozen=True)
class TablePage(View):
    """Predictions for a table."""

    TEMPLATE: ClassVar[str] = "frontend/table.html"

    model: ModelSummary
    columns: tuple[str, ...]
    sample: str
    limit_bytes: int
    text: str = ""
    preview: Preview | None = None
    problem: ProblemError | None = None


@dataclass(frozen=True)
class WaitingPage(View):
    """No model is live yet."""

    TEMPLATE: ClassVar[str] = "frontend/waiting.html"

    panel_url: str
    retry_s: int


@dataclass(frozen=True)
class ProblemPage(View):
    """A problem, with what to do about it."""

    TEMPLATE: ClassVar[str] = "frontend/problem.html"

    problem: ProblemError
    panel_url: str
    is_retried: bool = False
