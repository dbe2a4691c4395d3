"""One click takes a table through the four stages into service; what the pages show is what happened."""

import json
import re
import urllib.request

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from tests.browser.conftest import RUN_MS, PanelProcess, watch

pytestmark = pytest.mark.browser


def lines(page: Page) -> list[int]:
    """Return the numbers of the log's lines on the page, in order."""
    return [int(text) for text in page.locator(".log .line > a").all_text_contents()]


def start(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    page.goto(panel.url)
    page.get_by_role("button", name="Run pipeline", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))


def test_model_is_live_and_answers_when_the_button_was_clicked_once(page: Page, panel: PanelProcess) -> None:
    start(page, panel)
    expect(page.locator(".log .line").first).to_be_visible()
    expect(page.locator("#run-title")).to_contain_text("succeeded", timeout=RUN_MS)
    expect(page.locator(".stage.is-succeeded")).to_have_count(4)
    expect(page.get_by_text("The log is complete.")).to_be_visible()
    expect(page.locator(".plots svg").first).to_be_visible()

    # What followed live, what a reload shows and what the file holds are the same lines.
    live = lines(page)
    number = page.url.rsplit("/", 1)[-1]
    stored = panel.log(int(number))
    assert live == [line["seq"] for line in stored] == list(range(1, len(stored) + 1))
    page.reload()
    assert lines(page) == live
    assert page.locator(".log .text").all_text_contents() == [line["text"] for line in stored]

    page.goto(panel.url)
    expect(page.get_by_text("Up to date")).to_be_visible()
    expect(page.locator("#health")).to_contain_text("All healthy", timeout=RUN_MS)
    page.goto(f"{panel.url}/models")
    expect(page.locator("tr.live")).to_contain_text("live")

    api = f"http://127.0.0.1:{panel.ports['API_PORT']}"
    body = json.dumps({"age": 44, "income": 2000, "city": "a"}).encode()
    request = urllib.request.Request(f"{api}/predict", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert set(json.load(answer)) >= {"prediction", "probability", "threshold", "model_version"}


def test_app_answers_under_another_name_when_a_model_is_live(
    page: Page, panel: PanelProcess, context: BrowserContext
) -> None:
    page.goto(panel.url)
    link = page.get_by_role("link", name="Try it")
    if link.count() == 0:
        start(page, panel)
        expect(page.locator("#run-title")).to_contain_text("succeeded", timeout=RUN_MS)
        page.goto(panel.url)
    href = link.get_attribute("href") or ""
    # Ports share cookies, names do not: the panel's session must not reach its services.
    assert href == f"http://localhost:{panel.ports['APP_PORT']}/"
    assert [c for c in context.cookies([href]) if c.get("name", "").startswith("panel_session")] == []
    assert [c for c in context.cookies([panel.url]) if c.get("name", "").startswith("panel_session")] != []
    page.goto(href)
    page.get_by_role("button", name=re.compile("predict", re.IGNORECASE)).first.click()
    expect(page.locator("main")).to_contain_text(re.compile(r"probability|version", re.IGNORECASE))


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_mlflow_opens_without_another_login_by_either_name_of_this_machine(
    page: Page, panel: PanelProcess, context: BrowserContext, name: str
) -> None:
    panel.wait_services()
    port = panel.ports["MLFLOW_PORT"]
    other = context.new_page()  # MLflow's own pages ask for closed routes, and say so on the console
    other.goto(f"http://{name}:{port}/")
    expect(other).to_have_title(re.compile("MLflow"), timeout=RUN_MS)
    # Not under the name of the panel, whose cookie would reach it.
    assert other.url.startswith(f"http://localhost:{port}/")
    context.clear_cookies(name=re.compile("panel_session.*"))
    other.reload()
    expect(other).to_have_title(re.compile("MLflow"), timeout=RUN_MS)


def test_one_run_starts_when_the_button_is_clicked_twice(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    before = panel.runs()[0]["number"] if panel.runs() else 0
    page.goto(panel.url)
    page.get_by_role("button", name="Run pipeline", exact=True).dblclick()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    assert panel.runs()[0]["number"] == before + 1
    panel.wait_idle()


def test_run_ends_when_it_is_cancelled_in_the_dialog(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    number = panel.api(
        "/api/v1/runs", {"params": {"target": "late", "tuning_budget_s": 300, "tuning_max_trials": 1000}}
    )["number"]
    page.goto(f"{panel.url}/runs/{number}")
    expect(page.locator(".stage.is-running", has_text="Train model")).to_be_visible(timeout=RUN_MS)
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Train model")
    # An answer that was under way when the dialog opened must not close it.
    with page.expect_response(f"**/runs/{number}"):
        page.evaluate("htmx.trigger(document.getElementById('run'), 'poll')")
    page.evaluate("new Promise(done => setTimeout(done, 50))")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Keep it running").click()
    expect(dialog).not_to_be_visible()
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("#run-title")).to_contain_text("cancelled")
    expect(page.get_by_text("The log is complete.")).to_be_visible()


def test_log_has_no_gap_and_no_repeat_when_streams_are_cut(
    page: Page, panel: PanelProcess, complaints: list[str]
) -> None:
    panel.wait_idle()
    number = panel.api("/api/v1/runs", {"params": {"target": "late", "tuning_budget_s": 4, "tuning_max_trials": 1000}})[
        "number"
    ]
    streams = []

    def cut(route: Route) -> None:
        streams.append(route.request.url)
        route.abort()

    page.route("**/log/stream**", cut)
    page.goto(f"{panel.url}/runs/{number}")
    # Without a stream the page asks for the same lines; the cursor is the same.
    expect(page.get_by_text("The log is complete.")).to_be_visible(timeout=RUN_MS)
    numbers = lines(page)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == len(panel.log(number))
    assert streams
    complaints.clear()  # the browser reports each stream that the test cut


def test_schedule_stops_and_goes_on_when_paused_and_resumed(page: Page, panel: PanelProcess) -> None:
    page.goto(panel.url)
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_text("The schedule is paused")).to_be_visible()
    assert panel.api("/api/v1/schedule")["paused"] is True
    page.get_by_role("button", name="Resume", exact=True).click()
    expect(page.locator("time[data-left]").first).to_contain_text(re.compile(r"in \d+:\d\d"))
    page.get_by_text("Change interval").click()
    page.get_by_label("Every").fill("20")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("every 20 min")).to_be_visible()
    assert panel.api("/api/v1/schedule")["interval_s"] == 1200


def test_everything_works_when_scripts_are_off(browser: Browser, panel: PanelProcess) -> None:
    panel.wait_idle()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(panel.login_url)
    page.get_by_role("button", name="Run pipeline", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    panel.wait_idle()
    page.reload()
    expect(page.locator(".stage.is-succeeded")).to_have_count(4)
    expect(page.locator(".log .line").last).to_be_visible()
    page.get_by_role("link", name="Rerun with changes").click()
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    panel.wait_idle()
    page.reload()
    expect(page.locator("#run-title")).to_contain_text("succeeded")
    context.close()


def test_nobody_gets_in_when_not_logged_in(browser: Browser, panel: PanelProcess) -> None:
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    watch(page, complaints)
    page.goto(f"{panel.url}/models")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert page.url == f"{panel.url}/login?next=%2Fmodels"
    page.goto(panel.login_url)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto(panel.url)
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert complaints == []
    context.close()
