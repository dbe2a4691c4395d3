"""Secrets are checked at start: a weak one never guards anything."""

from pathlib import Path

import pytest

from app.panel.auth.secrets import derive_key, read_api_token, read_password
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError


def test_there_is_no_password_when_none_is_set() -> None:
    assert (read_password(Settings()), read_api_token(Settings()), derive_key(None)) == (None, None, b"")


def test_password_comes_from_the_file_when_both_are_set(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    assert read_password(Settings(password="another long one", password_file=file)) == "correct horse battery"


@pytest.mark.parametrize("weak", ["short", "password1", "Airflow123", "automated-ml-pipeline"])
def test_weak_password_is_refused_when_set(weak: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read_password(Settings(password=weak))
    assert caught.value.id == "AUTH-05"


def test_short_token_is_refused_when_set() -> None:
    with pytest.raises(ProblemError) as caught:
        read_api_token(Settings(api_token="0123456789"))
    assert caught.value.id == "AUTH-06"


@pytest.mark.parametrize("settings", [Settings(password=" "), Settings(password_file=Path("/nowhere/at/all"))])
def test_secret_is_refused_when_empty_or_unreadable(settings: Settings) -> None:
    with pytest.raises(ProblemError) as caught:
        read_password(settings)
    assert caught.value.id == "AUTH-07"
    assert "PANEL_PASSWORD" in str(caught.value)
