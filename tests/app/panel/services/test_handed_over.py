"""The API's key and the certificate reach the services as files."""

import os
import stat
from pathlib import Path

import pytest

from app.panel.services.handed_over import (
    API_KEY_FILE,
    CERTIFICATE_FILE,
    CERTIFICATE_KEY_FILE,
    hand_over_api_key,
    hand_over_certificate,
    read_api_key,
    version_of,
)
from app.web.tls import TlsFiles
from pipeline.core.settings_problems import UnusableSecretError
from tests.builders.certificates import make_certificate


def test_the_key_is_read_where_the_api_reads_it_when_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("from file\n")
    assert read_api_key() == ""
    monkeypatch.setenv("API_KEY", "plain")
    assert read_api_key() == "plain"
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "key"))
    assert read_api_key() == "from file"


def test_the_panel_does_not_start_when_the_key_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(UnusableSecretError, match="API_KEY_FILE"):
        read_api_key()


def test_only_the_panels_user_reads_the_key_when_it_was_handed_over(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o755)
    hand_over_api_key("a-key", folder)
    assert (folder / API_KEY_FILE).read_text() == "a-key"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / API_KEY_FILE)] == [0o700, 0o600]


def test_the_version_is_another_only_when_the_key_is_another(tmp_path: Path) -> None:
    first = hand_over_api_key("a-key", tmp_path)
    assert hand_over_api_key("a-key", tmp_path) == first
    second = hand_over_api_key("another-key", tmp_path)
    assert len({"", first, second}) == 3


def test_nothing_is_left_when_there_is_no_key_any_more(tmp_path: Path) -> None:
    hand_over_api_key("a-key", tmp_path)
    assert hand_over_api_key("", tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
    assert hand_over_api_key("", tmp_path / "never-made") == ""


def test_containers_read_the_certificate_that_the_panel_was_given_last(tmp_path: Path) -> None:
    folder = tmp_path / "access"
    tls = TlsFiles(*make_certificate(tmp_path))
    first = hand_over_certificate(tls, folder)
    copies = folder / CERTIFICATE_FILE, folder / CERTIFICATE_KEY_FILE
    assert [copy.read_bytes() for copy in copies] == [tls.cert.read_bytes(), tls.key.read_bytes()]
    assert {stat.S_IMODE(copy.stat().st_mode) for copy in copies} == {0o600}
    assert hand_over_certificate(tls, folder) == first

    make_certificate(tmp_path)  # renewed
    assert hand_over_certificate(tls, folder) not in {"", first}
    assert copies[1].read_bytes() == tls.key.read_bytes()
    assert hand_over_certificate(None, folder) == ""
    assert list(folder.iterdir()) == []


def test_the_version_is_another_when_a_certificate_was_renewed_where_it_is(tmp_path: Path) -> None:
    files = TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")
    for path in (files.cert, files.key):
        path.write_text("first")
    before = version_of(files)
    assert version_of(files) == before
    os.utime(files.cert, ns=(1, 1))
    assert version_of(files) != before
