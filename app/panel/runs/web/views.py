"""The views of the pages of runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from app.panel.logs.views import LogView
from app.panel.runs.domain.queries import RunDetail, RunFilters, RunRow, StageView
from app.panel.runs.domain.state import RunState, Trigger
from app.panel.runs.web.form import FieldGroup, FormField
from app.panel.runs.web.results import MetricRow, Plot
from app.web.templating import View
from pipeline.core.stage import STAGE_TITLES, STAGES


@dataclass(frozen=True)
class StageCell:
    """One of the four stages in the strip. `typical_s` is None where it never succeeded."""

    title: str
    stage: StageView
    typical_s: float | None


def cells(stages: tuple[StageView, ...], typical: Mapping[str, float]) -> tuple[StageCell, ...]:
    """Return the strip of a run."""
    return tuple(StageCell(STAGE_TITLES.get(s.name, s.name), s, typical.get(s.name)) for s in stages)


@dataclass(frozen=True)
class ParamRow:
    """One parameter of a run; `name` is that of the API and the CLI, `title` and `value` are those of the form."""

    name: str
    title: str
    value: str
    is_changed: bool


@dataclass(frozen=True)
class RunsView(View):
    """The list of runs. `next_url` is "" on the last page, `key` makes the start button start once."""

    TEMPLATE: ClassVar[str] = "panel/runs.html"
    FRAGMENT: ClassVar[str | None] = "panel/_runs.html"

    rows: tuple[RunRow, ...]
    filters: RunFilters
    next_url: str
    first_url: str
    key: str
    states: tuple[str, ...] = tuple(state.value for state in RunState)
    triggers: tuple[str, ...] = tuple(trigger.value for trigger in Trigger)


@dataclass(frozen=True)
class RunView(View):
    """One run. `rerun_from` are the stages from which it can be done again: those whose predecessors finished.

    `failed_stage` is the first that did not finish, None if all did. `log` is None where only the part above it is drawn.
    `leakage` are features that give the target away, each with how.
    """

    TEMPLATE: ClassVar[str] = "panel/run.html"
    FRAGMENT: ClassVar[str | None] = "panel/_run.html"

    run: RunRow
    detail: RunDetail
    strip: tuple[StageCell, ...]
    typical_s: float | None
    live_version: int | None
    metrics: tuple[MetricRow, ...]
    plots: tuple[Plot, ...]
    params: tuple[ParamRow, ...]
    rerun_from: tuple[tuple[str, str], ...]
    failed_stage: str | None
    mlflow_url: str | None
    log: LogView | None
    key: str
    poll_s: int
    leakage: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class NewRunView(View):
    """The form of a new run. `parent` is the run that it continues, `from_stage` where; `n_errors` fields are not valid.

    `columns` are those of the tables, if they are known: suggestions for the target.
    """

    TEMPLATE: ClassVar[str] = "panel/run_new.html"

    groups: tuple[FieldGroup, ...]
    parent: RunRow | None
    from_stage: str
    stages: tuple[tuple[str, str], ...]
    n_errors: int
    key: str
    columns: tuple[str, ...]


def stage_choices(names: tuple[str, ...] = STAGES) -> tuple[tuple[str, str], ...]:
    """Return names and titles, for a choice."""
    return tuple((name, STAGE_TITLES[name]) for name in names)


def param_rows(fields: Iterable[FormField], defaults: Iterable[FormField]) -> tuple[ParamRow, ...]:
    """Return a row for each field; one that is not among `defaults` does not count as changed."""
    texts = {field.name: field.text for field in defaults}
    return tuple(
        ParamRow(field.name, field.title, field.value, field.text != texts.get(field.name, field.text))
        for field in fields
    )
