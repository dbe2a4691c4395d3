"""Problems of services that run as processes and of nothing else."""

import errno

from pipeline.core.problems import ProblemError


class PortUnusableError(ProblemError):
    """A port or address cannot be used.

    The port is below 1024, which is for the administrator, or PANEL_HOST is not an address of this machine. Choose a
    port above 1023 and an address of this machine.
    """

    id = "PORT-02"
    status = 409

    def __init__(self, host: str, port: int, setting: str, *, error_number: int) -> None:
        super().__init__(
            f"Cannot listen on {host} port {port}.",
            why=f"{errno.errorcode.get(error_number, error_number)}: the port or the address is not available to this "
            "user or machine.",
            fix=f"Set {setting} to a port above 1023, and PANEL_HOST to an address of this machine.",
            command=f"{setting}={port + 8000 if port < 1024 else port} make run",
        )
