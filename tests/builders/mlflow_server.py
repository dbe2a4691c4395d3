"""MLflow's server, started as the panel starts it."""

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.panel.clock import SystemClock
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import ServiceName, ServiceSpec
from app.panel.services.specs import DesiredServices, build, process_placement
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from bench.ports import free_port


@contextmanager
def mlflow_server(folder: Path, module: str = "app.tracking_server") -> Iterator[str]:
    """Yield the address of a server whose store, empty at first, is in `folder`; it ends with the block.

    `module` is executed in place of the product's server.
    """
    port = free_port()
    settings = Settings(data_dir=folder, state_dir=folder / "state", models_dir=folder / "models", mlflow_port=port)
    placement = process_placement(settings)
    spec = build(settings, placement, {})["mlflow"]
    argv = tuple(module if argument == "app.tracking_server" else argument for argument in spec.argv)
    specs: dict[ServiceName, ServiceSpec] = {"mlflow": dataclasses.replace(spec, argv=argv)}
    supervisor = ServiceSupervisor(
        ProcessRuntime(placement, settings.state_dir / "services"),
        DesiredServices("process", {"mlflow": port}, lambda _: specs),
        SystemClock(),
    )
    supervisor.start()
    try:
        supervisor.wait_ready(("mlflow",), 90, threading.Event())
        yield supervisor.url("mlflow")
    finally:
        supervisor.close()
