"""A process that an earlier parent started and left: it is known by its identity, and watched and ended by it."""

from app.processes.tree import Identity, end_tree, is_running, pid_of


class AdoptedProcess:
    """A running process with this identity (`tree.identity`), leader of its session, but not a child of this process."""

    # Only a parent is told.
    exit_code = None

    def __init__(self, leader: Identity, pid: int) -> None:
        self._leader = leader
        self.pid = pid

    def is_alive(self) -> bool:
        """Return whether it runs; never true again once it was false."""
        return _is_alive(self._leader)

    def end(self, grace_s: float) -> None:
        """Return when it is gone with all that it started: TERM, wait at most `grace_s`, KILL."""
        end_tree(self._leader, grace_s)

    def leave(self) -> None:
        """Forget it: it goes on without us."""


def adopt(leader: Identity) -> AdoptedProcess | None:
    """Return the process with this identity; None if it has ended."""
    pid = pid_of(leader)
    return AdoptedProcess(leader, pid) if pid is not None and _is_alive(leader) else None


def _is_alive(leader: Identity) -> bool:
    pid = pid_of(leader)
    return pid is not None and is_running(pid)
