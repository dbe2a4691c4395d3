"""The certificate of a server of ours, by which callers know it: the first one in the file that the server presents."""

import ssl
from pathlib import Path
from typing import Final

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_END: Final = "-----END CERTIFICATE-----"


def first_certificate(path: Path) -> bytes:
    """Return the first certificate of a PEM file, as DER. Raises ValueError where there is none, OSError."""
    text, end, _ = path.read_text("latin-1").partition(_END)
    return ssl.PEM_cert_to_DER_cert(text[text.index(_BEGIN) :] + end + "\n")
