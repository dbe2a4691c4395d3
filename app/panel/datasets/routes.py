"""The page of data: the tables in `data/raw`, an upload, and the profile that the last run made."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, File, Form, Request, UploadFile
from starlette.responses import RedirectResponse, Response

from app.panel.datasets.profile import Column, Profile, read_profile
from app.panel.datasets.service import MAX_UPLOAD_BYTES, Datasets, Table
from app.panel.pages.renderer import PageRenderer
from app.panel.runs.domain.queries import RunQueries, RunRow
from app.panel.settings import Settings
from app.web.charts import Bar, bars
from app.web.templating import View
from pipeline.core.problems import ProblemError
from pipeline.core.product import TABLE_SUFFIXES

# How many runs back a profile is looked for: failed ones may have none.
LOOK_BACK: Final = 20


@dataclass(frozen=True)
class ColumnRow:
    """A column of the profile with its small histogram."""

    column: Column
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class DataView(View):
    """The page. `profile` and `run` are of the newest run that has one; `problem` is why an upload was refused."""

    TEMPLATE: ClassVar[str] = "panel/data.html"

    tables: tuple[Table, ...]
    profile: Profile | None
    run: RunRow | None
    columns: tuple[ColumnRow, ...]
    problem: ProblemError | None
    suffixes: str = ", ".join(TABLE_SUFFIXES)
    max_bytes: int = MAX_UPLOAD_BYTES


@dataclass(frozen=True)
class DataPages:
    """What the page needs."""

    settings: Settings
    renderer: PageRenderer
    datasets: Datasets
    queries: RunQueries


def router(pages: DataPages) -> APIRouter:
    """The routes of data."""
    routes = APIRouter()

    @routes.get("/data")
    def show(request: Request) -> Response:
        return pages.renderer.render(request, _view(pages), section="data")

    @routes.post("/data")
    def upload(
        request: Request, file: Annotated[UploadFile, File()], replace: Annotated[bool, Form()] = False
    ) -> Response:
        try:
            pages.datasets.add(file.filename or "", file.file, replace=replace)
        except ProblemError as problem:
            return pages.renderer.render(request, _view(pages, problem), section="data", status=problem.status)
        return RedirectResponse("/data", status_code=303)

    @routes.post("/data/{name}/remove")
    def remove(name: str) -> Response:
        pages.datasets.remove(name)
        return RedirectResponse("/data", status_code=303)

    return routes


def _view(pages: DataPages, problem: ProblemError | None = None) -> DataView:
    profile, run = None, None
    for row in pages.queries.page(limit=LOOK_BACK).rows:
        profile = read_profile(pages.settings.runs_dir / row.id)
        if profile is not None:
            run = row
            break
    columns = profile.columns if profile else []
    return DataView(
        tables=pages.datasets.tables(),
        profile=profile,
        run=run,
        columns=tuple(ColumnRow(column, bars(column.counts)) for column in columns),
        problem=problem,
    )
