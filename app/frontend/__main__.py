"""`python -m app.frontend`: the prediction app on APP_HOST:APP_PORT."""

import sys

import uvicorn

from app.frontend.main import create_app
from app.frontend.settings import Settings


def main() -> int:
    """Serve until stopped; 2 if the environment makes no sense."""
    try:
        settings = Settings.from_env()
    except (ValueError, OSError) as error:
        print(f"The prediction app cannot start: {error}", file=sys.stderr)
        return 2
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
