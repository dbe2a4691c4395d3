"""Pages for what does not work, and the guard in front of the app."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from app.frontend.main import create_app
from app.frontend.settings import Settings
from bench.bundles import make_bundle
from bench.ports import free_port
from pipeline.core.manifest import Manifest
from pipeline.core.params import Task
from pipeline.core.problems import ProblemError
from pipeline.core.settings import read
from tests.app.frontend.conftest import Page, Served, app_running
from tests.app.prediction.conftest import running

pytestmark = pytest.mark.process
ROOT = Path(__file__).parent.parent.parent.parent


def test_the_page_waits_and_comes_back_when_there_is_no_model_yet(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    with running(tmp_path / "models") as api, app_running(f"http://127.0.0.1:{api.port}", tmp_path / "log") as app:
        for path in ("/", "/table"):
            response = app.get(path)
            assert response.status_code == 503
            assert response.headers["refresh"] == "3"
            assert "No model yet" in response.text
            assert 'href="http://localhost:8080/"' in response.text
        make_bundle(tmp_path / "models", version=1)
        api.wait_for(1)
        assert app.get().status_code == 200


def test_the_page_says_so_in_the_words_of_the_api_when_its_model_cannot_be_loaded(tmp_path: Path) -> None:
    built = make_bundle(tmp_path / "models")
    (built.folder / "model.onnx").unlink()
    with running(tmp_path / "models") as api, app_running(f"http://127.0.0.1:{api.port}", tmp_path / "log") as app:
        api.wait_until(lambda ready: ready["reload_failed"] > 0)
        response = app.get()
        assert (response.status_code, response.headers["refresh"]) == (503, "3")
        assert "API-22" in response.text
        assert "MODEL-02" in response.text
        assert "No model yet" not in response.text


def test_the_page_says_what_to_do_and_tries_again_when_the_api_is_down(tmp_path: Path) -> None:
    with app_running(f"http://127.0.0.1:{free_port()}", tmp_path / "log") as app:
        response = app.get()
        assert response.status_code == 502
        assert response.headers["refresh"] == "3"
        assert "APP-01" in response.text
        assert "curl http://127.0.0.1:" in response.text
        assert app.get("/livez").status_code == 200
        head = app.client.head("/livez")
        assert (head.status_code, head.content) == (200, b"")


def test_the_page_says_so_when_something_else_answers_in_place_of_the_api(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with app_running(nowhere, tmp_path / "one") as other, app_running(other.url, tmp_path / "two") as app:
        response = app.get()
        assert response.status_code == 502
        assert "APP-02" in response.text


def test_the_key_is_sent_and_never_shown_when_the_api_asks_for_one(tmp_path: Path) -> None:
    make_bundle(tmp_path / "models", version=1)
    (tmp_path / "key").write_text("s3cret-key\n")
    with running(tmp_path / "models", API_KEY="s3cret-key") as api:
        api.wait_for(1)
        url = f"http://127.0.0.1:{api.port}"
        with app_running(url, tmp_path / "with", API_KEY_FILE=str(tmp_path / "key"), APP_PUBLIC="true") as app:
            answer = app.get("/", **Page(app.get().text).form_values())
            assert "The model predicts" in answer.text
            assert "s3cret" not in answer.text
        with app_running(url, tmp_path / "without") as app:
            refused = app.get("/", **Page(app.get().text).form_values())
            assert refused.status_code == 502
            assert "APP-03" in refused.text


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/", 405)])
def test_a_page_with_an_id_comes_when_the_address_is_wrong(
    served: dict[Task, Served], method: str, path: str, status: int
) -> None:
    app = served["binary"].app
    response = app.client.request(method, path, headers={"Origin": app.url})
    assert response.status_code == status
    assert "APP-05" in response.text


class _Broken(httpx2.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        raise RuntimeError(f"secret {request.url}")


def test_a_page_without_details_comes_when_the_app_itself_fails() -> None:
    async def ask() -> httpx2.Response:
        transport = httpx2.ASGITransport(create_app(Settings(), _Broken()), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8501") as client:
            return await client.get("/")

    response = asyncio.run(ask())
    assert response.status_code == 500
    assert "APP-99" in response.text
    assert "secret" not in response.text


def test_a_foreign_page_cannot_use_the_app_when_it_sends_a_form(served: dict[Task, Served]) -> None:
    client = served["binary"].app.client
    assert client.post("/table", data={"text": "age\n1\n"}, headers={"Origin": "http://evil.test"}).status_code == 403
    assert client.get("/", headers={"Host": "evil.test"}).status_code == 421
    assert client.get("/livez", headers={"Host": "ml-app:8501"}).status_code == 200


def test_nothing_inline_is_on_a_page_when_the_policy_forbids_it(served: dict[Task, Served]) -> None:
    app = served["binary"].app
    pages = [app.get(), app.get("/", **Page(app.get().text).form_values()), app.get("/table"), app.get("/nowhere")]
    for response in pages:
        assert response.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        page = Page(response.text)
        assert not [tag for tag, attributes in page.tags if tag == "style" or "style" in attributes]
        assert not [tag for tag, attributes in page.tags if tag == "script" and not attributes.get("src")]
        assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
        links = [
            attributes.get("src") or attributes.get("href") or ""
            for tag, attributes in page.tags
            if tag in {"script", "link"}
        ]
        assert all(app.client.get(link).status_code == 200 for link in links)


def test_no_template_lifts_the_escaping_when_it_is_read() -> None:
    texts = [path.read_text("utf-8") for path in (ROOT / "templates/frontend").glob("*.html")]
    assert len(texts) > 5
    assert not [text for text in texts if re.search(r"\|\s*safe|autoescape|Markup", text)]


@pytest.mark.parametrize(("name", "value"), [("APP_PORT", "eighty"), ("PANEL_URL", "javascript:alert(1)")])
def test_the_variable_is_named_when_the_environment_makes_no_sense(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ProblemError, match=name) as caught:
        read(Settings)
    assert caught.value.id == "CONF-01"


class _Restless(httpx2.AsyncBaseTransport):
    """An API whose model is another one each time somebody looks."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._version = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/model":
            self._version += 1
            live = self._manifest.model_copy(update={"version": self._version})
            return httpx2.Response(200, content=live.model_dump_json())
        await request.aread()
        return httpx2.Response(200, content=b"age,prediction,probability,error\n40,0,0.1,\n")


def test_no_table_of_two_models_is_given_when_the_model_keeps_changing(tmp_path: Path) -> None:
    manifest = make_bundle(tmp_path, task="binary").manifest

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(create_app(Settings(), _Restless(manifest)))
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost:8501") as client:
            return await client.post("/table", data={"text": "age\n40\n"}, headers={"Origin": "http://localhost:8501"})

    response = asyncio.run(send())
    assert response.status_code == 409
    assert "APP-09" in response.text
