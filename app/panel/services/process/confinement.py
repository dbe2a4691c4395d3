"""What a service that writes files may do as a child process: work in its own folder, and as another user than root.

Only MLflow writes files, and what it does is up to whoever may log to it.
"""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from app.panel.services.protocol import ServiceSpec
from app.processes.child import CODE_DIR

# Of no account, and outside of what systems give to accounts (up to 60000) and to services (from 61184).
USER_ID: Final = 60617
# The kernel limits what a process has allocated, used or not, such as 8 MB for each thread's stack.
ALLOCATED_PER_USED: Final = 2
_PROBE: Final = """
import importlib.util, os, sys
for name in ("app", "mlflow", "starlette", "uvicorn"):
    open(importlib.util.find_spec(name).origin, "rb").close()
os.stat(sys.argv[1])
for path in sys.argv[2:]:
    os.listdir(path) if os.path.isdir(path) else open(path, "rb").close()
"""
_PROBE_S: Final = 20.0


def own_folder(spec: ServiceSpec) -> Path | None:
    """Return the folder that the service may write; None if there is none."""
    return next((Path(mount.path) for mount in spec.mounts if not mount.read_only), None)


def own_environment(folder: Path) -> dict[str, str]:
    """Return the variables with which a service works in its folder, and finds our packages, and none of its own there."""
    temporary = folder / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # of the service that was here before, and may have been killed
    temporary.mkdir(mode=0o700, exist_ok=True)
    if is_root():
        owner = folder.stat()
        os.chown(temporary, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return {"HOME": str(folder), "TMPDIR": str(temporary), "PYTHONPATH": _code_path(), "PYTHONSAFEPATH": "1"}


def user_for(spec: ServiceSpec) -> int:
    """Return the user that the service becomes, and make its folder that user's: 0, the present one, unless we are root.

    Also 0 for a service that writes nothing, and where that user could not read what the service needs, such as a
    virtual environment below /root.
    """
    folder = own_folder(spec)
    if folder is None or not is_root():
        return 0
    mode = stat.S_IMODE(folder.parent.stat().st_mode)
    if not mode & stat.S_IXOTH:
        # Through the panel's private folder to its own; to see or to write nothing else there.
        os.chown(folder.parent, -1, USER_ID)
        folder.parent.chmod(mode | stat.S_IXGRP)
    user_id = USER_ID if can_change_user(spec) else 0
    if user_id == 0:
        folder.parent.chmod(mode)
    _hand_over(folder, user_id)
    return user_id


def is_root() -> bool:
    """Return whether services would run as root."""
    return sys.platform == "linux" and os.geteuid() == 0


def can_change_user(spec: ServiceSpec) -> bool:
    """Return whether another user reaches the interpreter, its libraries, our code and what the service reads. Root only."""
    folder = own_folder(spec)
    if folder is None:
        return False
    try:
        done = subprocess.run(
            [spec.argv[0], "-P", "-c", _PROBE, str(folder), *_read_by(spec, folder)],
            user=USER_ID,
            group=USER_ID,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": _code_path()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _code_path() -> str:
    return os.pathsep.join(filter(None, (str(CODE_DIR), os.environ.get("PYTHONPATH"))))


def _read_by(spec: ServiceSpec, folder: Path) -> Iterable[str]:
    yield from (mount.path for mount in spec.mounts if mount.read_only)
    for value in (*spec.argv[1:], *spec.env.values()):
        path = Path(value)
        if path.is_absolute() and not path.is_relative_to(folder):
            yield value if path.exists() else str(path.parent)


def _hand_over(folder: Path, user_id: int) -> None:
    """Give the folder with all in it to the user; it is itself the last, so that what was cut off is done again."""
    if folder.stat().st_uid == user_id:
        return
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)  # noqa: PTH118  # as many as there are artifacts
            # A file with a second name might be somebody else's.
            if os.lstat(path).st_nlink == 1 or name in folders:
                os.chown(path, user_id, user_id, follow_symlinks=False)
    os.chown(folder, user_id, user_id)
