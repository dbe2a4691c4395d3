"""What Chromium sends to a service's port while it is logged in to the panel, under names that are not loopback."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.running import RunningPanel, panel
from tests.builders.http_server import Answer, Request, http_server

pytestmark = pytest.mark.browser


@dataclass
class Listener:
    """Something in a service's place. `cookies` holds the Cookie header of each page that was asked for, "" for none."""

    port: int
    cookies: list[str]


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    cookies: list[str] = []

    def answer(request: Request) -> Answer:
        if request.path == "/":
            cookies.append(request.headers.get("Cookie", ""))
        return Answer(200, {"Content-Type": "text/html"}, b"<title>Listener</title>")

    with http_server(answer) as url:
        yield Listener(int(url.rpartition(":")[2]), cookies)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, listener: Listener) -> Iterator[RunningPanel]:
    """The app has a name of its own, MLflow that of the panel, the API none."""
    settings = {
        "PANEL_ALLOWED_HOSTS": "panel.test",
        "APP_PUBLIC_URL": f"http://app.test:{listener.port}",
        "MLFLOW_PUBLIC_URL": f"http://panel.test:{listener.port}",
    }
    with panel(tmp_path_factory.mktemp("panel"), **settings) as running:
        running.wait_for_services()
        yield running


@pytest.fixture
def page(browser: Browser, opened: RunningPanel) -> Iterator[Page]:
    """Yield a tab that has logged in at panel.test and shows the services."""
    link = re.search(r"/login\S*", (opened.folder / "panel.log").read_text("utf-8"))
    assert link is not None
    with browser.new_context() as context:
        tab = context.new_page()
        tab.goto(f"http://panel.test:{opened.ports['PANEL_PORT']}{link[0]}")
        tab.goto(f"http://panel.test:{opened.ports['PANEL_PORT']}/services")
        expect(tab.get_by_role("heading", name="Prediction app")).to_be_visible()
        yield tab


def test_service_gets_no_cookie_of_the_panel_when_it_is_opened_from_there(page: Page, listener: Listener) -> None:
    assert any("panel" in cookie.get("name", "") for cookie in page.context.cookies())
    listener.cookies.clear()
    page.get_by_role("link", name="Open", exact=True).click()
    page.wait_for_url(f"http://app.test:{listener.port}/")
    assert listener.cookies == [""]


def test_service_is_not_linked_when_it_has_the_name_of_the_panel(page: Page, listener: Listener) -> None:
    hosts = page.evaluate("[...document.querySelectorAll('a[href]')].map(link => link.host)")
    assert f"app.test:{listener.port}" in hosts
    assert {host for host in hosts if host.startswith("panel.test")} == {page.evaluate("location.host")}
    assert len(set(hosts)) == 2
    expect(page.get_by_text("No links to the API and MLflow")).to_contain_text(
        "Set API_PUBLIC_URL and MLFLOW_PUBLIC_URL"
    )
    # This is what a link would have done.
    listener.cookies.clear()
    page.goto(f"http://panel.test:{listener.port}/")
    assert "panel" in listener.cookies[0]
