"""`python -m app.tracking_server --host HOST --port PORT`: MLflow's server, without what runs code for its callers."""

import argparse

import uvicorn

from app.tracking_server.main import create_app


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(prog="python -m app.tracking_server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    options = parser.parse_args()
    # The address of a client is the one that connects: no header may claim another.
    uvicorn.run(
        create_app(),
        host=options.host,
        port=options.port,
        ws="none",
        access_log=False,
        proxy_headers=False,
        root_path="",
    )


if __name__ == "__main__":
    main()
