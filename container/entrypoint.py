"""Entry point of the container: finds out who owns the files and the Docker socket, and drops root.

Started as root it takes the uid and gid that own the data folder (so that files in it belong to the user), the group
of the socket as a supplementary group, hands the volumes to that user, and becomes the command. Root's own folder goes
to 10001. Secrets that only root may read are copied for that user. Inside a user namespace (rootless engine) root is nobody special already and owns what the user owns: it stays.
Started as anybody else it only becomes the command.
"""

import os
import shutil
import stat
import sys
from pathlib import Path

NOBODY_SPECIAL = 10001
SOCKET = Path("/var/run/docker.sock")
SECRETS = Path("/run/secrets")  # where Compose mounts them, with the owner and mode that they have outside
READABLE = Path("/tmp/secrets")  # noqa: S108 - the container's own memory


def main() -> None:
    """Does not return: the process becomes the command."""
    command = sys.argv[1:]
    if os.getuid() == 0 and not root_is_mapped():
        become(*owner(data_folder()))
    is_first = 1 in {os.getpid(), os.getppid()}  # not what `docker exec` runs beside it
    make_temporary_folder(is_emptied=is_first)
    os.umask(0o022)
    os.execvp(command[0], command)  # noqa: S606 - becomes the command that the image was given


def make_temporary_folder(*, is_emptied: bool) -> None:
    """Make TMPDIR where it is to be in the state volume, without what a killed panel left in it."""
    folder = Path(os.environ.get("TMPDIR", ""))
    if str(folder.parent) != os.environ.get("ML_PIPELINE_STATE"):
        return
    if is_emptied:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def data_folder() -> Path:
    """Return the bind mount with the user's tables."""
    return Path(os.environ.get("ML_PIPELINE_DATA", "/data"))


def root_is_mapped() -> bool:
    """Return True if uid 0 in the container is another user outside."""
    first = Path("/proc/self/uid_map").read_text("utf-8").split()
    return first[:2] != ["0", "0"]


def owner(folder: Path) -> tuple[int, int]:
    """Return the user to run as: the owner of `folder`, or 10001 where that is root or there is none."""
    try:
        status = folder.stat()
    except FileNotFoundError:
        return NOBODY_SPECIAL, NOBODY_SPECIAL
    return (status.st_uid, status.st_gid) if status.st_uid != 0 else (NOBODY_SPECIAL, NOBODY_SPECIAL)


def become(uid: int, gid: int) -> None:
    """Give that user the folders it writes to, then be that user for good."""
    data = data_folder()
    for folder in (data, data / "raw", data / "processed"):
        if folder.is_dir() and folder.stat().st_uid == 0:
            os.chown(folder, uid, gid)
    for volume in ("ML_PIPELINE_STATE", "ML_PIPELINE_MODELS"):
        hand_over(Path(os.environ.get(volume, "")), uid, gid)
    copy_secrets(uid, gid)
    os.setgroups(socket_groups())
    os.setgid(gid)
    os.setuid(uid)


def hand_over(volume: Path, uid: int, gid: int) -> None:
    """Make `uid` the owner of a volume and of all in it; where that is so already, costs one look at its top level.

    From the bottom up: cut short, the next start finds the top not handed over and does it again.
    """
    if not volume.is_absolute() or not volume.is_dir():
        return
    if all(path.lstat().st_uid == uid for path in (volume, *volume.iterdir())):
        return
    for folder, _, files in os.walk(volume, topdown=False):
        for name in files:
            os.chown(Path(folder, name), uid, gid, follow_symlinks=False)
        os.chown(folder, uid, gid)


def copy_secrets(uid: int, gid: int) -> None:
    """Give `uid` a copy of each secret that only root may read, and let the setting that names it name the copy."""
    for name, value in tuple(os.environ.items()):
        secret = Path(value)
        if secret.parent != SECRETS or not secret.is_file() or may_read(secret, uid, gid):
            continue
        copy = READABLE / secret.name
        if not copy.exists():
            READABLE.mkdir(mode=0o700, exist_ok=True)
            copy.touch(mode=0o600)
            copy.write_bytes(secret.read_bytes())
            for path in (copy, READABLE):
                os.chown(path, uid, gid)
        os.environ[name] = str(copy)


def may_read(file: Path, uid: int, gid: int) -> bool:
    """Return whether that user may read the file."""
    status = file.stat()
    allowed = stat.S_IRUSR if status.st_uid == uid else stat.S_IRGRP if status.st_gid == gid else stat.S_IROTH
    return bool(status.st_mode & allowed)


def socket_groups() -> list[int]:
    """Return the group that may use the Docker socket, if there is a socket."""
    try:
        status = SOCKET.stat()
    except OSError:
        return []
    return [status.st_gid] if stat.S_ISSOCK(status.st_mode) else []


if __name__ == "__main__":
    main()
