"""Reading a log: similar lines folded, a range in the address, options that stay; with the panel's own markup."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from app.panel.logs.line import LogLine
from app.panel.logs.views import LinesView, LogFilter, prepare_lines
from app.web.sse import format_event
from app.web.templating import create_environment, render_template
from tests.browser.conftest import RUN_MS, PanelProcess

pytestmark = pytest.mark.browser
AT = "2026-01-01T00:00:00.000+00:00"


def events(lines: list[tuple[str, str]], batch: int = 1) -> str:
    """Return a stream of these (level, text) lines from seq 101 on, `batch` an event."""
    log_lines = [LogLine(101 + i, AT, "train_model", 1, level, text) for i, (level, text) in enumerate(lines)]  # type: ignore[arg-type]
    ready, env = prepare_lines(log_lines, LogFilter(), {}), create_environment()
    parts = []
    for i in range(0, len(ready), batch):
        html = render_template(env, LinesView.TEMPLATE, LinesView(ready[i : i + batch]))
        parts.append(format_event("log", html, id=ready[min(i + batch, len(ready)) - 1].seq).decode())
    return "".join(parts)


def test_similar_lines_fold_while_they_come_and_errors_never_do(
    page: Page, panel: PanelProcess, complaints: list[str]
) -> None:
    panel.wait_idle()
    run = panel.api("/api/v1/runs", {"params": {"target": "late", "tuning_budget_s": 3, "tuning_max_trials": 1000}})
    lines = [("info", f"epoch {i} of 60: loss {1 / (i + 1)}") for i in range(60)]
    lines += [("info", "something else"), *[("debug", f"File {name}") for name in "abcde"], *[("error", "bad")] * 5]
    body = events(lines)

    def answer(route: Route) -> None:
        route.fulfill(content_type="text/event-stream", body=body)

    page.route("**/log/stream**", answer)
    page.goto(f"{panel.url}/runs/{run['number']}")
    expect(page.locator("#L171")).to_be_visible()
    expect(page.locator(".fold summary")).to_have_text(["59 similar lines", "4 debug lines"])
    expect(page.locator("[data-log-count]")).to_have_text("171 lines")
    expect(page.locator("#L160")).to_be_visible()
    expect(page.locator("#L159")).to_be_hidden()
    expect(page.locator(".line.error:visible")).to_have_count(5)
    page.locator(".fold summary").first.click()
    expect(page.locator("#L159")).to_be_visible()
    page.unroute("**/log/stream**")
    panel.wait_idle()
    complaints.clear()  # the browser reports the streams that the test has ended


def test_page_stays_small_when_a_stage_floods_its_log(page: Page, panel: PanelProcess, complaints: list[str]) -> None:
    panel.wait_idle()
    run = panel.api("/api/v1/runs", {"params": {"target": "late", "tuning_budget_s": 4, "tuning_max_trials": 1000}})
    words = [f"{a}{b}{c}" for a in "abcdefghijklmn" for b in "abcdefghij" for c in "abcdefghij"]
    same = [("info", f"step {i}") for i in range(3000)]
    body = events([*[("info", word) for _ in range(15) for word in words], *same], batch=200)
    page.route("**/log/stream**", lambda route: route.fulfill(content_type="text/event-stream", body=body))
    page.goto(f"{panel.url}/runs/{run['number']}")
    expect(page.locator(".fold summary")).to_have_text("2999 similar lines, the last 2000 shown", timeout=RUN_MS)
    assert page.locator(".log .line").count() <= 20_200
    expect(page.get_by_text("Earlier lines are not shown.")).to_have_count(1)
    page.unroute("**/log/stream**")
    panel.wait_idle()
    complaints.clear()  # the browser reports the streams that the test has ended


def test_range_is_marked_again_when_the_page_is_reloaded(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    if not panel.runs():
        panel.api("/api/v1/runs", {"params": {"target": "late"}})
        panel.wait_idle()
    number = panel.runs()[0]["number"]
    page.goto(f"{panel.url}/runs/{number}")
    page.locator("#L4 > a").click()
    page.locator("#L2 > a").click(modifiers=["Shift"])
    assert page.url.endswith("#L2-L4")
    page.reload()
    expect(page.locator(".line.here > a")).to_have_text(["2", "3", "4"])
    # From among the found lines a number leads to the line among its neighbours.
    page.goto(f"{panel.url}/runs/{number}?q=stage")
    first = page.locator(".log .line > a").nth(1)
    seq = first.inner_text()
    first.click()
    page.wait_for_url(re.compile(rf"at={seq}#L{seq}$"))
    expect(page.locator(".line.here > a")).to_have_text([seq])


def test_times_and_wrapping_stay_when_chosen(page: Page, panel: PanelProcess) -> None:
    panel.wait_idle()
    if not panel.runs():
        panel.api("/api/v1/runs", {"params": {"target": "late"}})
        panel.wait_idle()
    page.goto(f"{panel.url}/runs/{panel.runs()[0]['number']}")
    expect(page.locator("#L1 time")).to_be_visible()
    page.get_by_label("Times").select_option("since")
    page.get_by_label("Wrap").uncheck()
    expect(page.locator("#L1 .since")).to_have_text("+0:00.000")
    page.reload()
    expect(page.locator("#L1 .since")).to_be_visible()
    expect(page.locator("#L1 time")).to_be_hidden()
    expect(page.get_by_label("Wrap")).not_to_be_checked()
    page.get_by_role("button", name="Filter").click()
    assert "times=" not in page.url  # an old address must not overrule the next choice
