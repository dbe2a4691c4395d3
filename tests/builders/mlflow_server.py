"""MLflow's server, started as the panel starts it."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.panel.clock import SystemClock
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import ServiceName, ServiceSpec
from app.panel.services.specs import DesiredServices, build, process_placement
from app.panel.services.supervisor import ServiceSupervisor
from app.panel.settings import Settings
from app.web.access import FILE, Access, TokenAccess, digest
from app.web.identity import ROLES
from bench.ports import free_port
from pipeline.core.atomic_files import write_atomic

TOKEN: Final = "token-of-the-panel"


def allow(settings: Settings, tokens: Mapping[str, TokenAccess]) -> None:
    """Let the holders of these tokens, and nobody else, use the services of a panel."""
    settings.access_dir.mkdir(parents=True, exist_ok=True)
    access = Access({digest(text): entry for text, entry in tokens.items()})
    write_atomic(settings.access_dir / FILE, access.to_json())


@contextmanager
def mlflow_server(folder: Path, *, has_token: bool = True) -> Iterator[str]:
    """Yield the address of a server whose store, empty at first, is in `folder`; it ends with the block.

    The address holds a token of the panel itself, which clients send as the password of Basic authentication, unless
    `has_token` is false. Each role is the token of somebody who has it.
    """
    port = free_port()
    settings = Settings(data_dir=folder, state_dir=folder / "state", models_dir=folder / "models", mlflow_port=port)
    placement = process_placement(settings)
    people: dict[str, TokenAccess] = {role: TokenAccess(role, ("mlflow",), role) for role in ROLES}
    allow(settings, {TOKEN: TokenAccess("panel", ("mlflow",), "admin", is_service=True), **people})
    specs: dict[ServiceName, ServiceSpec] = {"mlflow": build(settings, placement, {})["mlflow"]}
    supervisor = ServiceSupervisor(
        ProcessRuntime(placement, settings.state_dir / "services"),
        DesiredServices("process", {"mlflow": port}, lambda _: specs),
        SystemClock(),
    )
    supervisor.start()
    try:
        supervisor.wait_ready(("mlflow",), 90, threading.Event())
        address = supervisor.url("mlflow")
        yield address.replace("://", f"://panel:{TOKEN}@") if has_token else address
    finally:
        supervisor.ends_services = True
        supervisor.close()
