"""Hands a port over from one server to the next without a moment in which nobody listens. Linux only.

A server listens alone, so that two programs never share a port by chance, and then lets a successor of the same user listen
beside it. As soon as the successor listens, the kernel gives it all new connections; the other one finishes what it has.
"""

import ctypes
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

# Set for a server that is started beside the one that it replaces.
REPLACES: Final = "ML_PIPELINE_REPLACES"
IS_POSSIBLE: Final = sys.platform == "linux"
_SO_ATTACH_REUSEPORT_CBPF: Final = 51
# A program of one instruction, "return 1": of the sockets of a port the second one, which began to listen later. Once the
# first is closed there is no second, and the kernel takes the one that is left.
_RETURN_SECOND: Final = struct.pack("=HBBI", 0x06, 0, 0, 1)


def allow_successor(sockets: Iterable[socket.socket]) -> None:
    """Let a server of the same user listen where these sockets listen, if it asks to (`bind_beside`)."""
    if IS_POSSIBLE:
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def bind_beside(unbound: socket.socket) -> None:
    """Let this socket be bound beside that of a server that allows a successor."""
    if IS_POSSIBLE:
        unbound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def take_connections(sockets: Iterable[socket.socket]) -> None:
    """Have all new connections come to these sockets, which listen, and none to the server beside which they were bound.

    Without this the two share them, and what has reached the other one when it is closed is lost.
    """
    code = ctypes.create_string_buffer(_RETURN_SECOND)
    program = struct.pack("@HP", 1, ctypes.addressof(code))
    for each in sockets:
        with suppress(OSError):  # nobody is beside it
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, program)
