"""`python -m app.prediction`: the prediction API on API_HOST:API_PORT."""

import logging
import sys

import uvicorn

from app.prediction.main import create_app
from app.prediction.settings import from_environment
from pipeline.errors import ProblemError


def main() -> int:
    """Serve until stopped; 78 when a setting cannot be used."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = from_environment()
    except ProblemError as problem:
        sys.stderr.write(f"{problem}\n")
        return 78
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=75,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
