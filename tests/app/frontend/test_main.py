"""The process of the app stays small, and is no way around the key of the API."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from app.frontend.client import PredictionApi
from app.frontend.form import input_texts
from app.frontend.settings import Settings
from app.web.access import FILE, Access, SessionAccess, TokenAccess, digest, session_digest
from bench.bundles import Built, make_bundle
from tests.app.frontend.conftest import Page, app_running
from tests.app.prediction.conftest import Api, running

pytestmark = pytest.mark.process
ROOT = Path(__file__).parent.parent.parent.parent


class Locked(NamedTuple):
    """An API with a key, and the folder of the access list."""

    folder: Path
    api: Api
    built: Built


def test_it_stays_light_when_it_is_imported() -> None:
    code = "import sys, app.frontend.main; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert set(loaded.split()) & {"numpy", "onnxruntime", "pandas", "sklearn", "sqlmodel", "mlflow"} == set()


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """Yield an API with a key, and an access list with one session at the app and one token."""
    folder = tmp_path_factory.mktemp("locked")
    built = make_bundle(folder / "models", version=1)
    session = SessionAccess("app", "anna", "viewer", "password", time.time(), time.time() + 3600, is_long=True)
    access = Access(
        {
            digest("read-token"): TokenAccess("ci", ("app",), "viewer"),
            digest("may-predict"): TokenAccess("ci", ("api",), None),
        },
        {session_digest(digest("s"), "g"): session},
    )
    (folder / FILE).write_bytes(access.to_json())
    with running(folder / "models", API_KEY="s3cret-key", ML_PIPELINE_ACCESS=str(folder)) as api:
        api.wait_for(1)
        yield Locked(folder, api, built)


def env(locked: Locked, **more: str) -> dict[str, str]:
    return {"API_KEY": "s3cret-key", "ML_PIPELINE_ACCESS": str(locked.folder), **more}


def test_stranger_sees_and_predicts_nothing_when_the_api_has_a_key(locked: Locked) -> None:
    with app_running(f"http://127.0.0.1:{locked.api.port}", locked.folder / "app", **env(locked)) as app:
        page = app.client.get("/", headers={"Accept": "text/html"})
        assert (page.status_code, urlsplit(page.headers["location"]).path) == (303, "/enter/app")
        for method, path in (("GET", "/"), ("POST", "/"), ("GET", "/table"), ("POST", "/table"), ("GET", "/nowhere")):
            answer = app.client.request(method, path, headers={"Origin": app.url})
            assert (answer.status_code, answer.json()["id"]) == (401, "WEB-20")
        assert app.get("/livez").status_code == 200
        port = app.url.rpartition(":")[2]
        app.client.cookies.clear()
        app.client.cookies.set(f"app_session_{port}", "s.g")
        assert "Predict" in app.get().text
        app.client.cookies.clear()
        assert "Predict" in app.client.get("/", headers={"Authorization": "Bearer read-token"}).text


def test_public_app_shows_typical_values_and_no_row_of_the_table(locked: Locked) -> None:
    url = f"http://127.0.0.1:{locked.api.port}"
    with app_running(url, locked.folder / "public", **env(locked, APP_PUBLIC="true")) as app:
        page = Page(app.get().text)
        shown = page.form_values()
    typical = input_texts(
        locked.built.manifest, {feature.name: feature.typical for feature in locked.built.manifest.features}
    )
    assert {name.removeprefix("x."): text for name, text in shown.items() if name.startswith("x.")} == typical
    assert all(golden.record != typical for golden in locked.built.manifest.golden)


def test_rows_of_strangers_are_no_live_data_when_the_app_is_public(locked: Locked) -> None:
    """What comes with the key decides about runs and rollbacks; anybody may use this app."""
    url = f"http://127.0.0.1:{locked.api.port}"
    key = {"Authorization": "Bearer s3cret-key"}

    async def predict(*, is_public: bool) -> int:
        before: int = locked.api.client.get("/stats", headers=key).json()["n"]
        api = PredictionApi(Settings(api_url=url, api_key=SecretStr("s3cret-key"), is_public=is_public))
        await api.predict({})
        await api.table(b"age\n40\n")
        await api.close()
        after: int = locked.api.client.get("/stats", headers=key).json()["n"]
        return after - before

    assert asyncio.run(predict(is_public=True)) == 0
    assert asyncio.run(predict(is_public=False)) == 2


def test_api_takes_a_token_for_predictions_beside_its_key(locked: Locked) -> None:
    statuses = {
        token: locked.api.predict({}, Authorization=f"Bearer {token}").status_code
        for token in ("s3cret-key", "may-predict", "read-token", "nothing")
    }
    assert statuses == {"s3cret-key": 200, "may-predict": 200, "read-token": 401, "nothing": 401}


def test_no_row_of_the_table_is_in_what_the_api_tells_strangers(locked: Locked) -> None:
    document = locked.api.client.get("/openapi.json").text
    example = {feature.name: feature.typical for feature in locked.built.manifest.features}
    assert json.dumps(example, separators=(",", ":"), ensure_ascii=False) in document
    for golden in locked.built.manifest.golden:
        assert json.dumps(golden.record, separators=(",", ":"), ensure_ascii=False) not in document
