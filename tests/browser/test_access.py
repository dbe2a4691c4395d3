"""Every page of the panel for those who see little, do not see, or have no mouse."""

from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import violations
from tests.browser.conftest import RUN_MS, PanelProcess

pytestmark = pytest.mark.browser

PAGES: Final = [
    "/",
    "/runs",
    "/runs/new",
    "/data",
    "/models",
    "/services",
    "/services/api",
    "/services/mlflow",
    "/drift",
    "/access",
    "/access/users",
    "/access/audit",
]
REACHABLE: Final = "a[href], button:not([disabled]), input:not([type=hidden]), select, textarea, summary"


def test_axe_finds_nothing_when_the_panel_has_a_model_and_a_failed_run(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    succeeded = panel.api("/api/v1/runs", {})["number"]
    panel.wait_idle()
    failed = panel.api("/api/v1/runs", {"params": {"target": "nobody"}})["number"]
    panel.wait_idle()
    all_violations: list[str] = []
    for path in [*PAGES, f"/runs/{succeeded}", f"/runs/{failed}", f"/runs/new?run={failed}"]:
        page.goto(panel.url + path)
        for details in page.locator("main details").all():
            details.evaluate("element => element.open = true")
        all_violations += violations(page)
    assert all_violations == []


def test_axe_finds_nothing_when_a_dialog_asks(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    page.goto(f"{panel.url}/data")
    page.get_by_role("button", name="Remove").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    assert violations(page) == []


def test_axe_finds_nothing_when_nobody_is_logged_in(browser: Browser, panel: PanelProcess) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(panel.url)
        expect(page.get_by_text(f"{panel.url}/login?token=")).to_be_visible()
        assert violations(page) == []


@pytest.mark.parametrize("path", PAGES)
def test_everything_is_reached_and_shows_it_when_tab_is_pressed(page: Page, panel: PanelProcess, path: str) -> None:
    panel.wait_idle()
    page.goto(panel.url + path)
    page.evaluate(
        """selector => {
          const seen = (element) => element.checkVisibility({visibilityProperty: true});
          window.left = new Set([...document.querySelectorAll(selector)].filter(seen));
        }""",
        REACHABLE,
    )
    n_elements = page.evaluate("left.size")
    assert n_elements > 5
    unmarked = []
    for _ in range(n_elements + 10):
        page.keyboard.press("Tab")
        unmarked += page.evaluate(
            """() => {
              const at = document.activeElement, style = getComputedStyle(at);
              left.delete(at);
              const marked = at === document.body || style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
              return marked ? [] : [at.outerHTML.slice(0, 120)];
            }"""
        )
    assert page.evaluate("[...left].map(element => element.outerHTML.slice(0, 120))") == []
    assert unmarked == []


def test_run_is_cancelled_when_only_keys_are_used(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    page.goto(f"{panel.url}/runs/new")
    page.get_by_label("Tuning time limit (s)").fill("60")
    page.get_by_label("Seed").fill("11")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/*")
    page.get_by_role("button", name="Cancel", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Cancel the run")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#run-title")).to_contain_text("cancelled", timeout=RUN_MS)


def test_nothing_moves_when_less_motion_is_wanted(page: Page, panel: PanelProcess) -> None:
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{panel.url}/runs/new")
    page.get_by_label("Tuning time limit (s)").fill("60")
    page.get_by_label("Seed").fill("12")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/runs/*")
    expect(page.locator(".turn").first).to_be_visible()
    assert page.evaluate("document.getAnimations().length") == 0
    number = page.url.rsplit("/", 1)[1]
    panel.api(f"/api/v1/runs/{number}/cancel", {})
    panel.wait_idle()
