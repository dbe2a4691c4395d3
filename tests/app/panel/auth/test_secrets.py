"""Secrets are checked at start: a weak one never guards anything."""

from pathlib import Path

import pytest

from app.panel.auth.secrets import check_api_key, check_password, read_api_token, read_password
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError


def test_there_is_no_password_when_none_is_set() -> None:
    assert (read_password(Settings()), read_api_token(Settings())) == (None, None)


def test_password_comes_from_the_file_when_both_are_set(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    assert read_password(Settings(password="another long one", password_file=file)) == "correct horse battery"


@pytest.mark.parametrize(
    "weak",
    ["short", "password1", "Airflow123", "automated-ml-pipeline", "aaaaaaaaaaaa", "passwordpassword", "hunter2hunter2"],
)
def test_weak_password_is_refused_when_set(weak: str) -> None:
    with pytest.raises(ProblemError) as caught:
        check_password(weak)
    assert caught.value.id == "AUTH-05"


@pytest.mark.parametrize("strong", ["correct horse battery", "pigeon-lamp-91-violet", "x9#Lq2!vRt"])
def test_password_is_taken_when_it_is_long_or_hard_to_guess(strong: str) -> None:
    check_password(strong)


@pytest.mark.parametrize("weak", ["0123456789", "0123456789abcdef", "passwordpassword"])
def test_weak_token_is_refused_when_set(weak: str) -> None:
    with pytest.raises(ProblemError) as caught:
        read_api_token(Settings(api_token=weak))
    assert caught.value.id == "AUTH-06"


def test_weak_key_of_the_api_is_refused_when_set() -> None:
    check_api_key("")
    check_api_key("kZ3v9Qw2xLr7TfB1nMpQ")
    with pytest.raises(ProblemError) as caught:
        check_api_key("s3cret")
    assert (caught.value.id, caught.value.what) == ("AUTH-06", "API_KEY is too weak.")


@pytest.mark.parametrize("settings", [Settings(password=" "), Settings(password_file=Path("/nowhere/at/all"))])
def test_secret_is_refused_when_empty_or_unreadable(settings: Settings) -> None:
    with pytest.raises(ProblemError) as caught:
        read_password(settings)
    assert caught.value.id == "AUTH-07"
    assert "PANEL_PASSWORD" in str(caught.value)
