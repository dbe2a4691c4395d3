"""Hands the key of the prediction API to the services that need it: in a file, which only they see.

What is in the environment of a container, or on its command line, everybody reads who may inspect it.
"""

from pathlib import Path
from typing import Final

from pipeline.core.atomic_files import write_atomic
from pipeline.core.settings import ApiAccess, read

FILE: Final = "api_key"


def read_api_key() -> str:
    """Return the key that the prediction API asks for; "" where there is none. Raises ProblemError (AUTH-07, CONF-01)."""
    return read(ApiAccess).bearer()


def hand_over(key: str, folder: Path) -> str:
    """Make `folder` hold the key, or nothing where it is "", readable by this user only.

    Return its version: another one whenever the key is another, "" without a key. Nothing about the key can be learnt
    from it.
    """
    path = folder / FILE
    if not key:
        path.unlink(missing_ok=True)
        return ""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # closes the moment in which the file is there and not yet private
    if not path.is_file() or path.read_text("utf-8") != key:
        write_atomic(path, key.encode())
    path.chmod(0o600)
    return str(path.stat().st_mtime_ns)
