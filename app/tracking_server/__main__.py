"""`python -m app.tracking_server --host HOST --port PORT`: MLflow's server, without what runs code for its callers."""

import argparse
import contextlib
from typing import Final

from app.tracking_server.main import create_app
from app.web.server import Server, build_config

HEAD_S: Final = 10.0  # how long a connection may take to send the head of a request, as at the other servers


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m app.tracking_server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    options = parser.parse_args()
    config = build_config(create_app(), host=options.host, port=options.port, root_path="")
    with contextlib.suppress(KeyboardInterrupt):
        Server(config, HEAD_S).run()


if __name__ == "__main__":
    main()
