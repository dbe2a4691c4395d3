"""Static files: what is vendored is what was vendored, and no page needs anything from elsewhere or inline."""

import hashlib
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from app.web.assets import STATIC_DIR, Assets, asset_url
from app.web.templating import TEMPLATES_DIR

TEMPLATES = sorted(TEMPLATES_DIR.rglob("*.html"))


def test_vendored_file_is_unchanged_when_compared_with_its_sum() -> None:
    vendor = STATIC_DIR / "vendor"
    sums = {
        file.parent / name: digest
        for file in vendor.rglob("SHA256SUMS")
        for digest, name in (line.split() for line in file.read_text().splitlines())
    }
    assert set(sums) == {path for path in vendor.rglob("*") if path.is_file() and path.name != "SHA256SUMS"}
    for path, digest in sums.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_has_nothing_inline_and_nothing_foreign_when_read(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|hx-on|javascript:", text)
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", text)
    assert not re.search(r"\|\s*safe\b|Markup|autoescape\s+false", text)


def test_markup_is_made_in_three_places_when_code_is_searched() -> None:
    files = [*(STATIC_DIR.parent / "app/panel").rglob("*.py"), *(STATIC_DIR.parent / "app/web").rglob("*.py")]
    makers = {
        path.relative_to(STATIC_DIR.parent).as_posix()
        for path in files
        if re.search(r"\bMarkup\(", path.read_text("utf-8"))
    }
    # Plots, lines of output, and names with places to break.
    assert makers == {"app/panel/runs/web/results.py", "app/web/ansi.py", "app/web/formats.py"}


def test_asset_is_kept_for_ever_only_when_its_address_has_the_digest() -> None:
    app = FastAPI()
    app.mount("/static", Assets())
    client = TestClient(app)
    assert "immutable" in client.get(asset_url("css/app.css")).headers["cache-control"]
    assert client.get("/static/css/app.css").headers["cache-control"] == "no-cache"
    with pytest.raises(FileNotFoundError):
        asset_url("css/missing.css")
