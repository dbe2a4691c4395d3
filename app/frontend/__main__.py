"""`python -m app.frontend`: the prediction app on APP_HOST:APP_PORT."""

import contextlib
import sys

from app.frontend.main import create_app
from app.frontend.settings import Settings
from app.web.server import Server, config


def main() -> int:
    """Serve until stopped. Returns 0, or 2 if a setting is not valid."""
    try:
        settings = Settings.from_env()
    except (ValueError, OSError) as error:
        print(f"The prediction app cannot start: {error}", file=sys.stderr)
        return 2
    options = config(
        create_app(settings), host=settings.host, port=settings.port, log_level="warning", timeout_graceful_shutdown=2
    )
    with contextlib.suppress(KeyboardInterrupt):
        Server(options, settings.head_timeout_s).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
