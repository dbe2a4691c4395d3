"""Slips in the names of settings are spoken of; other programs' names are not."""

import re
from pathlib import Path

import pytest

from app.panel.env_check import OTHERS, unknown_settings
from app.panel.settings import Settings
from pipeline.core.settings import env_names

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("PANEL_PROT", "PANEL_PORT"),
        ("PANEL_PASWORD", "PANEL_PASSWORD"),
        ("Panel_Port", "PANEL_PORT"),
        ("ML_PIPELINE_DATA_DIR", "ML_PIPELINE_DATA"),
        ("CYCLE_INTERVAL", "CYCLE_INTERVAL_S"),
        ("RETRY_DELAY", "RETRY_DELAY_S"),
        ("STAGE_TIMOUT_S", "STAGE_TIMEOUT_S"),
        ("DRIFT_TRESHOLD", "DRIFT_THRESHOLD"),
        ("API_PROT", "API_PORT"),
        ("API_MAX_ROW", "API_MAX_ROWS"),
        ("MLFLOW_PROT", "MLFLOW_PORT"),
    ],
)
def test_meant_name_is_said_when_there_was_a_slip(name: str, meant: str) -> None:
    [problem] = unknown_settings([name, "PATH"])
    assert problem.id == "PANEL-09"
    assert name in problem.what
    assert f"{meant}?" in problem.fix


def test_list_is_named_when_nothing_is_like_a_name_of_ours() -> None:
    [problem] = unknown_settings(["PANEL_XYZQWJ"])
    assert "docs/settings.md" in problem.fix


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "HOME",
        "SPEED",
        "SEEDS",
        "RETRY",
        "TARGET",
        "API_TOKEN",
        "API_KEYS",
        "API_BASE_URL",
        "API_VERSION",
        "APP_ENV",
        "APP_NAME",
        "APP_ROOT",
        "APP_DEBUG",
        "APP_PORTS",
        "MLFLOW_HOST",
        "MLFLOW_TRACKING_URI",
        "MLFLOW_EXPERIMENT_NAME",
        "DOCKER_HOST",
        "OPENAI_API_KEY",
        "POSTGRES_PORT",
        "PANEL_SERVICE_HOST",
        "PANEL_SERVICE_PORT",
        "PANEL_PORT_8080_TCP",
        "PANEL_PORT_8080_TCP_ADDR",
        "API_SERVICE_PORT",
        "REDIS_PORT",
        "TIMEOUT_S",
        "SERVICE_PORT",
        "panel_port",
        "cycle_interval_s",
    ],
)
def test_nothing_is_said_when_it_is_another_program_s_name_or_known(name: str) -> None:
    assert unknown_settings([name]) == []


def test_every_name_is_known_that_a_process_of_ours_reads() -> None:
    assert {"API_MAX_ROWS", "APP_PUBLIC_PORT", "PANEL_URL", "API_KEY_FILE"} <= OTHERS
    compose = (ROOT / "compose.yaml").read_text("utf-8")
    assert unknown_settings(re.findall(r"\b([A-Z][A-Z_]+_[A-Z]+)\b", compose)) == []


def test_every_setting_reaches_the_panel_in_a_container() -> None:
    compose = (ROOT / "compose.yaml").read_text("utf-8")
    passed = set(re.findall(r"^      ([A-Z_]+):", compose, re.MULTILINE))
    # Folders and addresses are the image's own, files lie outside of the container, the rest is set by the panel.
    inside = {"ML_PIPELINE_DATA", "ML_PIPELINE_STATE", "ML_PIPELINE_MODELS"}
    set_by_panel = {
        "API_HOST",
        "API_URL",
        "APP_HOST",
        "PANEL_URL",
        "PANEL_NAMES",
        "ML_PIPELINE_IMAGE",
        "ML_PIPELINE_OWNER",
        "API_TLS_CERT",
        "ML_PIPELINE_ACCESS",
        "ML_PIPELINE_PUBLISHED_LOCALLY",
        "ML_PIPELINE_PORT_KEEPER",
        "ML_PIPELINE_REPLACES",
        "PANEL_MEMORY",
    }
    assert {*env_names(Settings), *OTHERS} - inside - set_by_panel - passed == set()
