"""`python -m app.prediction`: the prediction API on API_HOST:API_PORT."""

import contextlib
import gc
import logging
import sys

gc.disable()  # until the start is over: none of what is imported is garbage, and looking for it takes 30 ms

from app.prediction.reload.early_verification import EarlyVerification  # noqa: E402
from app.prediction.settings import ApiSettings  # noqa: E402
from app.web.exposure import check_exposure  # noqa: E402
from app.web.tls import read_tls  # noqa: E402
from pipeline.core.problems import ProblemError  # noqa: E402
from pipeline.core.settings import read  # noqa: E402


def main() -> int:
    """Serve until stopped. Return 0, or 78 when a setting is invalid."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        settings = read(ApiSettings)
        key = settings.bearer()
        tls = read_tls(settings.tls_cert, settings.tls_key)
        if not settings.is_published_locally:
            check_exposure("API_HOST", settings.host, {"API_KEY": bool(key)})
    except ProblemError as problem:
        sys.stderr.write(f"{problem}\n")
        return 78
    early = EarlyVerification.of_live(settings)
    # Half a second of imports, in which the bundle is verified already.
    from app.prediction.main import create_app
    from app.web.kept_port import KeptPort
    from app.web.server import Server, build_config

    app = create_app(settings, early)
    # What is loaded now stays for good: the garbage collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.enable()
    options = build_config(
        app,
        tls,
        log_level="warning",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=15,
    )
    with contextlib.suppress(KeyboardInterrupt):
        kept_port = None if settings.port_keeper is None else KeptPort(settings.port_keeper)
        server = Server(options, settings.head_timeout_s, kept_port)
        server.run_on(settings.host, settings.port, replaces=settings.replaces)
    return 0


if __name__ == "__main__":
    sys.exit(main())
