"""Raw tables as JSON."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict
from starlette.concurrency import run_in_threadpool

from app.panel.datasets.preview import Previews
from app.panel.datasets.service import Datasets
from app.panel.datasets.uploads import OPENAPI, Uploads
from app.web.dependencies import provided

router = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])
Tables = Annotated[Datasets, provided(Datasets)]


class TableResponse(BaseModel):
    """One file in `data/raw`."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    n_bytes: int
    changed_at: AwareDatetime


@router.get("")
def list_tables(datasets: Tables) -> list[TableResponse]:
    """Return the files that the next run reads."""
    return [TableResponse.model_validate(table) for table in datasets.tables()]


@router.post("", status_code=201, openapi_extra=OPENAPI)
async def upload_table(
    request: Request,
    datasets: Tables,
    uploads: Annotated[Uploads, provided(Uploads)],
    previews: Annotated[Previews, provided(Previews)],
) -> TableResponse:
    """Add a table to `data/raw`; with `replace` it is the only one afterwards. One upload at a time.

    It is read first, as a run would, and refused with the reader's problem if it is no table, or not one with those there.
    """
    async with uploads.receive(request) as upload:
        await run_in_threadpool(datasets.check, upload)
        await run_in_threadpool(previews.check, upload)
        return TableResponse.model_validate(await run_in_threadpool(datasets.add, upload))


@router.delete("/{name}", status_code=204)
def remove_table(name: str, datasets: Tables) -> None:
    """Remove a file: it is moved to `data/replaced/`, not deleted."""
    datasets.remove(name)
