"""`python -m app.tracking_server --host HOST --port PORT --project NAME`: MLflow without what runs code."""

import argparse
import contextlib
from typing import Final

from app.tracking_server.main import create_app
from app.tracking_server.settings import Settings
from app.web.proxies import behind_proxies
from app.web.security import StrictTransport
from app.web.server import Server, build_config
from app.web.tls import read_tls
from pipeline.core.settings import read

HEAD_S: Final = 10.0  # how long a connection may take to send the head of a request, as at the other servers


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m app.tracking_server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--project", required=True, help="the experiment and the registered model that are protected")
    options = parser.parse_args()
    settings = read(Settings)
    tls = read_tls(settings.tls_cert, settings.tls_key)
    app = behind_proxies(StrictTransport(create_app(settings, options.project)), settings.trusted_proxies)
    # With a lifespan, MLflow's application would look for containers and folders of its assistant, and remove them.
    config = build_config(app, tls, root_path="", lifespan="off")
    with contextlib.suppress(KeyboardInterrupt):
        Server(config, HEAD_S).run_on(options.host, options.port)


if __name__ == "__main__":
    main()
