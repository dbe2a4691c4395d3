"""The Data page: the tables in `data/raw`, an upload form, what a run would make of them, and the newest run's profile."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Depends, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from app.panel.datasets.options import CHOICES, changed_params, join_words
from app.panel.datasets.preview import Previews
from app.panel.datasets.profile import bar_counts, read_profile
from app.panel.datasets.service import MAX_UPLOAD_BYTES, Datasets, Table
from app.panel.datasets.uploads import Uploads
from app.panel.pages.renderer import PageRenderer
from app.panel.runs.domain.problems import InvalidParamsError
from app.panel.runs.domain.queries import RunQueries, RunRow
from app.panel.runs.domain.service import RunService
from app.panel.settings import Settings
from app.web.charts import Bar, layout_bars
from app.web.dependencies import provided
from app.web.problem_response import retry_headers
from app.web.templating import View, is_fragment
from pipeline.core.params import ColumnOptions, Params
from pipeline.core.problems import ProblemError
from pipeline.core.table_files import TABLE_SUFFIXES
from pipeline.core.table_preview import PreviewResult, TablePreview
from pipeline.core.table_profile import ColumnProfile, Profile

router = APIRouter()
ACTOR: Final = "web"
# Failed runs may have no profile.
LOOKBACK_RUNS: Final = 20
MAX_FIELDS: Final = 20_000  # of the form: 8 for each of 2,000 columns


@dataclass(frozen=True)
class ColumnRow:
    """A column of the profile with its small histogram."""

    column: ColumnProfile
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class ShownPreview:
    """What a run with `params` would make of the tables: `preview`, or the `problem` for which they are none.

    `guess` is the target that nobody has chosen, "" if somebody has. `is_busy`: somebody else is looking. `is_changed`: the
    parameters are those of the form, and no run has had them yet.
    """

    preview: TablePreview | None
    problem: ProblemError | None
    options: Mapping[str, ColumnOptions]
    ignored: frozenset[str]
    target: str
    guess: str
    sheet: str
    key: str
    is_busy: bool = False
    is_changed: bool = False
    choices: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=lambda: CHOICES)

    def words(self, column: str, option: Literal["missing", "kept"]) -> str:
        """Return the words that somebody decided about for a column, as the field holds them."""
        chosen = self.options.get(column, ColumnOptions())
        return join_words(chosen.missing if option == "missing" else chosen.kept)

    @classmethod
    def of(cls, result: PreviewResult | None, params: Params, *, is_changed: bool = False) -> "ShownPreview":
        """Return the view of a result; the problem of a table without a model is shown beside its columns.

        None: somebody else is looking.
        """
        preview = result.preview if result else None
        members = (result.problem if result else None) or (preview.problem if preview else None)
        return cls(
            preview=preview,
            problem=ProblemError.restore(members) if members else None,
            options=params.columns,
            ignored=frozenset(params.ignore),
            target=params.target or (preview.target if preview else ""),
            guess="" if params.target else (preview.target if preview else ""),
            sheet=params.sheet or "",
            is_busy=result is None,
            key=secrets.token_urlsafe(16),
            is_changed=is_changed,
        )


@dataclass(frozen=True)
class PreviewView(View):
    """The part of the page about what a run would make of the tables."""

    TEMPLATE: ClassVar[str] = "panel/_data_preview.html"
    FRAGMENT: ClassVar[str | None] = "panel/_data_preview.html"

    shown: ShownPreview


@dataclass(frozen=True)
class DataView(View):
    """The page. `profile` is that of `run`, the newest run that has one; `refusal` is why an upload was refused. `shown` is what
    a run would make of the tables, None as long as nobody has looked.
    """

    TEMPLATE: ClassVar[str] = "panel/data.html"

    tables: tuple[Table, ...]
    profile: Profile | None
    run: RunRow | None
    columns: tuple[ColumnRow, ...]
    refusal: ProblemError | None
    shown: ShownPreview | None
    suffixes: str = ", ".join(TABLE_SUFFIXES)
    max_bytes: int = MAX_UPLOAD_BYTES


@dataclass(frozen=True)
class DataSources:
    """The objects that the page is drawn from."""

    settings: Annotated[Settings, provided(Settings)]
    renderer: Annotated[PageRenderer, provided(PageRenderer)]
    datasets: Annotated[Datasets, provided(Datasets)]
    queries: Annotated[RunQueries, provided(RunQueries)]
    runs: Annotated[RunService, provided(RunService)]
    previews: Annotated[Previews, provided(Previews)]

    def render(
        self, request: Request, refusal: ProblemError | None = None, shown: ShownPreview | None = None
    ) -> Response:
        """Return the page; with `refusal`, it shows why an upload was refused."""
        view = self._view(refusal, shown)
        response = self.renderer.render(request, view, section="data", status=refusal.status if refusal else 200)
        response.headers.update(retry_headers(refusal) if refusal else {})
        return response

    def preview(self, params: Params | None = None) -> ShownPreview:
        """Return what a run with `params`, by default the next one, would make of the tables."""
        chosen = params or self.previews.next_params()
        return ShownPreview.of(self.previews.look(chosen), chosen, is_changed=params is not None)

    def changed(self, texts: Mapping[str, str]) -> Params:
        """Return the parameters of the next run with what the form says. Raises InvalidParamsError (422)."""
        try:
            params: dict[str, Any] = changed_params(self.previews.next_params().model_dump(mode="json"), texts)
            return Params.model_validate(params)
        except ValidationError as error:
            raise InvalidParamsError.from_validation(error) from error

    def _view(self, refusal: ProblemError | None, shown: ShownPreview | None) -> DataView:
        profile, run = None, None
        for row in self.queries.page(limit=LOOKBACK_RUNS).rows:
            profile = read_profile(self.settings.runs_dir / row.id)
            if profile is not None:
                run = row
                break
        if shown is None:
            params = self.previews.next_params()
            known = self.previews.known(params)
            shown = None if known is None else ShownPreview.of(known, params)
        columns = profile.columns if profile else []
        return DataView(
            tables=self.datasets.tables(),
            profile=profile,
            run=run,
            columns=tuple(ColumnRow(column, layout_bars(bar_counts(column))) for column in columns),
            refusal=refusal,
            shown=shown,
        )


Sources = Annotated[DataSources, Depends()]


@router.get("/data")
def show_data(request: Request, sources: Sources) -> Response:
    """Show the tables, an upload form, what a run would make of them, and the newest profile."""
    return sources.render(request)


@router.get("/data/preview")
def show_preview(request: Request, sources: Sources) -> Response:
    """Look at the tables as a run would, and show the part of the page about that."""
    shown = sources.preview()
    if not is_fragment(request):
        return RedirectResponse("/data", status_code=303)
    return sources.renderer.render(request, PreviewView(shown))


@router.post("/data/preview")
async def change_preview(request: Request, sources: Sources) -> Response:
    """Show what a run would make of the tables with what the form says about columns; nothing is kept."""
    return await run_in_threadpool(_show_changed, request, sources, await _texts(request))


@router.post("/data/run")
async def run_changed(request: Request, sources: Sources) -> Response:
    """Start a run with what the form says about columns, and show it."""
    return await run_in_threadpool(_start_changed, sources, await _texts(request))


@router.post("/data")
async def upload_table(request: Request, sources: Sources, uploads: Annotated[Uploads, provided(Uploads)]) -> Response:
    """Add a table if it is one, and show the page again."""
    try:
        async with uploads.receive(request) as upload:
            await run_in_threadpool(sources.datasets.check, upload)
            await run_in_threadpool(sources.previews.check, upload)
            await run_in_threadpool(sources.datasets.add, upload)
    except ProblemError as problem:
        return await run_in_threadpool(sources.render, request, problem)
    return RedirectResponse("/data", status_code=303)


@router.post("/data/{name}/remove")
def remove_table(name: str, datasets: Annotated[Datasets, provided(Datasets)]) -> Response:
    """Remove a table, and show the page again."""
    datasets.remove(name)
    return RedirectResponse("/data", status_code=303)


async def _texts(request: Request) -> dict[str, str]:
    submitted = await request.form(max_files=0, max_fields=MAX_FIELDS)
    return {name: value for name, value in submitted.items() if not isinstance(value, UploadFile)}


def _show_changed(request: Request, sources: DataSources, texts: Mapping[str, str]) -> Response:
    params = sources.changed(texts)
    return sources.render(request, shown=sources.preview(params))


def _start_changed(sources: DataSources, texts: Mapping[str, str]) -> Response:
    key = texts.get("idempotency_key", "")[:100] or secrets.token_urlsafe(16)
    started = sources.runs.start(
        params=sources.changed(texts).model_dump(mode="json"),
        idempotency_key=key,
        is_shared_key=True,
        requested_by=ACTOR,
    )
    return RedirectResponse(f"/runs/{started.number}", status_code=303)
