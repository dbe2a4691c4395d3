"""The preflight checks as people read them in `docker compose logs panel`."""

from datetime import UTC, datetime

from app.panel.services.protocol import Check
from app.panel.services.report import preflight_table
from app.panel.services.views import PreflightView


def test_the_command_stands_below_when_a_check_failed() -> None:
    checks = (
        Check("python", "Python", "ok", "CPython 3.13."),
        Check(
            "PORT-01",
            "Port 8000",
            "error",
            "Port 8000 is used by container web-1.",
            "",
            "Stop it.",
            "docker stop web-1",
        ),
    )
    lines = preflight_table(PreflightView("error", datetime.now(UTC), checks)).splitlines()
    assert [line.split() for line in lines] == [
        ["Preflight", "checks:"],
        ["ok", "Python", "CPython", "3.13."],
        ["error", "Port", "8000", "Port", "8000", "is", "used", "by", "container", "web-1."],
        ["Stop", "it."],
        ["PORT-01", "$", "docker", "stop", "web-1"],
    ]
    assert lines[1].index("CPython") == lines[2].index("Port 8000 is"), "the messages stand in one column"
