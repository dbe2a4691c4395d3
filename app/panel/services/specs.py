"""The specs of the three services, made from the settings and their placement. Pure."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.panel.services.handed_over import API_KEY_FILE, NOTHING, HandedOver
from app.panel.services.protocol import Mount, Placement, RuntimeKind, ServiceName, ServiceSpec
from app.panel.settings import Settings, listed_host
from app.web.exposure import is_loopback
from app.web.host_guard import names_beyond_loopback
from pipeline.core.product import NAME
from pipeline.core.settings import ApiAccess, env_name

MB: Final = 2**20
KEEPER_SETTING: Final = "ML_PIPELINE_PORT_KEEPER"
# Asks MLflow's store, behind the check of the host that its security layer makes; needs no login.
MLFLOW_READY: Final = "/readyz"


@dataclass(frozen=True)
class DesiredServices:
    """The services that should run. `build` needs a runtime that responds; `kind` and the published `ports` do not."""

    kind: RuntimeKind
    ports: Mapping[ServiceName, int]
    build: Callable[[Placement], Mapping[ServiceName, ServiceSpec]]


def desired_services(
    settings: Settings, kind: RuntimeKind, environ: Mapping[str, str], handed_over: HandedOver
) -> DesiredServices:
    """Return the three services, in the order in which they are started: what people wait for comes first."""
    return DesiredServices(
        kind,
        {"api": settings.api_port, "app": settings.app_port, "mlflow": settings.mlflow_port},
        lambda placement: build(settings, placement, environ, handed_over),
    )


def process_placement(settings: Settings, code: str = "") -> Placement:
    """Return the placement of processes: this interpreter, this machine, `code` (`code_version`). MLflow stays on loopback."""
    bound = settings.panel_host
    return Placement(
        kind="process",
        python={"mlflow": sys.executable, "api": sys.executable, "app": sys.executable},
        listen={"mlflow": "127.0.0.1", "api": bound, "app": bound},
        hosts={"mlflow": "127.0.0.1", "api": settings.url_host, "app": settings.url_host},
        ports={"mlflow": settings.mlflow_port, "api": settings.api_port, "app": settings.app_port},
        paths={
            "models": str(settings.models_dir.resolve()),
            "mlflow": str(settings.mlflow_dir.resolve()),
            "keys": str(settings.keys_dir.resolve()),
            "access": str(settings.access_dir.resolve()),
        },
        panel_url=settings.panel_url,
        tls=settings.tls_files,
        image=code,
    )


def build(
    settings: Settings,
    placement: Placement,
    environ: Mapping[str, str],
    handed_over: HandedOver = NOTHING,
) -> dict[ServiceName, ServiceSpec]:
    """Return the three services, each complete.

    From `environ`, the panel's own environment, settings of the API and the app (`API_*`, `APP_*`) are passed on; not
    the key, which API and app read from a file.
    """
    return {
        "api": _api(settings, placement, environ, handed_over),
        "app": _app(settings, placement, environ, handed_over),
        "mlflow": _mlflow(settings, placement, handed_over),
    }


def _api(settings: Settings, placement: Placement, environ: Mapping[str, str], handed_over: HandedOver) -> ServiceSpec:
    is_port_kept = "ports" in placement.paths
    return ServiceSpec(
        name="api",
        argv=(placement.python["api"], "-m", "app.prediction"),
        env={
            **_with_prefix(environ, "API_"),
            **_allowed_hosts("API_ALLOWED_HOSTS", settings, settings.api_public_url, environ),
            **_key_file(placement, handed_over),
            **_network(settings),
            **_published(placement, "api"),
            **_tls(placement),
            "ML_PIPELINE_MODELS": placement.paths["models"],
            "API_HOST": placement.listen["api"],
            "API_PORT": str(placement.ports["api"]),
            "PANEL_URL": settings.panel_public_url or placement.panel_url,
            "ML_PIPELINE_ACCESS": placement.paths["access"],
            **({KEEPER_SETTING: keeper_socket(placement, "api")} if is_port_kept else {}),
        },
        port=settings.api_port,
        port_setting="API_PORT",
        listen_port=placement.ports["api"],
        host=placement.listen["api"],
        ready_path="/livez",
        memory_bytes=1024 * MB,
        cpus=2.0,
        pids=256,
        start_s=30.0,
        mounts=(
            Mount("models", placement.paths["models"], read_only=True, source=placement.sources.get("models", "")),
            *_keys(placement, handed_over),
            _access(placement),
            *((_ports(placement),) if is_port_kept else ()),
        ),
        image=placement.image,
        publish_on=placement.publish_on.get("api", ()),
        user=placement.user,
        secret_version=_version(handed_over.api_key, handed_over.certificate),
        is_port_kept=is_port_kept,
    )


def _app(settings: Settings, placement: Placement, environ: Mapping[str, str], handed_over: HandedOver) -> ServiceSpec:
    tls = _tls(placement)
    return ServiceSpec(
        name="app",
        argv=(placement.python["app"], "-m", "app.frontend"),
        env={
            **_with_prefix(environ, "API_"),
            **_with_prefix(environ, "APP_"),
            **_allowed_hosts("APP_ALLOWED_HOSTS", settings, settings.app_public_url, environ),
            **_key_file(placement, handed_over),
            **_network(settings),
            **_published(placement, "app"),
            **tls,
            **({"API_TLS_CERT": tls["PANEL_TLS_CERT"]} if tls else {}),
            "API_URL": f"{placement.scheme}://{placement.hosts['api']}:{placement.ports['api']}",
            "APP_HOST": placement.listen["app"],
            "APP_PORT": str(placement.ports["app"]),
            **_panel(settings, placement),
            "ML_PIPELINE_ACCESS": placement.paths["access"],
        },
        port=settings.app_port,
        port_setting="APP_PORT",
        listen_port=placement.ports["app"],
        host=placement.listen["app"],
        ready_path="/livez",
        memory_bytes=512 * MB,
        cpus=1.0,
        pids=128,
        start_s=30.0,
        mounts=(*_keys(placement, handed_over), _access(placement)),
        image=placement.image,
        publish_on=placement.publish_on.get("app", ()),
        user=placement.user,
        secret_version=_version(handed_over.api_key, handed_over.certificate),
    )


def _mlflow(settings: Settings, placement: Placement, handed_over: HandedOver) -> ServiceSpec:
    # MLflow's own application behind a list of allowed routes, not `mlflow server`: one process and 230 MB instead of
    # two and 540 MB, and nothing that runs commands. The variables with an underscore are those that `mlflow server`
    # sets for its workers in the pinned version 3.17.2.
    folder = Path(placement.paths["mlflow"])
    store = f"sqlite:///{folder / 'mlflow.db'}"
    port = placement.ports["mlflow"]
    names = dict.fromkeys(
        (
            f"127.0.0.1:{settings.mlflow_port}",
            f"localhost:{settings.mlflow_port}",
            f"{placement.hosts['mlflow']}:{port}",
            *_public_names(settings.mlflow_public_url),
        )
    )
    server = (placement.python["mlflow"], "-m", "app.tracking_server")
    return ServiceSpec(
        name="mlflow",
        argv=(*server, "--host", placement.listen["mlflow"], "--port", str(port), "--project", NAME),
        env={
            **_network(settings),
            **_tls(placement),
            "HOME": str(folder),
            "ML_PIPELINE_ACCESS": placement.paths["access"],
            **_panel(settings, placement),
            "MLFLOW_PORT": str(settings.mlflow_port),
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(names),
            # Its pages send changes with their own address as origin.
            **(
                {"MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": settings.mlflow_public_url} if settings.mlflow_public_url else {}
            ),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            "_MLFLOW_SERVER_FILE_STORE": store,
            "_MLFLOW_SERVER_REGISTRY_STORE": store,
            "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
            "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(folder / "artifacts"),
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        },
        port=settings.mlflow_port,
        port_setting="MLFLOW_PORT",
        listen_port=port,
        host=placement.listen["mlflow"],
        ready_path=MLFLOW_READY,
        memory_bytes=1536 * MB,
        cpus=1.0,
        pids=256,
        start_s=90.0,
        mounts=(
            Mount("mlflow", placement.paths["mlflow"], read_only=False, source=placement.sources.get("mlflow", "")),
            _access(placement),
        ),
        image=placement.image,
        publish_on=placement.publish_on.get("mlflow", ()),
        user=placement.user,
        secret_version=handed_over.certificate,
    )


def _allowed_hosts(name: str, settings: Settings, public_url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the names of a service: of its own setting or else those of the panel, and of its public address."""
    hosts = ",".join(part for part in (environ.get(name) or settings.allowed_hosts, listed_host(public_url)) if part)
    return {name: hosts} if hosts else {}


