"""The page of the audit, and its export, for admins."""

from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from app.panel.accounts.export import to_csv, to_ndjson
from app.panel.accounts.views import AuditView
from app.panel.audit.queries import AuditFilters, AuditQueries
from app.panel.db.engine import MAX_INTEGER
from app.panel.pages.renderer import PageRenderer
from app.web.dependencies import provided

router = APIRouter(prefix="/access/audit")

Queries = Annotated[AuditQueries, provided(AuditQueries)]


def audit_filters(
    actor: str = "", action: str = "", outcome: str = "", from_day: str = "", to_day: str = ""
) -> AuditFilters:
    """Return the filters of a query; what is no day is none."""
    return AuditFilters(actor.strip(), action.strip(), outcome, _day(from_day), _day(to_day))


Filters = Annotated[AuditFilters, Depends(audit_filters)]


@router.get("")
def show_audit(
    request: Request,
    queries: Queries,
    renderer: Annotated[PageRenderer, provided(PageRenderer)],
    filters: Filters,
    before: Annotated[int | None, Query(ge=1, le=MAX_INTEGER)] = None,
) -> Response:
    """Show entries, newest first."""
    page = queries.page(filters, before)
    query = {name: str(value) for name, value in vars(filters).items() if value}
    view = AuditView(
        rows=page.rows,
        filters=filters,
        export_query=urlencode(query),
        next_url=f"/access/audit?{urlencode({**query, 'before': page.next_before})}" if page.next_before else "",
        first_url=f"/access/audit?{urlencode(query)}" if before is not None else "",
    )
    return renderer.render(request, view, section="access")


@router.get("/export.csv")
def export_csv(queries: Queries, filters: Filters) -> Response:
    """Return the filtered entries as CSV."""
    return _attachment(StreamingResponse(to_csv(queries.all(filters)), media_type="text/csv"), "audit.csv")


@router.get("/export.ndjson")
def export_ndjson(queries: Queries, filters: Filters) -> Response:
    """Return the filtered entries as one JSON object a line."""
    kind = "application/x-ndjson"
    return _attachment(StreamingResponse(to_ndjson(queries.all(filters)), media_type=kind), "audit.ndjson")


def _attachment(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Content-Security-Policy"] = "sandbox"  # whatever is in it, it is no page of this panel
    return response


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None
