"""TLS from two files: what a server presents, and what the panel's own calls accept of it."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.core.certificates import first_certificate
from pipeline.core.settings_problems import UnusableTlsError

# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which Python has no name for.
_NO_CHECK_TIME: Final = 0x200000


@dataclass(frozen=True)
class TlsFiles:
    """A certificate (PEM, with the intermediate ones behind it) and its private key (PEM, without a passphrase)."""

    cert: Path
    key: Path


def read_tls(cert: Path | None, key: Path | None) -> TlsFiles | None:
    """Return the files, or None where neither is set. Raises UnusableTlsError unless a server can start with them."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise UnusableTlsError("PANEL_TLS_CERT" if cert is None else "PANEL_TLS_KEY", "It is not set; the other one is")
    _check_readable("PANEL_TLS_CERT", cert)
    _check_readable("PANEL_TLS_KEY", key)
    has_passphrase = False

    def passphrase() -> str:
        # Without a function, OpenSSL would ask for it on the terminal.
        nonlocal has_passphrase
        has_passphrase = True
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password=passphrase)
    except (OSError, ValueError) as error:
        reason = f"{cert} and {key} are not a certificate and its key in PEM format"
        if has_passphrase:
            reason = f"{key} has a passphrase"
        elif getattr(error, "reason", "") == "KEY_VALUES_MISMATCH":
            reason = f"{key} is not the key of {cert}"
        raise UnusableTlsError("PANEL_TLS_CERT or PANEL_TLS_KEY", reason) from error
    return TlsFiles(cert.absolute(), key.absolute())


def pinned_context(cert: Path) -> ssl.SSLContext:
    """Return a context for calls to a server of ours: it accepts the first certificate in `cert`, and no other.

    Under whatever host name it is reached, because the panel calls by address, and also after it has expired, which is
    for people to see and no reason to restart services. Raises UnusableTlsError.
    """
    _check_readable("PANEL_TLS_CERT", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # The certificate itself is what is trusted, whoever has signed it.
    context.verify_flags = ssl.VerifyFlags(ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME)
    try:
        context.load_verify_locations(cadata=first_certificate(cert))
    except (OSError, ValueError) as error:
        raise UnusableTlsError("PANEL_TLS_CERT", f"{cert} is not a certificate in PEM format") from error
    return context


def _check_readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise UnusableTlsError(setting, f"{path}: {error.strerror}") from error
