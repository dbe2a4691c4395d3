"""`python -m app.frontend`: the prediction app on APP_HOST:APP_PORT."""

import contextlib
import sys

from app.frontend.main import create_app
from app.frontend.settings import Settings
from app.web.exposure import check_exposure
from app.web.server import Server, build_config
from app.web.tls import read_tls
from pipeline.core.problems import ProblemError
from pipeline.core.settings import read


def main() -> int:
    """Serve until stopped. Return 0, or 78 when a setting is invalid."""
    try:
        settings = read(Settings)
        key = settings.bearer()
        tls = read_tls(settings.tls_cert, settings.tls_key)
        if not settings.is_published_locally:
            check_exposure("APP_HOST", settings.host, {"API_KEY": bool(key)})
    except ProblemError as problem:
        print(problem, file=sys.stderr)
        return 78
    options = build_config(
        create_app(settings),
        tls,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    with contextlib.suppress(KeyboardInterrupt):
        Server(options, settings.head_timeout_s).run_on(settings.host, settings.port, replaces=settings.replaces)
    return 0


if __name__ == "__main__":
    sys.exit(main())
