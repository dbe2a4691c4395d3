"""Chromium logs in with a password, wherever it begins, and arrives where it wanted to go."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.running import RunningPanel, panel
from tests.browser.conftest import watch

pytestmark = pytest.mark.browser
PASSWORD = "violet-tractor-orbit-19-lantern"
NAMES = ("box.test", "other.test")


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPanel]:
    """A panel with two names that are not loopback; its app asks for the login, because its API asks for a key."""
    settings = {"PANEL_PASSWORD": PASSWORD, "API_KEY": "k3y-of-the-api-5a1c7e90d2b84f36"}
    with panel(tmp_path_factory.mktemp("panel"), PANEL_ALLOWED_HOSTS=",".join(NAMES), **settings) as running:
        running.wait_for_services()
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Yield a tab of a browser that has logged in nowhere. The test fails if the browser refused a form or a script."""
    complaints: list[str] = []
    with browser.new_context() as context:
        tab = context.new_page()
        watch(tab, complaints)
        yield tab
    assert [each for each in complaints if "Content Security Policy" in each] == []


def log_in(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.mark.parametrize(("service", "title"), [("APP_PORT", "Prediction app"), ("MLFLOW_PORT", "MLflow")])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_service_opens_when_somebody_who_began_there_has_logged_in(
    page: Page, opened: RunningPanel, host: str, service: str, title: str
) -> None:
    port = opened.ports[service]
    page.goto(f"http://{host}:{port}/")
    log_in(page)
    # Under either name of this machine: the panel was looked for under both.
    page.wait_for_url(re.compile(rf"http://(localhost|127\.0\.0\.1):{port}/"))
    expect(page).to_have_title(re.compile(title))


@pytest.mark.parametrize("host", NAMES)
def test_app_opens_when_somebody_who_began_there_under_another_name_has_logged_in(
    page: Page, opened: RunningPanel, host: str
) -> None:
    address = f"http://{host}:{opened.ports['APP_PORT']}/"
    page.goto(address)
    assert page.url.startswith(f"http://{NAMES[host == NAMES[0]]}:{opened.ports['PANEL_PORT']}/login?")
    log_in(page)
    page.wait_for_url(address)
    expect(page).to_have_title(re.compile("Prediction app"))


@pytest.mark.parametrize("host", NAMES)
def test_app_opens_without_another_login_when_the_panel_links_it_by_its_other_name(
    page: Page, opened: RunningPanel, host: str
) -> None:
    page.goto(f"http://{host}:{opened.ports['PANEL_PORT']}/services")
    log_in(page)
    expect(page.get_by_role("heading", name="Prediction app")).to_be_visible()
    address = f"http://{NAMES[host == NAMES[0]]}:{opened.ports['APP_PORT']}/"
    page.locator(f'a[href="{address}"]').first.click()
    page.wait_for_url(address)
    expect(page).to_have_title(re.compile("Prediction app"))
