"""Templates: autoescape everywhere, undefined is an error, and a view is a frozen dataclass.

A page is rendered from one view. The template sees the view's fields and nothing else, so a test can check that each
name a template uses is a field. htmx can request the `FRAGMENT` of a view alone; the page includes
that same file.
"""

import json
from dataclasses import fields
from typing import ClassVar, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.web import formats
from app.web.assets import asset_url
from app.web.files import folder
from pipeline.core.sentences import plural

TEMPLATES_DIR: Final = folder("templates")
VARY: Final = "HX-Request, HX-History-Restore-Request"


class View:
    """The data of one template; subclasses are frozen dataclasses."""

    TEMPLATE: ClassVar[str]
    FRAGMENT: ClassVar[str | None] = None


def create_environment() -> Environment:
    """Return the environment of all templates; each process creates it once."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals["asset"] = asset_url
    for name in ("duration", "number", "signed", "count", "percent", "size", "clock", "name"):
        env.filters[name] = getattr(formats, name)
    env.filters["plural"] = plural
    env.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return env


def is_fragment(request: Request) -> bool:
    """Return whether htmx requests a part of a page. A restored history entry is a whole page."""
    headers = request.headers
    return headers.get("hx-request") == "true" and not headers.get("hx-history-restore-request")


def render_template(env: Environment, name: str, view: View, **more: object) -> str:
    """Return the HTML of template `name` for `view`; `more` are names that every template of a process may use."""
    # asdict would copy nested dataclasses into dictionaries; templates read attributes.
    values = {field.name: getattr(view, field.name) for field in fields(view)}  # type: ignore[arg-type]  # subclasses are dataclasses
    return env.get_template(name).render(values, **more)


def render_response(
    env: Environment, request: Request, view: View, *, status: int = 200, **more: object
) -> HTMLResponse:
    """Return the view's fragment to htmx, the whole page otherwise."""
    name = view.FRAGMENT if view.FRAGMENT and is_fragment(request) else view.TEMPLATE
    return HTMLResponse(render_template(env, name, view, **more), status_code=status, headers={"Vary": VARY})
