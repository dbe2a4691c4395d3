"""The files of a certificate, and what calls to our own servers accept."""

import http.client
import ssl
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from app.panel.services import http_client
from app.web.tls import TlsFiles, pinned_context, read_tls
from pipeline.core.problems import ProblemError
from tests.builders.certificates import Files, make_certificate
from tests.builders.raw_server import running


def folder(parent: Path, name: str) -> Path:
    path = parent / name
    path.mkdir()
    return path


def test_files_are_taken_when_they_are_a_certificate_and_its_key(tmp_path: Path) -> None:
    files = make_certificate(tmp_path)
    assert read_tls(files.cert, files.key) == TlsFiles(files.cert, files.key)
    assert read_tls(None, None) is None


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("only one", "PANEL_TLS_KEY cannot be used. It is not set"),
        ("only the other", "PANEL_TLS_CERT cannot be used. It is not set"),
        ("missing", "nowhere.pem: No such file or directory"),
        ("folder", ": Is a directory"),
        ("mismatch", "is not the key of"),
        ("passphrase", "has a passphrase"),
        ("no pem", "are not a certificate and its key in PEM format"),
        ("swapped", "are not a certificate and its key in PEM format"),
    ],
)
def test_one_line_says_what_is_wrong_when_files_cannot_be_used(tmp_path: Path, case: str, words: str) -> None:
    cert, key = make_certificate(tmp_path)
    other = make_certificate(folder(tmp_path, "other"), passphrase=b"secret" if case == "passphrase" else b"")
    (tmp_path / "text.pem").write_text("hello")
    given: tuple[Path | None, Path | None] = {
        "only one": (cert, None),
        "only the other": (None, key),
        "missing": (tmp_path / "nowhere.pem", key),
        "folder": (tmp_path, key),
        "mismatch": (cert, other.key),
        "passphrase": other,
        "no pem": (tmp_path / "text.pem", key),
        "swapped": (key, cert),
    }[case]
    with pytest.raises(ProblemError) as caught:
        read_tls(*given)
    assert caught.value.id == "CONF-04"
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def status(port: int, context: ssl.SSLContext) -> int:
    with closing(http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)) as connection:
        connection.request("GET", "/")
        return connection.getresponse().status


@pytest.mark.slow
@pytest.mark.parametrize("case", ["self-signed", "expired", "signed"])
def test_call_is_made_when_the_certificate_is_the_one_in_the_file(tmp_path: Path, case: str) -> None:
    authority = make_certificate(tmp_path, "authority") if case == "signed" else None
    files = make_certificate(tmp_path, is_expired=case == "expired", issuer=authority)
    with running(tls=read_tls(*files)) as site:
        context = pinned_context(files.cert)
        assert status(site.port, context) == 200
        url = f"https://127.0.0.1:{site.port}/"
        assert http_client.get(url, 10, context).status == 200
        assert httpx2.get(url, verify=context).status_code == 200
        assert "CERTIFICATE_VERIFY_FAILED" in http_client.get(url, 10).body
        assert http_client.get(f"http://127.0.0.1:{site.port}/", 10).status == 0


@pytest.mark.slow
def test_call_is_refused_when_the_certificate_is_another_of_the_same_name_or_signer(tmp_path: Path) -> None:
    authority = make_certificate(tmp_path, "authority")
    ours = make_certificate(folder(tmp_path, "ours"), issuer=authority)
    others: list[Files] = [
        make_certificate(folder(tmp_path, "signed"), issuer=authority),
        make_certificate(folder(tmp_path, "self-signed")),
    ]
    for other in others:
        with running(tls=read_tls(*other)) as site, pytest.raises(ssl.SSLCertVerificationError):
            status(site.port, pinned_context(ours.cert))


def test_context_is_refused_when_the_file_holds_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "text.pem").write_text("hello")
    for path in (tmp_path / "text.pem", tmp_path / "nowhere.pem"):
        with pytest.raises(ProblemError) as caught:
            pinned_context(path)
        assert caught.value.id == "CONF-04"
