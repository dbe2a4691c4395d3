"""Raw tables as JSON."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import AwareDatetime, BaseModel

from app.panel.datasets.service import Datasets


class TableBody(BaseModel):
    """One file in `data/raw`."""

    name: str
    n_bytes: int
    changed_at: AwareDatetime


def router(datasets: Datasets) -> APIRouter:
    """List, upload, take away."""
    routes = APIRouter(prefix="/api/v1/datasets", tags=["datasets"])

    @routes.get("")
    def tables() -> list[TableBody]:
        """The files that the next run reads."""
        return [TableBody(**asdict(table)) for table in datasets.tables()]

    @routes.post("", status_code=201)
    def upload(file: Annotated[UploadFile, File()], replace: Annotated[bool, Form()] = False) -> TableBody:
        """Add a CSV or Parquet file to `data/raw`; with `replace` it is the only one afterwards."""
        return TableBody(**asdict(datasets.add(file.filename or "", file.file, replace=replace)))

    @routes.delete("/{name}", status_code=204)
    def remove(name: str) -> None:
        """Take a file away; it is moved to `data/replaced/`, not deleted."""
        datasets.remove(name)

    return routes
