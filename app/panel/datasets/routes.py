"""The Data page: the tables in `data/raw`, an upload form, and the profile that the newest run made."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from app.panel.datasets.profile import bar_counts, read_profile
from app.panel.datasets.service import MAX_UPLOAD_BYTES, Datasets, Table
from app.panel.datasets.uploads import Uploads
from app.panel.pages.renderer import PageRenderer
from app.panel.runs.domain.queries import RunQueries, RunRow
from app.panel.settings import Settings
from app.web.charts import Bar, layout_bars
from app.web.dependencies import provided
from app.web.problem_response import retry_headers
from app.web.templating import View
from pipeline.core.problems import ProblemError
from pipeline.core.table_files import TABLE_SUFFIXES
from pipeline.core.table_profile import ColumnProfile, Profile

router = APIRouter()
# Failed runs may have no profile.
LOOKBACK_RUNS: Final = 20


@dataclass(frozen=True)
class ColumnRow:
    """A column of the profile with its small histogram."""

    column: ColumnProfile
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class DataView(View):
    """The page. `profile` is that of `run`, the newest run that has one; `problem` is why an upload was refused."""

    TEMPLATE: ClassVar[str] = "panel/data.html"

    tables: tuple[Table, ...]
    profile: Profile | None
    run: RunRow | None
    columns: tuple[ColumnRow, ...]
    problem: ProblemError | None
    suffixes: str = ", ".join(TABLE_SUFFIXES)
    max_bytes: int = MAX_UPLOAD_BYTES


@dataclass(frozen=True)
class DataSources:
    """The objects that the page is drawn from."""

    settings: Annotated[Settings, provided(Settings)]
    renderer: Annotated[PageRenderer, provided(PageRenderer)]
    datasets: Annotated[Datasets, provided(Datasets)]
    runs: Annotated[RunQueries, provided(RunQueries)]

    def render(self, request: Request, problem: ProblemError | None = None) -> Response:
        """Return the page; with `problem`, it shows why an upload was refused."""
        view = self._view(problem)
        response = self.renderer.render(request, view, section="data", status=problem.status if problem else 200)
        response.headers.update(retry_headers(problem) if problem else {})
        return response

    def _view(self, problem: ProblemError | None) -> DataView:
        profile, run = None, None
        for row in self.runs.page(limit=LOOKBACK_RUNS).rows:
            profile = read_profile(self.settings.runs_dir / row.id)
            if profile is not None:
                run = row
                break
        columns = profile.columns if profile else []
        return DataView(
            tables=self.datasets.tables(),
            profile=profile,
            run=run,
            columns=tuple(ColumnRow(column, layout_bars(bar_counts(column))) for column in columns),
            problem=problem,
        )


Sources = Annotated[DataSources, Depends()]


@router.get("/data")
def show_data(request: Request, sources: Sources) -> Response:
    """Show the tables, an upload form and the newest profile."""
    return sources.render(request)


@router.post("/data")
async def upload_table(request: Request, sources: Sources, uploads: Annotated[Uploads, provided(Uploads)]) -> Response:
    """Add a table, and show the page again."""
    try:
        async with uploads.receive(request) as upload:
            await run_in_threadpool(sources.datasets.add, upload)
    except ProblemError as problem:
        return await run_in_threadpool(sources.render, request, problem)
    return RedirectResponse("/data", status_code=303)


@router.post("/data/{name}/remove")
def remove_table(name: str, datasets: Annotated[Datasets, provided(Datasets)]) -> Response:
    """Remove a table, and show the page again."""
    datasets.remove(name)
    return RedirectResponse("/data", status_code=303)
