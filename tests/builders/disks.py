"""Small disks of their own, really mounted: full, without inodes, read-only."""

import os
import subprocess
from pathlib import Path


class SmallDisk:
    """A tmpfs at `folder`, mounted until `unmount`. Root only; raises CalledProcessError where nothing can be mounted."""

    def __init__(self, folder: Path, size: str = "1m", inodes: int = 1000) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes},mode=0700", "tmpfs")

    def fill(self) -> None:
        """Leave no byte."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            for block_bytes in (2**16, 4096):
                try:
                    while file.write(bytes(block_bytes)):
                        pass
                except OSError:
                    continue

    def use_up_inodes(self) -> None:
        """Leave room for no file, however small."""
        fillers = self.folder / "fillers"
        fillers.mkdir()
        try:
            for i in range(10**6):
                (fillers / str(i)).touch()
        except OSError:
            return

    def free(self) -> None:
        """Remove what filled it."""
        subprocess.run(["rm", "-rf", self.folder / "filler", self.folder / "fillers"], check=True)

    def make_read_only(self, *, on: bool = True) -> None:
        """Remount it read-only, or writable; by force, also while a file is open for writing."""
        self._mount("-o", f"remount,{'ro' if on else 'rw'}")

    def unmount(self) -> None:
        """Let it go, also while files on it are open."""
        subprocess.run(["umount", "-l", self.folder], check=False, capture_output=True)

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments, self.folder], check=True, capture_output=True)


def can_mount(scratch: Path) -> bool:
    """Return whether this process may mount a disk."""
    if os.geteuid() != 0:
        return False
    try:
        SmallDisk(scratch).unmount()
    except (OSError, subprocess.CalledProcessError):
        return False
    return True
