"""The certificate that a file begins with."""

import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pipeline.core.certificates import first_certificate
from tests.builders.certificates import make_certificate


def test_certificate_is_the_first_one_when_its_issuer_follows(tmp_path: Path) -> None:
    authority = make_certificate(tmp_path, "authority")
    cert, _ = make_certificate(tmp_path, issuer=authority)
    expected = x509.load_pem_x509_certificate(cert.read_bytes()).fingerprint(hashes.SHA256())
    assert hashlib.sha256(first_certificate(cert)).digest() == expected
    assert first_certificate(cert) != first_certificate(authority.cert)


@pytest.mark.parametrize("text", ["", "hello", "-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n"])
def test_file_is_refused_when_it_holds_no_certificate(tmp_path: Path, text: str) -> None:
    (tmp_path / "text.pem").write_text(text)
    with pytest.raises(ValueError, match=r"."):
        first_certificate(tmp_path / "text.pem")
