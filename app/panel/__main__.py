"""`python -m app.panel`: reads the settings, locks the state folder, binds the port, serves. Refuses in one line."""

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import ExitStack, closing
from functools import partial
from types import FrameType
from typing import Final

from app.panel import startup
from app.panel.env_check import unknown_settings
from app.panel.settings import Settings
from app.web.tls import TlsFiles, read_tls
from pipeline.core.problems import ProblemError

STREAMS_END_S: Final = 2  # an open stream would keep the server from ever stopping
# What a person sends who sits in front of the panel: Ctrl-C, or the end of the terminal.
FROM_THE_TERMINAL: Final = frozenset({signal.SIGINT, signal.SIGHUP})


def main(argv: list[str]) -> int:
    """Serve until the panel is stopped and return the exit code.

    0 after a stop, 3 if a worker could not start, 75 if another panel has the state folder, 78 if a setting or the port
    cannot be used.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    for noisy in ("apscheduler", "uvicorn", "httpx", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        settings = startup.read_settings(argv)
        startup.check_addresses(settings)
        tls = read_tls(settings.tls_cert, settings.tls_key)
        startup.check_exposed(settings, partial(_published_addresses, settings))
        for problem in unknown_settings(os.environ):
            print(problem, file=sys.stderr)
        with startup.lock(settings), ExitStack() as stack:
            listeners = [stack.enter_context(closing(each)) for each in startup.listen(settings)]
            startup.keep_private(settings)
            startup.ensure_cli_token(settings.state_dir)
            serve(settings, listeners, tls)
    except ProblemError as problem:
        print(problem, file=sys.stderr)
        return startup.EXIT_CODES.get(problem.id, startup.EXIT_CONFIG)
    return 0


def _published_addresses(settings: Settings) -> tuple[str, ...] | None:
    # Only where it is asked: the import takes half a second.
    from app.panel.services.factory import own_published_addresses

    return own_published_addresses(settings)


def ends_services(number: int, *, is_in_container: bool) -> bool:
    """Return whether services that are processes end with a panel that this signal stops.

    Ctrl-C and the end of the terminal end everything that was started there. SIGTERM ends the panel alone, as kill -9
    does: the next one takes the services over. Of a container nothing outlives the first process, so there they end in
    good order.
    """
    return number in FROM_THE_TERMINAL or (is_in_container and os.getppid() in {0, 1})


def serve(settings: Settings, listeners: list[socket.socket], tls: TlsFiles | None = None) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP. Raises ProblemError where the panel cannot be built from these settings."""
    from app.panel.auth.service import Auth
    from app.panel.backups.restore import check_finished
    from app.panel.db.migrate import warnings
    from app.panel.main import create_app
    from app.panel.notifier import Notifier
    from app.panel.services.docker.host_container import own_container_id
    from app.panel.services.preflight import Preflight
    from app.panel.services.report import preflight_table
    from app.panel.services.supervisor import ServiceSupervisor
    from app.processes.environment import restrict
    from app.web import server
    from app.web.app_objects import provided_object

    check_finished(settings)
    app = create_app(settings)
    restrict()  # what the panel needs of its environment, it has read by now
    notifier, auth = provided_object(app, Notifier), provided_object(app, Auth)
    preflight, services = provided_object(app, Preflight), provided_object(app, ServiceSupervisor)
    is_in_container = own_container_id() != ""
    are_processes = services.view().runtime == "process"
    for problem in warnings(settings.database):
        print(problem, file=sys.stderr)

    class Server(server.Server):
        """Ends streams as soon as a stop is requested: uvicorn waits for open ones before it does anything else."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
            # Not the inherited one: it sends the signal again at the end, and a clean stop would not exit with 0.
            notifier.close()
            # systemd stops services and panel at once: none is to be started again meanwhile.
            services.hold()
            if are_processes and ends_services(sig, is_in_container=is_in_container):
                services.ends_services = True
            self.should_exit = True

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(f"Control panel: {auth.login_url()}", flush=True)
                print(preflight_table(await asyncio.to_thread(preflight.view)), flush=True)

    options = server.build_config(
        app,
        tls,
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=STREAMS_END_S,
    )
    panel = Server(options, settings.head_timeout_s)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # `nohup` has it ignored
        signal.signal(signal.SIGHUP, panel.handle_exit)
    panel.run(sockets=listeners)
    if are_processes and not services.ends_services and any(row.started_at for row in services.view().rows):
        print("The services go on. `ml-pipeline up` takes them over, `ml-pipeline down` ends them.", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
