"""The prediction API in a real browser: its own page can predict, pages of other origins cannot."""

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from bench.bundles import make_bundle
from tests.app.prediction.conftest import Api, running
from tests.browser.conftest import watch

pytestmark = pytest.mark.browser

# All that a page can send without a preflight, and two requests that need one.
ATTACK = """async (url) => {
  const body = '{"age": 40}';
  const send = (type, more) => fetch(url, {
    method: "POST", mode: "no-cors", credentials: "include", body: new Blob([body], {type}), ...more,
  }).catch(() => 0);
  for (const type of ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
    await send(type);
    await send(type, {referrerPolicy: "no-referrer"});
  }
  await send("", {mode: "cors", headers: {"Content-Type": "application/json"}});
  await send("", {mode: "cors", headers: {"Inference-Header-Content-Length": "11"}});
  navigator.sendBeacon(url, new Blob([body], {type: "text/plain"}));
  const frame = Object.assign(document.createElement("iframe"), {name: "target"});
  const form = Object.assign(document.createElement("form"), {
    method: "post", action: url, enctype: "text/plain", target: "target",
  });
  const field = Object.assign(document.createElement("input"), {name: '{"age": 40, "x', value: '": 1}'});
  form.append(field);
  document.body.append(frame, form);
  const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
  form.submit();
  await loaded;
}"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    models = tmp_path_factory.mktemp("docs") / "models"
    make_bundle(models)
    with running(models) as started:
        started.wait_for(1)
        yield started


@pytest.fixture(scope="module")
def foreign_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Yield the port of a site that has nothing to do with the API."""
    folder: Path = tmp_path_factory.mktemp("foreign")
    (folder / "index.html").write_text("<!doctype html><title>Foreign</title><body></body>")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def n_live_rows(api: Api) -> int:
    n: int = api.client.get("/stats").json()["n"]
    return n


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_its_own_page_predicts_when_somebody_tries_it(
    context: BrowserContext, api: Api, complaints: list[str], host: str
) -> None:
    before = n_live_rows(api)
    page = context.new_page()
    watch(page, complaints)
    page.goto(f"http://{host}:{api.port}/docs")
    page.locator("#operations-prediction-predict .opblock-summary-control").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    expect(page.locator(".live-responses-table")).to_contain_text("model_version")
    assert n_live_rows(api) == before + 1
    assert complaints == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["same-site", "cross-site"])
@pytest.mark.parametrize("path", ["/predict", "/predict/csv", "/invocations"])
def test_no_row_counts_when_a_page_of_another_origin_sends_it(
    context: BrowserContext, api: Api, foreign_port: int, host: str, path: str
) -> None:
    before = n_live_rows(api)
    page = context.new_page()
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status) if path in response.url else None)
    page.goto(f"http://{host}:{foreign_port}/")
    page.evaluate(ATTACK, f"http://127.0.0.1:{api.port}{path}")
    page.close()
    assert n_live_rows(api) == before
    assert statuses.count(403) >= 9, statuses
    assert not [status for status in statuses if status < 400]
