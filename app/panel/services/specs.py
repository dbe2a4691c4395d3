"""What the three services are, made from the settings and the place where they live. Pure."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.panel.services.protocol import Mount, Place, RuntimeKind, ServiceName, ServiceSpec
from app.panel.settings import Settings
from pipeline.core.problems import ProblemError
from pipeline.core.settings import ApiAccess, read

MB: Final = 2**20
# A request that the security layer of MLflow checks and that reads its store; `/health` answers 200 to any host.
MLFLOW_READY: Final = "/api/2.0/mlflow/experiments/search?max_results=1"


@dataclass(frozen=True)
class Wanted:
    """What should run. `build` needs a runtime that answers; `kind` and the published `ports` are known without it."""

    kind: RuntimeKind
    ports: Mapping[ServiceName, int]
    build: Callable[[Place], Mapping[ServiceName, ServiceSpec]]


def wanted(settings: Settings, kind: RuntimeKind, environ: Mapping[str, str]) -> Wanted:
    """The three services, in the order in which they are started: what people wait for comes first."""
    return Wanted(
        kind,
        {"api": settings.api_port, "app": settings.app_port, "mlflow": settings.mlflow_port},
        lambda place: build(settings, place, environ),
    )


def api_key() -> str:
    """Return the key that the API asks for, as the API itself reads it; "" where there is none or it is unusable."""
    try:
        return read(ApiAccess).bearer()
    except ProblemError:  # the API names it when it refuses to start
        return ""


def process_place(settings: Settings) -> Place:
    """Child processes of the panel: this interpreter, this machine. MLflow, which has no login, stays on loopback."""
    bound = settings.panel_host
    near = "127.0.0.1" if bound in {"0.0.0.0", "::", "localhost"} else bound  # noqa: S104 - compared, not bound
    return Place(
        kind="process",
        python={"mlflow": sys.executable, "api": sys.executable, "app": sys.executable},
        listen={"mlflow": "127.0.0.1", "api": bound, "app": bound},
        hosts={"mlflow": "127.0.0.1", "api": near, "app": near},
        ports={"mlflow": settings.mlflow_port, "api": settings.api_port, "app": settings.app_port},
        paths={
            "models": str(settings.models_dir.resolve()),
            "mlflow": str((settings.state_dir / "mlflow").resolve()),
        },
        panel_url=f"http://{near}:{settings.panel_port}",
    )


def build(settings: Settings, place: Place, environ: Mapping[str, str]) -> dict[ServiceName, ServiceSpec]:
    """The three services, each complete.

    From `environ`, the panel's own environment, settings of the API and the app (`API_*`, `APP_*`) are passed on.
    """
    return {
        "api": _api(settings, place, environ),
        "app": _app(settings, place, environ),
        "mlflow": _mlflow(settings, place),
    }


def _api(settings: Settings, place: Place, environ: Mapping[str, str]) -> ServiceSpec:
    return ServiceSpec(
        name="api",
        argv=(place.python["api"], "-m", "app.prediction"),
        env={
            # Names under which the panel may be opened hold for the API beside it, unless it is told its own.
            **({"API_ALLOWED_HOSTS": settings.allowed_hosts} if settings.allowed_hosts else {}),
            **_passed(environ, "API_"),
            "ML_PIPELINE_MODELS": place.paths["models"],
            "API_HOST": place.listen["api"],
            "API_PORT": str(place.ports["api"]),
            "PANEL_URL": place.panel_url,
        },
        port=settings.api_port,
        port_setting="API_PORT",
        listen_port=place.ports["api"],
        host=place.listen["api"],
        ready_path="/livez",
        memory_bytes=1024 * MB,
        cpus=2.0,
        pids=256,
        start_s=30.0,
        mounts=(Mount("models", place.paths["models"], read_only=True, source=place.sources.get("models", "")),),
        image=place.image,
        user=place.user,
    )


def _app(settings: Settings, place: Place, environ: Mapping[str, str]) -> ServiceSpec:
    return ServiceSpec(
        name="app",
        argv=(place.python["app"], "-m", "app.frontend"),
        env={
            # Names under which the panel may be opened hold for the app beside it, unless it is told its own.
            **({"APP_ALLOWED_HOSTS": settings.allowed_hosts} if settings.allowed_hosts else {}),
            **_passed(environ, "API_"),
            **_passed(environ, "APP_"),
            "API_URL": f"http://{place.hosts['api']}:{place.ports['api']}",
            "APP_HOST": place.listen["app"],
            "APP_PORT": str(place.ports["app"]),
            "PANEL_URL": place.panel_url,
        },
        port=settings.app_port,
        port_setting="APP_PORT",
        listen_port=place.ports["app"],
        host=place.listen["app"],
        ready_path="/livez",
        memory_bytes=512 * MB,
        cpus=1.0,
        pids=128,
        start_s=30.0,
        image=place.image,
        user=place.user,
    )


def _mlflow(settings: Settings, place: Place) -> ServiceSpec:
    # MLflow's own application behind a list of allowed routes, not `mlflow server`: one process and 230 MB instead of
    # two and 540 MB, and nothing that runs commands. The variables with an underscore are those that `mlflow server`
    # sets for its workers in the pinned version 3.17.2.
    folder = Path(place.paths["mlflow"])
    store = f"sqlite:///{folder / 'mlflow.db'}"
    port = place.ports["mlflow"]
    names = dict.fromkeys(
        (
            f"127.0.0.1:{settings.mlflow_port}",
            f"localhost:{settings.mlflow_port}",
            f"{place.hosts['mlflow']}:{port}",
        )
    )
    server = (place.python["mlflow"], "-m", "app.tracking_server")
    return ServiceSpec(
        name="mlflow",
        argv=(*server, "--host", place.listen["mlflow"], "--port", str(port)),
        env={
            "HOME": str(folder),
            "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(names),
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
        host=place.listen["mlflow"],
        ready_path=MLFLOW_READY,
        memory_bytes=1536 * MB,
        cpus=1.0,
        pids=256,
        start_s=90.0,
        mounts=(Mount("mlflow", place.paths["mlflow"], read_only=False, source=place.sources.get("mlflow", "")),),
        image=place.image,
        user=place.user,
    )


def _passed(environ: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name: environ[name] for name in sorted(environ) if name.startswith(prefix)}