def _public_names(url: str) -> tuple[str, ...]:
    """Return the Host headers that browsers send to a public address, with the port that they leave out and without."""
    host = url.partition("://")[2]
    return tuple(dict.fromkeys((host, listed_host(url)))) if url else ()


def _published(placement: Placement, service: ServiceName) -> dict[str, str]:
    """Return how a container knows that its port is published on loopback addresses only (`container_config`)."""
    is_local = placement.kind == "docker" and all(map(is_loopback, placement.publish_on.get(service, ())))
    return {"ML_PIPELINE_PUBLISHED_LOCALLY": "true"} if is_local else {}


def _tls(placement: Placement) -> dict[str, str]:
    """Return the files of the certificate, where services are served by https."""
    tls = placement.tls
    return {} if tls is None else {"PANEL_TLS_CERT": str(tls.cert), "PANEL_TLS_KEY": str(tls.key)}


def _version(*versions: str) -> str:
    return "-".join(filter(None, versions))


def _network(settings: Settings) -> dict[str, str]:
    """Return what all services are told about how requests reach them."""
    return {"TRUSTED_PROXIES": settings.trusted_proxies} if settings.trusted_proxies else {}


def _panel(settings: Settings, placement: Placement) -> dict[str, str]:
    """Return how a service knows where people log in."""
    names = ",".join(names_beyond_loopback(settings.panel_host, settings.allowed_hosts))
    return {
        "PANEL_URL": settings.panel_public_url or placement.panel_url,
        **({"PANEL_NAMES": names} if names else {}),
    }


