"""Raw tables as JSON."""

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import AwareDatetime, BaseModel, ConfigDict

from app.panel.datasets.service import Datasets
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


@router.post("", status_code=201)
def upload_table(
    datasets: Tables, file: Annotated[UploadFile, File()], replace: Annotated[bool, Form()] = False
) -> TableResponse:
    """Add a CSV or Parquet file to `data/raw`; with `replace` it is the only one afterwards."""
    return TableResponse.model_validate(datasets.add(file.filename or "", file.file, replace=replace))


@router.delete("/{name}", status_code=204)
def remove_table(name: str, datasets: Tables) -> None:
    """Remove a file: it is moved to `data/replaced/`, not deleted."""
    datasets.remove(name)
