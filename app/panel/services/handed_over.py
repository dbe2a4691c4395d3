"""Hands secrets to the services that need them, in files that only they see: the API's key, the key of the certificate.

What is in the environment of a container, or on its command line, everybody reads who may inspect it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.web.tls import TlsFiles
from pipeline.core.atomic_files import write_atomic
from pipeline.core.settings import ApiAccess, read

API_KEY_FILE: Final = "api_key"
CERTIFICATE_FILE: Final = "tls.crt"
CERTIFICATE_KEY_FILE: Final = "tls.key"


@dataclass(frozen=True)
class HandedOver:
    """The versions of what was handed over: another one whenever that is another, "" for nothing.

    Nothing about a secret can be learnt from its version.
    """

    api_key: str = ""
    certificate: str = ""


NOTHING: Final = HandedOver()


def read_api_key() -> str:
    """Return the key that the prediction API asks for; "" where there is none. Raises ProblemError (AUTH-07, CONF-01)."""
    return read(ApiAccess).bearer()


def hand_over_api_key(key: str, folder: Path) -> str:
    """Make `folder` hold the key, or nothing where it is "", readable by this user only. Return its version."""
    return _write(folder / API_KEY_FILE, key.encode())


def hand_over_certificate(tls: TlsFiles | None, folder: Path) -> str:
    """Make `folder` hold copies of both files, or nothing, readable by this user only. Return the version of the two."""
    files = {CERTIFICATE_FILE: tls and tls.cert, CERTIFICATE_KEY_FILE: tls and tls.key}
    versions = [_write(folder / name, path.read_bytes() if path else b"") for name, path in files.items()]
    return "-".join(filter(None, versions))


def version_of(tls: TlsFiles) -> str:
    """Return the version of a certificate that services read where it is: another one once it was renewed."""
    return "-".join(str(path.stat().st_mtime_ns) for path in (tls.cert, tls.key))


def _write(path: Path, content: bytes) -> str:
    if not content:
        path.unlink(missing_ok=True)
        return ""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)  # closes the moment in which the file is there and not yet private
    if not path.is_file() or path.read_bytes() != content:
        write_atomic(path, content)
    path.chmod(0o600)
    return str(path.stat().st_mtime_ns)
