"""What the pages are drawn from: frozen, typed, ready to print."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from app.frontend.figures import Distribution, Gauge, Line
from app.frontend.form import Field, Option
from app.web.templating import View
from pipeline.core.problems import ProblemError


@dataclass(frozen=True)
class Model:
    """The live model in the words of a page."""

    version: int
    target: str
    target_words: str
    question: str
    estimator: str
    trained_at: datetime
    n_train: int
    n_test: int
    metric: str
    metric_value: float
    metrics: tuple[tuple[str, float], ...]
    importances: tuple[tuple[str, str, float], ...]  # words, name, share of the largest in percent


@dataclass(frozen=True)
class ClassBar:
    """A class with its probability; `width` in percent."""

    label: str
    text: str
    width: float
    is_top: bool


@dataclass(frozen=True)
class Reason:
    """What one feature did to the score; the bar runs from the middle, `x` and `width` in percent."""

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
    """Why the score is what it is; `rest` are the features that hardly mattered."""

    intro: str
    top: tuple[Reason, ...]
    rest: tuple[Reason, ...]
    note: str = ""


@dataclass(frozen=True)
class Point:
    """One value of the feature and the score that it would give."""

    value: str
    typed: str
    score: str
    x: float | None
    y: float
    width: float  # of a bar, in percent
    is_current: bool
    is_above: bool


@dataclass(frozen=True)
class WhatIf:
    """The score over one feature: a line for a number, bars for a category."""

    options: tuple[Option, ...]
    field_id: str
    label: str
    unit: str
    summary: str
    score_name: str
    line: Line | None
    points: tuple[Point, ...]
    current_text: str
    threshold: float | None
    threshold_text: str


@dataclass(frozen=True)
class Result:
    """One prediction, ready to read."""

    sentence: str
    figure: str
    caption: str
    gauge: Gauge | None
    threshold_text: str
    classes: tuple[ClassBar, ...]
    distribution: Distribution | None
    filled_in: tuple[tuple[str, str], ...]
    version: int
    request_id: str
    link: str
    reasons: Reasons | None
    what_if: WhatIf | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changed:
    """The model has other fields than the form or link that was sent."""

    version: int
    gone: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class PredictPage(View):
    """The form and, once it was sent, the result beside it."""

    TEMPLATE: ClassVar[str] = "frontend/predict.html"

    model: Model
    fields: tuple[Field, ...]
    n_errors: int
    method: str
    number: int
    example_url: str
    n_examples: int
    result: Result | None = None
    changed: Changed | None = None
    problem: ProblemError | None = None


@dataclass(frozen=True)
class RowError:
    """A row of a table that could not be predicted."""

    row: int  # 1 is the first below the header
    text: str


@dataclass(frozen=True)
class Preview:
    """The first rows of a table with predictions, and what became of the whole."""

    header: tuple[str, ...]
    n_given: int  # columns that were sent; the others are answers
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]
    n_rows: int
    n_failed: int
    errors: tuple[RowError, ...]
    counts: tuple[tuple[str, int, float], ...]  # answer, rows, percent
    spread: str
    download_url: str
    size_bytes: int


@dataclass(frozen=True)
class TablePage(View):
    """Predictions for a table."""

    TEMPLATE: ClassVar[str] = "frontend/table.html"

    model: Model
    columns: tuple[str, ...]
    sample: str
    limit_bytes: int
    text: str = ""
    preview: Preview | None = None
    problem: ProblemError | None = None


@dataclass(frozen=True)
class WaitingPage(View):
    """There is no model yet."""

    TEMPLATE: ClassVar[str] = "frontend/waiting.html"

    panel_url: str
    every_s: int


@dataclass(frozen=True)
class ProblemPage(View):
    """Something that the visitor has to know, with what to do about it."""

    TEMPLATE: ClassVar[str] = "frontend/problem.html"

    problem: ProblemError
    panel_url: str
    is_retried: bool = False
