"""The settings of services."""

from pathlib import Path

import pytest

from app.panel.services.handed_over import HandedOver
from app.panel.services.protocol import SERVICES, Placement
from app.panel.services.specs import build, process_placement
from app.panel.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", models_dir=tmp_path / "models", api_port=8010, mlflow_port=5010)


def test_each_service_has_its_own_port_and_folder_when_they_are_processes(settings: Settings, tmp_path: Path) -> None:
    specs = build(settings, process_placement(settings), {"PANEL_PASSWORD": "x", "API_MAX_ROWS": "7", "APP_TITLE": "t"})
    assert list(specs) == ["api", "app", "mlflow"]
    assert specs["api"].env["API_PORT"] == "8010"
    assert specs["api"].env["ML_PIPELINE_MODELS"] == str(tmp_path / "models")
    assert specs["app"].env["API_URL"] == "http://127.0.0.1:8010"
    assert (specs["api"].env["API_MAX_ROWS"], specs["app"].env["APP_TITLE"]) == ("7", "t")
    assert not any({"PANEL_PASSWORD", "ML_PIPELINE_PUBLISHED_LOCALLY"} & spec.env.keys() for spec in specs.values())


def test_each_service_trusts_the_proxies_that_the_panel_does_when_they_are_named(settings: Settings) -> None:
    proxied = settings.model_copy(update={"trusted_proxies": "10.0.0.1"})
    specs = build(proxied, process_placement(proxied), {})
    assert {spec.env["TRUSTED_PROXIES"] for spec in specs.values()} == {"10.0.0.1"}
    assert not any("TRUSTED_PROXIES" in spec.env for spec in build(settings, process_placement(settings), {}).values())


def test_each_service_answers_to_its_public_name_when_it_has_one(settings: Settings) -> None:
    urls = {
        "allowed_hosts": "box.lan",
        "panel_public_url": "https://panel.example",
        "api_public_url": "https://api.example",
        "app_public_url": "https://app.example:8443",
        "mlflow_public_url": "https://mlflow.example",
    }
    public = settings.model_copy(update=urls)
    specs = build(public, process_placement(public), {"APP_ALLOWED_HOSTS": "own.lan"})
    assert specs["api"].env["API_ALLOWED_HOSTS"] == "box.lan,api.example:443"
    assert specs["app"].env["APP_ALLOWED_HOSTS"] == "own.lan,app.example:8443"
    assert specs["app"].env["PANEL_URL"] == specs["api"].env["PANEL_URL"] == "https://panel.example"
    assert specs["mlflow"].env["MLFLOW_SERVER_ALLOWED_HOSTS"].endswith(",mlflow.example,mlflow.example:443")
    assert specs["mlflow"].env["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"] == "https://mlflow.example"
    assert public.panel_hosts == "box.lan,panel.example:443"


def test_services_are_served_by_https_when_there_is_a_certificate(settings: Settings) -> None:
    secure = settings.model_copy(update={"tls_cert": Path("/tls/box.pem"), "tls_key": Path("/tls/box.key")})
    specs = build(secure, process_placement(secure), {})
    for name in ("api", "app", "mlflow"):
        assert specs[name].env["PANEL_TLS_CERT"] == "/tls/box.pem"
        assert specs[name].env["PANEL_TLS_KEY"] == "/tls/box.key"
    assert specs["app"].env["API_URL"] == "https://127.0.0.1:8010"
    assert specs["app"].env["API_TLS_CERT"] == "/tls/box.pem"
    assert specs["app"].env["PANEL_URL"] == "https://127.0.0.1:8080"


@pytest.mark.parametrize("host", ["::1", "::"])  # the latter takes no IPv4 connections in asyncio
def test_addresses_are_urls_when_the_panel_listens_on_ipv6(settings: Settings, host: str) -> None:
    placement = process_placement(settings.model_copy(update={"panel_host": host}))
    specs = build(settings, placement, {})
    assert placement.listen["api"] == host
    assert specs["app"].env["API_URL"] == "http://[::1]:8010"
    assert specs["api"].env["PANEL_URL"] == "http://[::1]:8080"


def test_mlflow_is_strict_about_hosts_and_has_no_jobs_and_no_models_when_it_is_built(settings: Settings) -> None:
    placement = Placement(
        kind="docker",
        python={"mlflow": "python", "api": "python", "app": "python"},
        listen={"mlflow": "0.0.0.0", "api": "0.0.0.0", "app": "0.0.0.0"},
        hosts={"mlflow": "ml-mlflow", "api": "ml-api", "app": "ml-app"},
        ports={"mlflow": 5000, "api": 8000, "app": 8501},
        paths={"models": "/models", "mlflow": "/mlflow", "keys": "/keys", "access": "/access"},
        panel_url="http://panel:8080",
        image="sha256:1",
    )
    specs = build(settings, placement, {})
    assert (
        specs["api"].env["ML_PIPELINE_PUBLISHED_LOCALLY"] == specs["app"].env["ML_PIPELINE_PUBLISHED_LOCALLY"] == "true"
    )
    env = specs["mlflow"].env
    assert env["MLFLOW_SERVER_ALLOWED_HOSTS"] == "127.0.0.1:5010,localhost:5010,ml-mlflow:5000"
    assert env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert env["MLFLOW_DISABLE_TELEMETRY"] == "true"
    mounts = {name: [(mount.volume, mount.read_only) for mount in spec.mounts] for name, spec in specs.items()}
    assert mounts == {
        "mlflow": [("mlflow", False), ("access", True)],
        "api": [("models", True), ("access", True)],
        "app": [("access", True)],
    }
    assert {spec.image for spec in specs.values()} == {"sha256:1"}


def test_the_digest_stays_when_nothing_that_matters_changed(settings: Settings) -> None:
    one = build(settings, process_placement(settings), {"HOME": "/a"})
    two = build(settings, process_placement(settings), {"HOME": "/b"})
    assert [spec.digest for spec in one.values()] == [spec.digest for spec in two.values()]


def test_the_key_is_a_file_that_mlflow_does_not_see_when_there_is_one(settings: Settings, tmp_path: Path) -> None:
    environ = {"API_KEY": "k3y", "API_KEY_FILE": "/run/secrets/api_key", "API_MAX_ROWS": "7"}
    specs = build(settings, process_placement(settings), environ, HandedOver(api_key="version-1"))
    keys = str(tmp_path / "state" / "keys")
    for name in ("api", "app"):
        assert specs[name].env["API_KEY_FILE"] == f"{keys}/api_key"
        assert ("keys", keys, True) in [(mount.volume, mount.path, mount.read_only) for mount in specs[name].mounts]
        assert specs[name].env["API_MAX_ROWS"] == "7"
    assert "keys" not in [mount.volume for mount in specs["mlflow"].mounts]
    assert "k3y" not in str(specs)


def test_api_and_app_are_other_services_when_the_key_is_another(settings: Settings) -> None:
    versions = [HandedOver(api_key=version) for version in ("", "1", "2")]
    without, first, second = (build(settings, process_placement(settings), {}, version) for version in versions)
    for name in ("api", "app"):
        assert len({specs[name].digest for specs in (without, first, second)}) == 3
        assert "API_KEY_FILE" not in without[name].env
    assert without["mlflow"].digest == first["mlflow"].digest == second["mlflow"].digest


def test_all_services_are_others_when_the_certificate_is_another(settings: Settings) -> None:
    versions = [HandedOver(certificate=version) for version in ("", "1", "2")]
    built = [build(settings, process_placement(settings), {}, version) for version in versions]
    assert all(len({specs[name].digest for specs in built}) == 3 for name in SERVICES)
