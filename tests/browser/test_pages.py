"""Every page in every shape: nothing sticks out, nothing is refused by the browser, hostile text stays text."""

import csv
import io
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import RUN_MS, PanelProcess, watch

pytestmark = pytest.mark.browser

PAGES = [
    "/",
    "/runs",
    "/runs/new",
    "/data",
    "/models",
    "/services",
    "/services/api",
    "/services/mlflow",
    "/access",
    "/access/users",
    "/access/audit",
    "/nowhere",
    "/runs/999999",
]
HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(2)</script>",
    "javascript:alert(3)",
    "{{ 7 * 7 }}",
    '<b hx-get="/logout" hx-trigger="load">',
]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_its_window_when_wide_or_narrow(
    browser: Browser, panel: PanelProcess, width: int, scheme: str
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    complaints: list[str] = []
    watch(page, complaints)
    page.goto(panel.login_url)
    for path in PAGES:
        page.goto(panel.url + path)
        expect(page.locator("h1").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.locator("main").count() == page.locator("nav[aria-label=Main]").count() == 1
    assert [line for line in complaints if "404" not in line] == []
    context.close()


def test_each_field_has_a_label_when_a_form_is_shown(page: Page, panel: PanelProcess) -> None:
    for path in ("/", "/runs", "/runs/new", "/data", "/access", "/access/users", "/access/audit"):
        page.goto(panel.url + path)
        unnamed = page.evaluate(
            "[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a')]"
            ".filter(e => !(e.labels?.length || e.textContent.trim() || e.ariaLabel)).map(e => e.outerHTML)"
        )
        assert unnamed == [], path


def test_only_the_chosen_estimator_s_settings_show_when_it_changes(page: Page, panel: PanelProcess) -> None:
    page.goto(f"{panel.url}/runs/new")
    expect(page.get_by_label("Trees")).to_have_count(2)
    expect(page.get_by_label("Trees").last).to_be_hidden()
    page.get_by_label("Estimator").select_option("random_forest")
    expect(page.get_by_label("Trees").last).to_be_visible()
    expect(page.get_by_label("Max iterations").first).to_be_hidden()


def test_form_says_what_is_wrong_when_a_value_cannot_be(page: Page, panel: PanelProcess, complaints: list[str]) -> None:
    page.goto(f"{panel.url}/runs/new")
    page.locator("form[action='/runs/new']").evaluate("form => form.noValidate = true")
    page.get_by_label("Test share").fill("7")
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("alert")).to_contain_text("Fix the highlighted field. No run was started.")
    field = page.get_by_label("Test share")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_value("7")
    expect(page.locator("main .error")).to_have_text("Should be less than or equal to 0.5.")
    assert all("422" in complaint for complaint in complaints)
    complaints.clear()


def test_list_is_narrowed_in_place_when_a_filter_is_chosen(page: Page, panel: PanelProcess) -> None:
    page.goto(f"{panel.url}/runs")
    page.get_by_label("State").select_option("interrupted")
    expect(page.get_by_text("No run matches the filter.")).to_be_visible()
    assert "state=interrupted" in page.url
    page.go_back()
    expect(page.get_by_text("No run matches the filter.")).to_have_count(0)


def test_hostile_text_stays_text_when_a_table_is_full_of_it(
    page: Page, panel: PanelProcess, complaints: list[str]
) -> None:
    panel.wait_idle()
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*HOSTILE, "late"])
    for i in range(400):
        writer.writerow([i * 7 % 400 + (i % 2) / 2, i % 7, i % 11, i * i % 13, HOSTILE[i % 5], int(i % 7 > 3)])
    before = {path.name for path in (panel.data_dir / "raw").iterdir()}
    page.goto(f"{panel.url}/data")
    page.get_by_label("File", exact=True).set_input_files(
        {"name": "hostile.csv", "mimeType": "text/csv", "buffer": text.getvalue().encode()}
    )
    page.get_by_label(re.compile("Replace the existing tables")).check()
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("cell", name="hostile.csv", exact=True)).to_be_visible()
    assert {path.name for path in (panel.data_dir / "raw").iterdir()} == {"hostile.csv"}
    assert {path.name[23:] for path in (panel.data_dir / "replaced").iterdir()} >= before

    page.get_by_role("link", name="Run with another target").click()
    page.get_by_label("Ignored columns").fill(HOSTILE[2])
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_text("The log is complete.")).to_be_visible(timeout=RUN_MS)
    expect(page.locator("#run-title")).to_contain_text("succeeded")
    expect(page.locator(".plots")).to_contain_text("<img src=x")
    page.goto(f"{panel.url}/data")
    expect(page.get_by_role("rowheader", name=HOSTILE[0])).to_be_visible()
    page.goto(f"{panel.url}/models")
    page.goto(panel.url)
    assert page.locator("img, script:not([src])").count() == 0
    assert complaints == []


def test_upload_is_refused_with_a_reason_when_it_is_no_table(
    page: Page, panel: PanelProcess, complaints: list[str]
) -> None:
    page.goto(f"{panel.url}/data")
    page.get_by_label("File", exact=True).set_input_files({"name": "x.exe", "mimeType": "text/csv", "buffer": b"MZ"})
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("FILE-01")).to_be_visible()
    assert all("422" in complaint for complaint in complaints)
    complaints.clear()


@pytest.mark.parametrize("path", ["/", "/runs", "/services"])
def test_page_is_light_and_stands_still_when_it_is_opened_and_swapped(
    page: Page, panel: PanelProcess, path: str
) -> None:
    panel.wait_idle()
    panel.wait_services()  # news about them may move what stands beside
    page.add_init_script(
        """window.shifted = 0;
        new PerformanceObserver((list) => { for (const entry of list.getEntries()) shifted += entry.value; })
          .observe({type: "layout-shift", buffered: true});"""
    )
    page.goto(panel.url + path, wait_until="load")
    loaded = page.evaluate(
        """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
          .map((entry) => entry.decodedBodySize)"""
    )
    assert len(loaded) <= 10
    assert sum(loaded) < 150_000
    for part in page.locator("[data-poll-s]").all():
        with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
            part.evaluate("element => htmx.trigger(element, 'poll')")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    # 0.1 still counts as good; 0.024 was seen where the machine was busy.
    assert page.evaluate("shifted") < 0.03
