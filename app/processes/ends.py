"""Says at once when a process has ended, a child or not."""

import os
import select
import threading
from collections.abc import Callable
from contextlib import suppress


def when_ended(pid: int, call: Callable[[], None]) -> None:
    """Have `call` made, in a thread of its own, as soon as the process has ended; never where the kernel does not tell (macOS).

    It still has to be waited for by its parent.
    """
    if not hasattr(os, "pidfd_open"):
        return
    try:
        handle = os.pidfd_open(pid)
    except OSError:  # it has ended and was waited for, or the kernel is an old one: whoever looks will see it
        return

    def wait() -> None:
        ended = select.poll()
        ended.register(handle, select.POLLIN)
        with suppress(OSError):
            ended.poll()
        os.close(handle)
        call()

    threading.Thread(target=wait, name=f"wait-{pid}", daemon=True).start()
