"""A supervisor over real processes that play services."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.panel.clock import SystemClock
from app.panel.services.process.runtime import ProcessRuntime
from app.panel.services.protocol import SERVICES, Placement, Runtime, ServiceName, ServiceSpec
from app.panel.services.specs import DesiredServices
from app.panel.services.supervisor import ServiceSupervisor

FAKE = Path(__file__).parents[3] / "fakes" / "service.py"


def fake_spec(name: ServiceName, port: int, *args: str) -> ServiceSpec:
    """Return the fake service of `tests/fakes/service.py` as a spec."""
    return ServiceSpec(
        name=name,
        argv=(sys.executable, str(FAKE), "127.0.0.1", str(port), *args),
        env={},
        port=port,
        port_setting=f"{name.upper()}_PORT",
        listen_port=port,
        host="127.0.0.1",
        ready_path="/",
        memory_bytes=2**28,
        cpus=1.0,
        pids=64,
        start_s=30.0,
    )


def end(runtime: Runtime) -> None:
    """End all services of a runtime, and close it."""
    for name in SERVICES:
        runtime.stop(name)
    runtime.close()


Supervise = Callable[..., ServiceSupervisor]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    """`supervise(spec, ...)`: a supervisor of these specs, not started; closed after the test, with its services."""
    supervisors: list[ServiceSupervisor] = []

    def make(*specs: ServiceSpec) -> ServiceSupervisor:
        placement = Placement(
            kind="process",
            python={},
            listen={},
            hosts={spec.name: "127.0.0.1" for spec in specs},
            ports={},
            paths={},
            panel_url="",
        )
        desired = DesiredServices(
            "process", {spec.name: spec.port for spec in specs}, lambda _: {s.name: s for s in specs}
        )
        supervisors.append(ServiceSupervisor(ProcessRuntime(placement, tmp_path / "services"), desired, SystemClock()))
        return supervisors[-1]

    yield make
    for supervisor in supervisors:
        supervisor.ends_services = True
        supervisor.close()
