"""Nothing that other machines can reach is served without a secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.web.exposure import check_exposure, is_loopback
from bench.ports import free_port
from pipeline.core.problems import ProblemError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_no_secret_is_needed_when_only_this_machine_reaches_it(host: str) -> None:
    assert is_loopback(host)
    check_exposure("API_HOST", host, {"API_KEY": False})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.5", "box.lan", "", "localhost.evil.example"])
def test_one_line_says_what_to_set_when_others_reach_it(host: str) -> None:
    with pytest.raises(ProblemError) as caught:
        check_exposure("API_HOST", host, {"PANEL_PASSWORD": True, "API_KEY": False})
    assert caught.value.id == "CONF-03"
    line = str(caught.value)
    assert "\n" not in line
    assert "API_KEY is not set" in line
    assert "Set API_KEY_FILE (or API_KEY)" in line
    check_exposure("API_HOST", host, {"PANEL_PASSWORD": True, "API_KEY": True})


@pytest.mark.process
@pytest.mark.parametrize(("module", "name"), [("app.prediction", "API"), ("app.frontend", "APP")])
def test_server_does_not_start_when_it_would_be_open_to_others(module: str, name: str, tmp_path: Path) -> None:
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("API_", "APP_"))}
    environ |= {
        "PYTHONPATH": str(Path(__file__).parents[3]),
        f"{name}_HOST": "0.0.0.0",
        f"{name}_PORT": str(free_port()),
    }
    process = subprocess.run(
        [sys.executable, "-m", module],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 78
    assert process.stderr.startswith(
        f"CONF-03: {name}_HOST is 0.0.0.0, which other machines can reach, and API_KEY is not set."
    )
    assert process.stderr.count("\n") == 1
