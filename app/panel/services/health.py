"""The state of all services in one word and one sentence, for the top of every page. Pure."""

from collections.abc import Sequence

from app.panel.pages.renderer import Health
from app.panel.services.protocol import Check
from app.panel.services.views import ServicesView


def health(view: ServicesView, checks: Sequence[Check] = ()) -> Health:
    """Return the worst first: what is down, unhealthy, wrong by the `checks` or being started, else that all are healthy."""
    down = [row.title for row in view.rows if row.state in {"crash-looping", "blocked", "backing-off"}]
    unhealthy = [row.title for row in view.rows if row.state in {"unhealthy", "stopped"}]
    n_starting = sum(row.state == "starting" for row in view.rows)
    if down:
        return Health("bad", f"{down[0]} is down" if len(down) == 1 else f"{len(down)} services are down")
    if unhealthy:
        return Health(
            "warn",
            f"{unhealthy[0]} is unhealthy" if len(unhealthy) == 1 else f"{len(unhealthy)} services are unhealthy",
        )
    failed = next((check for check in checks if check.state == "error"), None)
    if failed is not None:
        return Health("warn", f"{failed.name}: {failed.id}")
    if n_starting:
        return Health("busy", f"Starting, {len(view.rows) - n_starting} of {len(view.rows)} are up")
    return Health("good", "All healthy")
