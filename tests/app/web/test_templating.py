"""Views and templates agree: each name that a template uses is a field of its view."""

from dataclasses import dataclass, fields
from importlib import import_module
from typing import ClassVar

import pytest
from jinja2 import UndefinedError, meta, nodes
from starlette.requests import Request

from app.panel.clock import SystemClock
from app.panel.pages.renderer import PageRenderer
from app.panel.settings import Settings
from app.web.templating import View, create_environment, render_response, render_template

MODULES = [
    "app.panel.auth.routes",
    "app.panel.pages.renderer",
    "app.panel.home.views",
    "app.panel.runs.web.views",
    "app.panel.logs.views",
    "app.panel.registry.routes",
    "app.panel.services.routes",
    "app.panel.datasets.routes",
    "app.panel.drift.routes",
]
# What an including template hands on by `with`, or every page has.
HANDED = {"frame", "base", "lines"}


def _views() -> list[type[View]]:
    for module in MODULES:
        import_module(module)
    return [view for view in View.__subclasses__() if view.__module__ in MODULES]


def _names(template: str) -> set[str]:
    env = PageRenderer(Settings(), SystemClock()).env
    seen: set[str] = set()
    todo = [template]
    names: set[str] = set()
    while todo:
        name = todo.pop()
        if name in seen or env.loader is None:
            continue
        seen.add(name)
        tree = env.parse(env.loader.get_source(env, name)[0])
        # Inside a block, what the file itself imports or defines counts as undeclared too.
        own = {macro.name for macro in tree.find_all(nodes.Macro)}
        imported = [entry for each in tree.find_all(nodes.FromImport) for entry in each.names]
        own |= {entry if isinstance(entry, str) else entry[1] for entry in imported}
        names |= meta.find_undeclared_variables(tree) - own
        todo += [each for each in meta.find_referenced_templates(tree) if each]
    return names - set(env.globals)


@pytest.mark.parametrize("view", _views(), ids=lambda view: view.__name__)
def test_template_uses_only_fields_of_its_view_when_drawn(view: type[View]) -> None:
    known = {field.name for field in fields(view)} | HANDED  # type: ignore[arg-type]  # views are dataclasses
    for template in filter(None, (view.TEMPLATE, view.FRAGMENT)):
        assert _names(template) - known == set()


@dataclass(frozen=True)
class _Toast(View):
    TEMPLATE: ClassVar[str] = "panel/_log_lines.html"
    FRAGMENT: ClassVar[str | None] = "panel/_parts.html"

    lines: tuple[str, ...] = ()


def test_fragment_is_drawn_when_htmx_asks_and_the_page_when_history_does() -> None:
    def request(**headers: str) -> Request:
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return Request({"type": "http", "headers": pairs})

    env = create_environment()
    page = render_response(env, request(), _Toast()).body
    assert render_response(env, request(hx_request="true"), _Toast()).body != page
    assert render_response(env, request(hx_request="true", hx_history_restore_request="true"), _Toast()).body == page


def test_undefined_name_is_an_error_when_a_template_uses_one() -> None:
    @dataclass(frozen=True)
    class Empty(View):
        TEMPLATE: ClassVar[str] = "panel/_log_lines.html"

    with pytest.raises(UndefinedError):
        render_template(create_environment(), Empty.TEMPLATE, Empty())
