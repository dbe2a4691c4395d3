"""Templates: autoescape everywhere, undefined is an error, and a view is a frozen dataclass.

A page is drawn from one view. The template sees the view's fields and nothing else, so a test can check that each
name a template uses is a field. A view that names a `FRAGMENT` can be asked for alone by htmx; the page includes
that same file.
"""

import json
from dataclasses import fields
from pathlib import Path
from typing import ClassVar, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from app.web import formats
from app.web.assets import asset

TEMPLATES_DIR: Final = Path(__file__).parent.parent.parent / "templates"
VARY: Final = "HX-Request, HX-History-Restore-Request"


class View:
    """What one template is drawn from; subclasses are frozen dataclasses."""

    TEMPLATE: ClassVar[str]
    FRAGMENT: ClassVar[str | None] = None


def environment() -> Environment:
    """The one way to build templates; each process builds it once."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES_DIR),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.globals["asset"] = asset
    for name in ("duration", "number", "signed", "count", "percent", "size", "clock", "plural", "name"):
        env.filters[name] = getattr(formats, name)
    env.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return env


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page. A restored history entry is a whole page."""
    has = request.headers.get
    return has("hx-request") == "true" and not has("hx-history-restore-request")


def draw(env: Environment, name: str, view: View, **more: object) -> str:
    """The HTML of template `name` for `view`; `more` are names that every template of a site may use."""
    # asdict would copy nested dataclasses into dictionaries; templates read attributes.
    values = {field.name: getattr(view, field.name) for field in fields(view)}  # type: ignore[arg-type]  # subclasses are dataclasses
    return env.get_template(name).render(values, **more)


def respond(env: Environment, request: Request, view: View, *, status: int = 200, **more: object) -> HTMLResponse:
    """The view's fragment for a swap, the whole page otherwise."""
    name = view.FRAGMENT if view.FRAGMENT and is_fragment(request) else view.TEMPLATE
    return HTMLResponse(draw(env, name, view, **more), status_code=status, headers={"Vary": VARY})