def _access(placement: Placement) -> Mount:
    """Return the folder of the access list: every service reads it, and only the panel writes it."""
    return Mount("access", placement.paths["access"], read_only=True, source=placement.sources.get("access", ""))


def keeper_socket(placement: Placement, name: ServiceName) -> str:
    """Return where the keeper of a service's port gives it to the service."""
    return f"{placement.paths['ports']}/{name}.sock"


def _ports(placement: Placement) -> Mount:
    return Mount("ports", placement.paths["ports"], read_only=True, source=placement.sources.get("ports", ""))


def _with_prefix(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    secrets = {env_name(ApiAccess, field) for field in ApiAccess.model_fields}
    return {name: environ[name] for name in sorted(environ) if name.startswith(prefix) and name not in secrets}


def _key_file(placement: Placement, handed_over: HandedOver) -> dict[str, str]:
    return (
        {env_name(ApiAccess, "api_key_file"): f"{placement.paths['keys']}/{API_KEY_FILE}"}
        if handed_over.api_key
        else {}
    )


def _keys(placement: Placement, handed_over: HandedOver) -> tuple[Mount, ...]:
    mount = Mount("keys", placement.paths["keys"], read_only=True, source=placement.sources.get("keys", ""))
    return (mount,) if handed_over.api_key else ()
